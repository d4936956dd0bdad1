"""The recipes that ship, and Agent-R with the shipped base, in small."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from a3t.cli import runs
from a3t.cli.revise import check_revision
from a3t.config import CAME_LATER, Recipe, load_recipe
from a3t.envs.joint import read_worlds
from a3t.errors import A3TError, RecipeError
from a3t.revision.records import KEPT, read_round
from a3t.types import Author, Stage

RECIPES = Path(__file__).parent.parent.parent / "recipes"


def test_the_8b_recipe_holds_the_papers_numbers():
    recipe = load_recipe(RECIPES / "agent-r-8b.toml")
    check_revision(recipe)
    search, revise = recipe.search, recipe.revise
    assert (search.num_rollouts, search.num_actions) == (8, 4)
    assert (search.exploration, search.temperature) == (0.25, 1.0)
    assert (revise.alpha, revise.beta, revise.judge, revise.thoughts) == ((0.5, 0.7, 1.0), 0.2, "actor", "model")
    assert recipe.num_rounds - revise.first_round == 3 and [revise.alpha_in(r) for r in range(3)] == [0.5, 0.7, 1.0]
    assert (recipe.mixture.chat_share, recipe.agent.max_turns, recipe.agent.format) == (0.2, 100, "joint")
    worlds = read_worlds(recipe.environment.options["worlds"])
    numbers = {"webshop": (300, 200), "scienceworld": (200, 200), "textcraft": (200, 100)}
    assert {spec.name: (spec.num["train"], spec.num["test"]) for spec in worlds} == numbers
    assert recipe.environment.num_train_tasks == 700 and recipe.environment.num_test_tasks is None
    assert search.max_depth == 100, "ScienceWorld's score is paid after so many steps"
    one = load_recipe(RECIPES / "agent-r-8b.toml", ["environment.name=webshop"])
    assert one.agent.format == "webshop" and not one.environment.options, "one world alone is an override away"


@pytest.mark.parametrize("overrides", [[], ["revise.judge=end"], ["mixture.revisions=false"], ["explore.num_compositions=4"]])
def test_the_embedded_recipe_and_what_it_is_compared_with_are_read(overrides):
    recipe = load_recipe(RECIPES / "agent-r.toml", overrides)
    check_revision(recipe)
    assert recipe.num_rounds - recipe.revise.first_round == 3 and recipe.policy.path == "builtin:both"
    assert recipe.revise.earlier and recipe.revise.late == 0.5 and recipe.bootstrap.num_attempts == 3
    worlds = read_worlds(recipe.environment.options["worlds"])
    assert [spec.name for spec in worlds] == ["household", "textcraft"] and recipe.agent.format == "joint"


@pytest.mark.parametrize(("world", "base"), [("household", "builtin:tiny"), ("textcraft", "builtin:craft")])
def test_a_recipe_of_one_world_revises_in_the_words_of_its_base(world, base):
    recipe = load_recipe(RECIPES / f"agent-r-{world}.toml")
    check_revision(recipe)
    assert (recipe.environment.name, recipe.policy.path, recipe.revise.phrases) == (world, base, ("look again.",))
    assert not recipe.train.observation_loss and recipe.num_rounds > recipe.revise.first_round


def test_a_recipe_without_revisions_has_the_hash_that_it_had_before_there_were_any():
    """Runs that began before Agent-R was known go on."""
    data = Recipe().model_dump(mode="json")
    for section, key in CAME_LATER:
        data[section].pop(key) if key else data.pop(section)
    assert not {"search", "revise", "mixture"} & data.keys() and "num_recoveries" not in data["evaluate"]
    known = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
    assert Recipe().hash == known
    assert Recipe(revise={"source": "search"}).hash != known and Recipe(evaluate={"num_recoveries": 1}).hash != known


def test_a_run_that_has_the_earlier_value_drop_written_out_goes_on():
    """It was 0.2 of all, where nobody said otherwise; where nothing is judged, it decides nothing."""
    assert Recipe(revise={"value_drop": 0.2}).hash == Recipe().hash
    searching = Recipe(revise={"source": "search", "value_drop": 0.2})
    assert searching.hash != Recipe(revise={"source": "search"}).hash


def test_a_run_from_before_mistakes_were_noticed_late_goes_on():
    searching = Recipe(revise={"source": "search"})
    data = searching.model_dump(mode="json")
    for section, key in CAME_LATER:
        if key and section == "revise":
            del data[section][key]
        elif section != "revise":
            data[section].pop(key) if key else data.pop(section)
    assert not {"earlier", "late"} & data["revise"].keys()
    assert searching.hash == hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:12]
    assert len({Recipe(revise={"source": "search", **more}).hash for more in ({}, {"earlier": True}, {"late": 0.5})}) == 3


def test_a_joint_run_says_how_many_tasks_of_each_world_it_has(capsys):
    runs.start(str(RECIPES / "agent-r.toml"), ["environment.num_train_tasks=7"], None, True)
    said = "# Tasks: 7 (4 household, 3 textcraft) to train on, 0 to validate, 300 (200 household, 100 textcraft) to test."
    assert said in capsys.readouterr().out


def test_a_dry_run_says_how_many_trees(capsys):
    runs.start(str(RECIPES / "agent-r.toml"), ["environment.num_train_tasks=7", "environment.num_test_tasks=4"], None, True)
    assert "# search: 7 trees in each of 3 rounds, 8 rollouts, 4 draws a node" in " ".join(capsys.readouterr().out.split())


def test_a_dry_run_counts_the_bases_recoveries_and_their_draws(capsys):
    """Ten test tasks, five recoveries: 10 draws, then 5 for the base and 5 for each of 4 rounds."""
    chosen = ["environment.num_train_tasks=7", "environment.num_test_tasks=10", "evaluate.num_recoveries=5"]
    runs.start(str(RECIPES / "agent-r.toml"), chosen, None, True)
    said = " ".join(capsys.readouterr().out.replace("#", "").split())
    assert "10 draws of the base for wrong beginnings, then at most 5 for the base and for each of 4 rounds: 35 episodes" in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("revise.alpha=[1.0,0.5]", "falls"),
        ("revise.judge_prompt=/nope", "/nope"),
        ("revise.thought_prompt=/nope", "/nope"),
        ("mixture.chat=/nope.jsonl", "no chat data"),
        ("agent.prompt=/nope", "/nope"),
        ("explore.sampler=nope", "sampler"),
        ("search.sampler=nope", "sampler"),
        ("objective.selection=nope", "selection"),
        ("annotator.prompt=/nope", "/nope"),
        ("policy.kind=nope", "kind of model"),
    ],
)
def test_a_dry_run_refuses_what_a_run_would(override, said, capsys):
    small = ["environment.num_train_tasks=7", "environment.num_test_tasks=4"]
    with pytest.raises(A3TError, match=said):
        runs.start(str(RECIPES / "agent-r.toml"), [*small, override], None, True)
    assert "[revise]" not in capsys.readouterr().out, "no plan for what cannot be"


def test_a_dry_run_says_what_cannot_be_before_which_model_is_not_there():
    small = ["environment.num_train_tasks=7", "environment.num_test_tasks=4"]
    served = ['policy.kind="openai"', 'train.method="full"', 'annotator.model.path="/models/to-come"']
    with pytest.raises(RecipeError, match="not whole weights"):
        runs.start(str(RECIPES / "agent-r.toml"), [*small, *served], None, True)


def test_revise_on_a_run_that_makes_none_says_what_to_do(tmp_path):
    (tmp_path / "recipe.toml").write_text(Recipe().to_toml(), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"revise\.source"):
        runs.one_stage(tmp_path, "revise")


@pytest.mark.slow
def test_the_shipped_base_revises_its_mistakes_in_a_household(tmp_path, capsys):
    """Two tasks, a few rollouts, eight turns: search, judgement by value, splices that the games confirm, ActRe's thoughts."""
    from a3t.cli import telling

    small = [
        "num_rounds=1", "revise.first_round=0", "environment.num_train_tasks=3", "environment.num_test_tasks=1",
        "agent.max_turns=8", "search.num_rollouts=4", "revise.num_repairs=1", "evaluate.num_recoveries=1", "evaluate.base=true",
        "environment.options={receptacles = [6, 6], distractors = [4, 4]}",
    ]  # fmt: skip
    from a3t.cli.assemble import open_run
    from a3t.cli.console import PlainProgress
    from a3t.loop import run_to

    recipe = load_recipe(RECIPES / "agent-r-household.toml", small)
    parts = open_run(recipe, tmp_path, PlainProgress())
    with parts.store as store:
        assert run_to(parts, "revise") == 0
        records = list(read_round(store, 0))
        kept = list(store.trajectories(stages=(Stage.REVISE,)))
        assert len(records) == 3 and store.count(stages=(Stage.SEARCH,)) == 12
        assert len(kept) == sum(lesson.outcome in KEPT for one in records for lesson in one.lessons)
        for one in kept:
            at = next(index for index, step in enumerate(one.steps) if step.thought_by is Author.REVISER)
            assert one.reward >= 0.5 and not any(step.trained for step in one.steps[:at])
            assert all(step.trained for step in one.steps[at:])
    telling.show(tmp_path, records[0].task_id)
    told = capsys.readouterr().out
    assert "tree: 4 rollouts" in told and "revisions · " in told
