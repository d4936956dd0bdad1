"""Exploration and costs, counted by hand from a few trajectories."""

from __future__ import annotations

import json
import math

import pytest

from a3t.report.tally import GATE_EDGES, costs, exploration, gate_statistics
from a3t.types import Author, Cost, Gate, Stage, Step, Stop, Task, Trajectory


def composition(
    task: str,
    success: bool,
    *steps: Step,
    duplicate: bool = False,
    stage: Stage = Stage.EXPLORE,
    stop: Stop | None = None,
) -> Trajectory:
    return Trajectory(
        Task(task, "train"),
        "",
        steps,
        float(success),
        success,
        stop or (Stop.SUCCESS if success else Stop.TURN_LIMIT),
        stage,
        "toy",
        1,
        duplicate=duplicate,
        cost=Cost(prompt_tokens=10, completion_tokens=3, model_calls=2, seconds=9.0, usd=0.5),
    )


OWN = Step("", "look", ".")
EXPLAINED = Step("because", "go", ".", Author.ANNOTATOR, Author.EXPLORER, gate=Gate(-1.0, -2.0))
DROPPED = Step("", "go", ".", Author.ANNOTATOR, Author.EXPLORER, gate=Gate(-3.0, -2.0))


def test_exploration_counts_by_hand() -> None:
    counted = exploration(
        [
            composition("a", True, OWN, EXPLAINED),
            composition("a", True, EXPLAINED, duplicate=True),
            composition("a", False, OWN, DROPPED),
            composition("b", False, OWN),
            composition("b", False, stop=Stop.ENVIRONMENT_ERROR),
            composition("c", True, OWN, stage=Stage.COLLECT),
        ]
    )
    assert (counted.tasks, counted.solved_tasks) == (2, 1)
    assert (counted.compositions, counted.successes, counted.duplicates, counted.broken) == (5, 2, 1, 1)
    # The duplicate success of `a` is none of its distinct ones.
    assert counted.successes_per_task == {"0": 1, "1": 1}
    assert (counted.steps, counted.explored_steps, counted.explained_steps) == (6, 3, 2)
    assert (counted.prompt_tokens, counted.completion_tokens) == (50, 15)
    assert (counted.gate["n"], counted.gate["mean"], counted.gate["helps"]) == (3, pytest.approx(1 / 3), pytest.approx(2 / 3))
    json.dumps(counted.to_json(), allow_nan=False)


def test_nothing_explored_is_told_as_nothing() -> None:
    counted = exploration([])
    assert (counted.tasks, counted.gate["mean"], counted.gate["helps"]) == (0, None, None)
    json.dumps(counted.to_json(), allow_nan=False)


def test_gate_gains_fall_into_their_bins_and_the_ends_hold_the_rest() -> None:
    statistics = gate_statistics([0.0, 0.9, 1.0, -0.1, 99.0, -99.0, math.inf, math.nan])
    bins = dict(zip(GATE_EDGES, statistics["counts"], strict=False))
    assert (bins[0], bins[1], bins[-1], bins[59], bins[-60]) == (2, 1, 1, 2, 1)
    assert sum(statistics["counts"]) == statistics["n"] == 7
    assert statistics["mean"] == pytest.approx((0.9 + 1.0 - 0.1) / 6)
    assert statistics["median"] == pytest.approx(0.45)


def test_costs_add_up_by_stage_and_training_has_its_seconds_alone() -> None:
    found = costs(
        [composition("a", True), composition("b", False), composition("c", True, stage=Stage.COLLECT)],
        {"train": 7.5, "explore": 3.0},
    )
    assert list(found) == ["collect", "explore", "train"]
    assert found["explore"] == {
        "episodes": 2,
        "model_calls": 4,
        "prompt_tokens": 20,
        "completion_tokens": 6,
        "usd": 1.0,
        "seconds": 3.0,
    }
    # Episodes run side by side, so their seconds are never added up.
    assert found["collect"]["seconds"] is None
    assert (found["train"]["episodes"], found["train"]["seconds"]) == (0, 7.5)
