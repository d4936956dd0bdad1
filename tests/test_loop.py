"""The loop, run whole on a corridor with a scripted model: what is told in `loop.py` is what happens."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from a3t import loop
from a3t.agents.actre import ActReAnnotator
from a3t.agents.react import ReactPolicy
from a3t.config import parse_recipe
from a3t.episode import Worlds
from a3t.errors import Interrupted, NothingToTrainError, RecipeError
from a3t.models.scripted import ScriptedModel
from a3t.store import RunInfo, Store
from a3t.tasksets import choose_tasks
from a3t.text.react import HOUSEHOLD
from a3t.types import Stage, prompt_text
from plugin_world import Corridor

RECIPE = {
    "name": "corridor",
    "num_rounds": 3,
    "environment": {
        "name": "plugin_world:Corridor",
        "num_train_tasks": 5,
        "num_validation_tasks": 0,
        "test_splits": ["test"],
    },
    "agent": {"max_turns": 8},
    "explore": {"num_compositions": 30, "min_compositions": 2},
    "evaluate": {"batch_size": 3},
}


class Silent:
    def begin(self, what, total): ...
    def advance(self, num=1, **shown): ...
    def end(self): ...
    def say(self, text): ...


class MemorisingTrainer:
    """Learns the longest corridor that it was shown a success of: a policy that really depends on its data."""

    def __init__(self):
        self.datasets = []

    def fit(self, dataset, out, *, round_index):
        self.datasets.append(list(dataset))
        reach = max(len([a for a in w.trajectory.actions if a == "east"]) for w in dataset if w.weight > 0)
        out.mkdir(parents=True, exist_ok=True)
        (out / "reach.json").write_text(json.dumps(reach))
        return {"epochs": []}


def walker(reach):
    """Walks east at most `reach` rooms in all, and takes what is there."""

    def answer(request):
        text = prompt_text(request.prompt)
        if text.endswith("Reason:"):
            return " it may lead there\n"
        goal = int(text.split("treasure in room ")[1][0])
        room = int(text.rsplit("You are in room ", 1)[1][0])
        steps = text.count("\n> ")
        return " take treasure\n" if room == goal else " east\n" if steps < reach else " west\n"

    return answer


def parts_for(folder, should_stop=lambda: False, reach=2, **changes):
    recipe = parse_recipe({**RECIPE, **changes})
    trainer = MemorisingTrainer()

    def policy(checkpoint, known=reach):
        known = json.loads((checkpoint / "reach.json").read_text()) if checkpoint else known
        model = ScriptedModel(walker(known), scores=lambda request: [-1.0 if "think" in prompt_text(request.prompt) else -2.0])
        return ReactPolicy(model, HOUSEHOLD, lambda task, observation: "", name=f"reach {known}")

    parts = loop.Parts(
        recipe=recipe,
        folder=folder,
        store=Store.open(folder, run=RunInfo(recipe_hash=recipe.hash)),
        tasks=choose_tasks(Corridor(), recipe.environment, recipe.seed),
        worlds=Worlds(Corridor),
        environment="corridor",
        load_policy=policy,
        bootstrap=lambda: policy(None),
        annotator=lambda: ActReAnnotator(ScriptedModel(walker(0)), lambda task, observation: "", name="annotator"),
        trainer=trainer,
        progress=Silent(),
        should_stop=should_stop,
    )
    return parts, trainer


def test_three_rounds_reach_rooms_that_the_base_never_did(tmp_path):
    parts, _trainer = parts_for(tmp_path)
    with parts.store as store:
        loop.run_loop(parts)
        rounds = store.rounds()
    solved = [one.metrics["scores"]["test"]["total"]["successes"] for one in rounds]
    assert rounds[0].metrics["base"]["test"]["total"]["successes"] == 2
    assert solved[0] == 2
    assert solved[-1] == 5, "composition finds the far rooms, and training on it reaches them"
    assert rounds[-1].metrics["accumulated"]["test"]["total"]["successes"] == 5


def test_round_0_trains_on_successes_alone(tmp_path):
    parts, trainer = parts_for(tmp_path, num_rounds=1)
    with parts.store:
        loop.run_loop(parts)
    (dataset,) = trainer.datasets
    assert {w.trajectory.task.task_id for w in dataset} == {"train-1", "train-2"}
    assert all(w.trajectory.success and w.weight == 1 for w in dataset)


def test_failures_are_pushed_away_only_beside_a_success_of_their_task(tmp_path):
    parts, trainer = parts_for(tmp_path)
    with parts.store:
        loop.run_loop(parts)
    for dataset in trainer.datasets[1:]:
        solved = {w.trajectory.task.task_id for w in dataset if w.trajectory.success}
        pushed = [w for w in dataset if w.weight < 0]
        assert all(w.trajectory.task.task_id in solved and w.trajectory.stage is Stage.COLLECT for w in pushed)
        assert not any(w.trajectory.stage is Stage.EXPLORE and not w.trajectory.success for w in dataset)
    assert any(w.weight < 0 for dataset in trainer.datasets for w in dataset)


def test_test_tasks_are_played_and_never_trained_on(tmp_path):
    parts, trainer = parts_for(tmp_path)
    with parts.store as store:
        loop.run_loop(parts)
        assert store.count(stages=(Stage.EVALUATE,)) == 5 * 4  # the base and three rounds
    assert not any(w.trajectory.task.split == "test" for dataset in trainer.datasets for w in dataset)


@pytest.mark.parametrize("one_task_per_id", [True, False])
def test_a_run_in_a_world_of_one_task_per_id_closes_its_store_to_test_tasks_under_any_name(tmp_path, one_task_per_id):
    parts, _trainer = parts_for(tmp_path)
    parts = replace(parts, tasks=replace(parts.tasks, one_task_per_id=one_task_per_id))
    with parts.store as store:
        loop.run_to(parts, "collect")
        held_out = parts.tasks.held_out[0]
        assert store.is_protected(held_out)
        assert store.is_protected(replace(held_out, split="all")) == one_task_per_id


@pytest.mark.parametrize("stop_after", [1, 7, 20, 45, 90])
def test_a_run_that_was_stopped_and_resumed_equals_one_that_was_not(tmp_path, stop_after):
    whole, _ = parts_for(tmp_path / "whole")
    with whole.store as store:
        loop.run_loop(whole)
        expected, expected_scores = store.digest(), [r.metrics["scores"] for r in store.rounds()]
    passes = 0

    def stop():
        nonlocal passes
        passes += 1
        return passes > stop_after

    stopped, _ = parts_for(tmp_path / "stopped", should_stop=stop)
    with stopped.store, pytest.raises(Interrupted):
        loop.run_loop(stopped)
    resumed, _ = parts_for(tmp_path / "stopped")
    with resumed.store as store:
        loop.run_loop(resumed)
        assert store.digest() == expected
        assert [r.metrics["scores"] for r in store.rounds()] == expected_scores


def test_a_base_that_solves_nothing_is_told_so(tmp_path):
    parts, _trainer = parts_for(tmp_path, reach=0)
    with parts.store, pytest.raises(NothingToTrainError, match="none of 5 training tasks was solved"):
        loop.run_loop(parts)


def break_down(_env, *_rest, **_options):
    raise RuntimeError("the door is stuck\nand more of it")


def test_where_every_episode_broke_the_world_is_blamed_and_not_the_base(tmp_path, monkeypatch):
    parts, _trainer = parts_for(tmp_path)
    monkeypatch.setattr(Corridor, "reset", break_down)
    said = r"all 5 episodes broke.* Most often: the environment raised RuntimeError: the door is stuck\n.*a3t env check"
    with parts.store, pytest.raises(NothingToTrainError, match=said):
        loop.run_loop(parts)


def test_where_some_episodes_broke_both_are_said(tmp_path, monkeypatch):
    parts, _trainer = parts_for(tmp_path, reach=0)
    real = Corridor.reset

    def sometimes(env, *, seed=None, options=None):
        return break_down(env) if options["task_id"] == "train-3" else real(env, seed=seed, options=options)

    monkeypatch.setattr(Corridor, "reset", sometimes)
    said = "none of 5 training tasks was solved; 1 of 5 episodes broke, most often: the environment raised RuntimeError"
    with parts.store, pytest.raises(NothingToTrainError, match=said):
        loop.run_loop(parts)


@pytest.mark.parametrize("seconds", [1e300, float("inf"), 0, -1])
def test_a_timeout_that_no_clock_can_ring_after_is_refused(seconds):
    with pytest.raises(RecipeError, match=r"environment.step_timeout_s = .* does not fit"):
        parse_recipe({"environment": {"step_timeout_s": seconds}})


def test_a_round_with_nothing_failed_explores_nothing(tmp_path):
    parts, _trainer = parts_for(tmp_path, reach=5)
    with parts.store as store:
        loop.run_loop(parts)
        assert store.count(stages=(Stage.EXPLORE,)) == 0
        assert store.rounds()[-1].metrics["explore"]["compositions"] == 0
