"""Games from numbers: repeatable, balanced, of the difficulty asked for, and apart where splits must be apart."""

import re
from collections import Counter

import pytest

from a3t.envs.alfworld.game import TaskType
from a3t.envs.household.affordances import CAN_CONTAIN, CLEANABLE, COOLABLE, HEATABLE
from a3t.envs.household.difficulty import DEFAULT, difficulty
from a3t.envs.household.generate import generate
from a3t.envs.household.tasks import PHRASINGS, SPLITS, draw_spec, parse_trial
from a3t.errors import RecipeError, UnknownNameError

AFFORDANCE = {TaskType.CLEAN: CLEANABLE, TaskType.HEAT: HEATABLE, TaskType.COOL: COOLABLE}


def games(num, split="train", seed=0, hardness=DEFAULT):
    return [generate(seed, split, index, hardness) for index in range(num)]


def test_the_same_numbers_make_the_same_game_and_others_another():
    assert games(30) == games(30)
    assert all(one != two for one, two in zip(games(30), games(30, seed=1), strict=True))
    assert all(one != two for one, two in zip(games(30), games(30, split="valid_seen"), strict=True))


def test_a_known_game_stays_what_it_is():
    """Recipes and results name tasks by id: a change of the generator that moves them must be on purpose."""
    spec = draw_spec(0, "train", 42, DEFAULT)
    assert spec.task_id == "pick_and_place_simple-CreditCard-None-SideTable-b026/s0-t00042"
    assert generate(0, "train", 42).walkthrough == (
        "go to drawer 4",
        "open drawer 4",
        "take creditcard 3 from drawer 4",
        "go to sidetable 1",
        "move creditcard 3 to sidetable 1",
    )


def test_task_types_are_dealt_in_turn():
    counts = Counter(draw_spec(0, "valid_unseen", index, DEFAULT).goal.task_type for index in range(60))
    assert counts == dict.fromkeys(TaskType, 10)
    two = difficulty(task_types=["pick_two_obj_and_place", "look_at_obj_in_light"])
    assert Counter(draw_spec(0, "train", index, two).goal.task_type for index in range(10)) == {TaskType.TWO: 5, TaskType.LOOK: 5}


def test_scenes_of_valid_seen_are_training_scenes_and_those_of_valid_unseen_are_not():
    """At the default numbers of tasks: by id, and by layout, which is all that a player can tell."""
    scenes = {
        split: {draw_spec(0, split, index, DEFAULT).scene for index in range(num)}
        for split, num in (("train", 2000), ("valid_seen", 200), ("valid_unseen", 400))
    }
    train, seen, unseen = ({scene.scene_id for scene in scenes[split]} for split in SPLITS)
    assert seen <= train and not unseen & train
    train, seen, unseen = ({scene.layout for scene in scenes[split]} for split in SPLITS)
    assert seen <= train and not unseen & train


def test_games_of_valid_seen_are_new_placements():
    train = {(game.receptacles, game.items) for game in games(600)}
    assert not train & {(game.receptacles, game.items) for game in games(200, "valid_seen")}


def test_ids_are_spelled_as_alfworlds_and_lead_back_to_the_game():
    pattern = re.compile(r"[a-z_]+-[A-Za-z]+-None-[A-Za-z]+-u?[klbt]\d{3,}/s\d+-[tsu]\d{5}")
    for split in SPLITS:
        for index in range(60):
            spec = draw_spec(3, split, index, DEFAULT)
            assert pattern.fullmatch(spec.task_id)
            assert parse_trial(spec.task_id.split("/")[1]) == (3, split, index)
            assert spec.scene.scene_id.startswith("u") is (split == "valid_unseen")


def test_only_the_canonical_spelling_of_a_trial_is_read():
    assert parse_trial("s0-t00042") == (0, "train", 42)
    assert parse_trial("s12-u123456") == (12, "valid_unseen", 123456)
    for wrong in ("s0-t42", "s00-t00042", "s0-x00042", "s0-t00042 ", "S0-t00042", "s0-t000042", "s-1-t00042", "", "٣"):
        assert parse_trial(wrong) is None


def test_instructions_are_those_of_the_real_games_and_name_the_goal():
    told = Counter()
    for game in games(600):
        goal = game.goal
        words = {"object": goal.object_type.lower(), "receptacle": goal.receptacle_type.lower(), "lamp": goal.lamp_type.lower()}
        told[next(p for p in PHRASINGS[goal.task_type] if p.format(**words) == game.task)] += 1
    assert len(told) == 12
    assert min(told.values()) > 30, "both phrasings of a type are in use"


def test_goals_are_possible_and_not_yet_reached():
    for split in SPLITS:
        for game in games(300, split):
            goal, wanted = game.goal, [item for item in game.items if item.type == game.goal.object_type]
            kind_of = {r.id: r.type for r in game.receptacles}
            assert len(wanted) >= (2 if goal.task_type is TaskType.TWO else 1)
            assert not any(item.clean or item.hot or item.toggled for item in game.items)
            if goal.task_type is TaskType.LOOK:
                assert any(item.type == goal.lamp_type and item.toggleable for item in game.items)
                continue
            assert goal.object_type in CAN_CONTAIN[goal.receptacle_type]
            assert goal.receptacle_type in kind_of.values()
            assert goal.object_type in AFFORDANCE.get(goal.task_type, {goal.object_type})
            already = [item for item in wanted for inside in item.inside if kind_of[inside] == goal.receptacle_type]
            if goal.task_type in (TaskType.PICK, TaskType.TWO):
                assert not already
            if goal.task_type is TaskType.COOL:
                assert not any(item.cool for item in already)


def test_objects_lie_in_receptacles_of_the_room_with_properties_of_their_kind():
    for game in games(200):
        at = {r.id: r.location for r in game.receptacles}
        for item in game.items:
            (inside,) = item.inside
            assert item.location == at[inside]
            assert item.pickupable is (item.type != "DeskLamp")
            assert item.heatable is (item.type in HEATABLE)
        assert len({item.id.lower() for item in game.items}) == len(game.items)
        assert game.start not in at.values()


@pytest.mark.parametrize("num", [(0, 0), (5, 5), (10, 30), (90, 120)])
def test_a_game_has_as_many_distractors_as_asked_for(num):
    for game in games(60, hardness=difficulty(distractors=num)):
        needed = {game.goal.object_type, game.goal.lamp_type}
        lamps = sum(item.type == game.goal.lamp_type for item in game.items)
        others = sum(item.type not in needed for item in game.items)
        assert num[0] <= others <= num[1]
        assert lamps == (1 if game.goal.task_type is TaskType.LOOK else 0)


def test_natural_clutter_is_that_of_the_real_games():
    """Real ones: 45 objects in a kitchen, 18 to 25 in other rooms."""
    natural = difficulty(receptacles="natural", distractors="natural")
    kitchens = [len(game.items) for game in games(600, hardness=natural) if any(r.type == "Fridge" for r in game.receptacles)]
    others = [len(game.items) for game in games(600, hardness=natural) if not any(r.type == "Fridge" for r in game.receptacles)]
    assert 38 < sum(kitchens) / len(kitchens) < 55
    assert 15 < sum(others) / len(others) < 30


def test_the_two_generations_of_text_are_the_same_game_in_other_words():
    new, old = generate(0, "train", 0), generate(0, "train", 0, text="2.1.1")
    assert new.items == old.items and new.goal == old.goal and new.task == old.task
    assert [c for c in new.walkthrough if c.startswith("move ")]
    assert [c for c in old.walkthrough if c.startswith("put ") and " in/on " in c]
    assert new.rules.has_help and not old.rules.has_help


def test_an_unknown_split_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="valid_unseen"):
        generate(0, "valid_unsen", 0)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("receptacles", [24, 8], r"receptacles = \[24, 8\] does not fit: expected \[least, most\] between 6 and 80"),
        ("receptacles", [2, 8], "between 6 and 80"),
        ("receptacles", 1000, "between 6 and 80"),
        ("receptacles", "large", "natural"),
        ("receptacles", [8, 10, 12], "least, most"),
        ("receptacles", [8.5, 10], "least, most"),
        ("receptacles", True, "least, most"),
        ("distractors", -1, "between 0 and 120"),
        ("distractors", {"least": 1}, "least, most"),
        ("closed_share", 1.5, "expected a share from 0 to 1"),
        ("closed_share", "most", "expected a share from 0 to 1"),
        ("closed_share", float("nan"), "expected a share from 0 to 1"),
        ("task_types", ["pick_and_place"], "did you mean 'pick_and_place_simple'"),
        ("task_types", [], "expected a list of"),
        ("task_types", 3, "expected a list of"),
        ("scenes_per_room", 0, "whole number from 1"),
        ("scenes_per_room", "40", "whole number from 1"),
        ("unseen_scenes_per_room", 2.0, "whole number from 1"),
    ],
)
def test_options_that_make_no_sense_are_refused_saying_what_would(option, value, words):
    with pytest.raises(RecipeError, match=words):
        difficulty(**{option: value})


def test_one_number_is_a_range_of_one_and_order_of_types_does_not_matter():
    assert difficulty(receptacles=12).receptacles == (12, 12)
    assert difficulty(task_types=["pick_heat_then_place_in_recep", "look_at_obj_in_light"]) == difficulty(
        task_types=("look_at_obj_in_light", "pick_heat_then_place_in_recep")
    )
    assert difficulty() == DEFAULT
