"""Generated tasks: of the depth they say, solvable, with distractors that lead nowhere, and no crafted thing in two splits."""

from itertools import combinations

import pytest

from a3t.envs.textcraft import generate, split_of
from a3t.envs.textcraft.book import words
from a3t.envs.textcraft.generate import draw_spec
from a3t.envs.textcraft.names import KINDS, LOOSE, NUM_TIERS, SPLITS, things
from a3t.envs.textcraft.world import State
from a3t.errors import UnknownNameError

DEPTHS = (1, 2, 3, 4)
GOLDEN = """Crafting commands:
craft 1 willow beam using 2 clay, 2 feather
craft 3 spruce pole using 3 ink, 2 spruce log
craft 4 larch pole using 1 clay, 1 larch log
craft 1 larch beam using 2 pole

Goal: craft larch beam."""
SPECS = [draw_spec(0, split, index, DEPTHS, (4, 10)) for split in SPLITS for index in range(120)]


@pytest.fixture(scope="module")
def games():
    """360 games: 30 of each depth in each split."""
    return [(spec, generate(spec)) for spec in SPECS]


def naive_depth(book, item):
    """Depth by its definition, with nothing remembered."""
    return min(
        (
            1 + max(min(naive_depth(book, option) for option in book.options(one.name)) for one in recipe.ingredients)
            for recipe in book.by_output.get(item, ())
        ),
        default=0,
    )


def test_solutions_play_to_success_through_listed_actions_on_360_tasks_of_all_depths(games):
    for spec, game in games:
        state, solution = State(), game.plan.commands
        for action in solution:
            assert not state.won
            assert action in game.actions(state)
            state, _, valid = game.play(state, action)
            assert valid
        assert state.won
        assert spec.target.tier + 1 <= len(solution) <= 6 * spec.target.tier
    assert {tier: sum(spec.target.tier == tier for spec, _ in games) for tier in DEPTHS} == dict.fromkeys(DEPTHS, 90)


def test_the_depth_of_a_task_is_its_recipes_depth_by_definition(games):
    for spec, game in games:
        assert game.book.depth(game.goal) == naive_depth(game.book, game.goal) == spec.target.tier


def test_distractors_take_what_the_task_needs_and_are_never_needed(games):
    for _, game in games:
        useful = set(game.book.needed_for(game.goal))
        lures = set(game.shown) - useful
        names = {one.name for recipe in useful for one in recipe.ingredients}
        assert 4 <= len(lures) <= 10
        assert set(game.shown) == set(game.book.recipes)
        for lure in lures:
            assert names & {one.name for one in lure.ingredients}
            assert lure.output not in {recipe.output for recipe in useful}


def test_no_crafted_thing_and_no_line_of_a_recipe_is_shared_by_two_splits(games):
    crafted = {split: set() for split in SPLITS}
    lines = {split: set() for split in SPLITS}
    for spec, game in games:
        for recipe in game.shown:
            assert split_of(words(recipe.output)) == spec.split
            crafted[spec.split].add(recipe.output)
            lines[spec.split].add(recipe.command)
    for one, other in combinations(SPLITS, 2):
        assert not crafted[one] & crafted[other]
        assert not lines[one] & lines[other]


def test_splits_part_all_names_that_can_ever_be_crafted_whatever_the_seed():
    """12 materials of 4 kinds, 6 forms in each of 4 tiers: 1152 things; two thirds, a sixth, a sixth."""
    names = {split: {thing.name for tier in range(1, NUM_TIERS + 1) for thing in things(split, tier)} for split in SPLITS}
    assert {split: len(its) for split, its in names.items()} == {"train": 768, "valid": 192, "test": 192}
    assert len(set.union(*names.values())) == 12 * 4 * 6 * 4
    assert all(split_of(name) == split for split, its in names.items() for name in its)
    assert split_of("oak log") is split_of("clay") is split_of("unheard of") is None


def test_each_word_of_the_test_split_is_a_word_of_training():
    def words_of(split):
        return {word for tier in range(1, NUM_TIERS + 1) for thing in things(split, tier) for word in thing.name.split()}

    assert words_of("test") == words_of("valid") == words_of("train")


def test_no_word_means_two_things():
    kinds = KINDS.values()
    said = [*LOOSE, *(kind.raw for kind in kinds), *(m for kind in kinds for m in kind.materials)]
    said += [form for kind in kinds for tier in kind.forms for form in tier]
    assert len(said) == len(set(said)) == 16 + 4 + 48 + 96


def test_some_tasks_take_any_material_and_any_of_two_works(games):
    generic = [game for _, game in games if game.book.generic]
    assert len(generic) > 50
    for game in generic:
        for name in game.book.generic:
            assert len(game.book.options(name)) >= 2
            assert not game.book.can_get(name)
            assert game.book.depth(name) == 1


def test_the_same_numbers_give_the_same_task_and_another_seed_another():
    assert [generate(spec).intro for spec in SPECS[:8]] == [generate(spec).intro for spec in SPECS[:8]]
    others = [draw_spec(1, spec.split, spec.index, DEPTHS, (4, 10)) for spec in SPECS]
    assert sum(one.target == other.target for one, other in zip(SPECS, others, strict=True)) < 40


def test_a_task_drawn_on_another_machine_is_this_one():
    """Golden: if this changes, so must GENERATOR, which goes into every record."""
    assert generate(draw_spec(0, "train", 1, (1, 2), (1, 1))).intro == GOLDEN


def test_distractors_are_as_many_as_asked_for():
    for asked in (0, 1, 30):
        game = generate(draw_spec(0, "test", 3, (4,), (asked, asked)))
        assert len(set(game.shown) - set(game.book.needed_for(game.goal))) == asked


def test_unknown_splits_are_refused():
    with pytest.raises(UnknownNameError, match="'valid_seen'"):
        draw_spec(0, "valid_seen", 0, DEPTHS, (0, 0))
