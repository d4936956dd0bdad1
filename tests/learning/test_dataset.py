"""The selection rules of §2.2 and Table 7, one sentence each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3t.config import ObjectiveConfig
from a3t.errors import RecipeError, UnknownNameError
from a3t.learning.dataset import SELECTIONS, build_dataset
from a3t.types import Author, Stage, Step, Stop, Task, Trajectory


def episode(
    task: str = "a",
    reward: float = 1.0,
    stage: Stage = Stage.COLLECT,
    *,
    actions: str = "open take",
    round_index: int = 1,
    stop: Stop | None = None,
    thought: str = "",
) -> Trajectory:
    by = Author.EXPLORER if stage is Stage.EXPLORE else Author.POLICY
    steps = tuple(Step(thought, action, "you see", Author.ANNOTATOR if thought else by, by) for action in actions.split())
    success = reward == 1.0
    ended = stop or (Stop.SUCCESS if success else Stop.TURN_LIMIT)
    return Trajectory(Task(task, "train"), "a room", steps, reward, success, ended, stage, "words", round_index)


def weights(trajectories: list[Trajectory], **config: object) -> list[tuple[str, float]]:
    """(actions, weight) of what is kept."""
    dataset = build_dataset(trajectories, ObjectiveConfig(**config))  # type: ignore[arg-type]
    return [(" ".join(w.trajectory.actions), w.weight) for w in dataset.weighted]


SUCCESS = episode(actions="win")
FAILURE = episode(actions="lose", reward=0.0)
COMPOSED_SUCCESS = episode(actions="composed win", stage=Stage.EXPLORE, thought="why not")
COMPOSED_FAILURE = episode(actions="composed lose", stage=Stage.EXPLORE, reward=0.0, thought="why not")


def test_successes_imitate_and_the_policys_own_failure_pushes_away():
    assert weights([SUCCESS, FAILURE]) == [("win", 1.0), ("lose", -1.0)]


def test_successful_composed_trajectories_are_kept():
    assert weights([COMPOSED_SUCCESS]) == [("composed win", 1.0)]


def test_failed_composed_trajectories_are_dropped():
    assert weights([SUCCESS, COMPOSED_FAILURE]) == [("win", 1.0)]


def test_a_failed_composition_that_happened_to_explore_nothing_is_dropped_too():
    unexplored = replace(episode(actions="lose", reward=0.0), stage=Stage.EXPLORE)
    assert not unexplored.is_composed
    assert weights([SUCCESS, unexplored]) == [("win", 1.0)]


@pytest.mark.parametrize("stage", [Stage.REVISE, Stage.IMPORT])
def test_failures_that_are_not_the_policys_are_dropped_and_such_successes_kept(stage: Stage):
    assert weights([episode(actions="other", stage=stage), episode(actions="lose", reward=0.0, stage=stage)]) == [("other", 1.0)]


def test_a_failure_of_a_task_nobody_solved_is_dropped():
    assert weights([episode("solved", actions="win"), episode("unsolved", actions="lose", reward=0.0)]) == [("win", 1.0)]


def test_a_failure_may_ask_for_more_than_one_success():
    both = [SUCCESS, COMPOSED_SUCCESS, FAILURE]
    assert ("lose", -1.0) in weights(both, min_successes_per_failure=2)
    assert ("lose", -1.0) not in weights(both[1:], min_successes_per_failure=2)


@pytest.mark.parametrize("stop", [Stop.ENVIRONMENT_ERROR, Stop.MODEL_ERROR])
@pytest.mark.parametrize("reward", [0.0, 1.0])
def test_broken_episodes_are_never_trained_on(stop: Stop, reward: float):
    assert weights([SUCCESS, episode(actions="broke", reward=reward, stop=stop)]) == [("win", 1.0)]


@pytest.mark.parametrize("selection", SELECTIONS)
def test_trials_of_test_tasks_are_never_trained_on(selection: str):
    tested = [episode(actions="test win", stage=Stage.EVALUATE), episode(actions="test lose", stage=Stage.EVALUATE, reward=0.8)]
    assert weights([SUCCESS, *tested], selection=selection) == [("win", 1.0)]


def test_the_bootstraps_failures_are_left_out_in_every_later_round():
    first = [episode(actions="lose", reward=0.0, round_index=0), episode(actions="win", round_index=0)]
    assert weights(first) == [("win", 1.0)]
    assert weights([*first, episode(actions="lose later", reward=0.0, round_index=2)]) == [("win", 1.0), ("lose later", -1.0)]


def test_the_set_accumulates_over_rounds():
    rounds = [episode(actions=f"win {n}", round_index=n) for n in range(4)]
    assert weights(rounds) == [(f"win {n}", 1.0) for n in range(4)]


def test_the_same_words_are_kept_once_and_other_thoughts_are_other_words():
    again = replace(SUCCESS, round_index=3, seed=7)
    thoughtful = replace(SUCCESS, steps=(replace(SUCCESS.steps[0], thought="I know"),))
    assert weights([SUCCESS, again, thoughtful]) == [("win", 1.0), ("win", 1.0)]


def test_the_same_words_at_another_task_are_kept():
    assert len(weights([episode("a", actions="win"), episode("b", actions="win")])) == 2


def test_what_the_world_refused_is_context_in_a_success_and_pushed_away_in_a_failure():
    def with_a_refusal(one: Trajectory) -> Trajectory:
        return replace(one, steps=(replace(one.steps[0], valid=False), *one.steps[1:]))

    tried = [with_a_refusal(episode(actions="slip win")), with_a_refusal(episode(actions="slip lose", reward=0.0))]
    kept = {learn: build_dataset(tried, ObjectiveConfig(learn_refused=learn)).weighted for learn in (True, False)}
    trained = {learn: [[step.trained for step in w.trajectory.steps] for w in kept[learn]] for learn in kept}
    assert trained == {True: [[True, True], [True, True]], False: [[False, True], [True, True]]}


def test_a_cap_keeps_the_shortest_successes_of_each_task():
    three = [episode(actions="a b c"), episode(actions="a"), episode(actions="a b"), episode("b", actions="x y z w")]
    assert weights(three, max_successes_per_task=2) == [("a", 1.0), ("a b", 1.0), ("x y z w", 1.0)]


def test_a_cap_keeps_the_best_before_the_shortest():
    two = [episode(actions="a", reward=0.8), episode(actions="a b c"), episode("b", actions="x", reward=0.8)]
    assert weights(two, selection="supervised-0.75", max_successes_per_task=1) == [("a b c", 1.0), ("x", 1.0)]


def test_a_cap_keeps_the_latest_failures_of_each_task():
    earlier, later = (replace(FAILURE, round_index=n, steps=episode(actions=f"lose {n}").steps) for n in (1, 2))
    assert weights([SUCCESS, earlier, later], max_failures_per_task=1) == [("win", 1.0), ("lose 2", -1.0)]
    assert len(weights([SUCCESS, earlier, later])) == 3


def test_failures_weigh_what_the_recipe_says():
    assert weights([SUCCESS, FAILURE], failed_weight=-0.25) == [("win", 1.0), ("lose", -0.25)]


def test_a_failed_weight_of_zero_is_supervised_training():
    assert weights([SUCCESS, FAILURE], failed_weight=0.0) == weights([SUCCESS, FAILURE], selection="supervised-1.0")


# Table 7, on WebShop's real-valued rewards. All at one task, so that failures are paired.
SHOP = [
    episode(actions="exact", reward=1.0),
    episode(actions="near", reward=0.8),
    episode(actions="half", reward=0.5),
    episode(actions="poor", reward=0.1),
    episode(actions="nothing", reward=0.0),
    episode(actions="composed near", reward=0.75, stage=Stage.EXPLORE, thought="why not"),
    episode(actions="composed half", reward=0.5, stage=Stage.EXPLORE, thought="why not"),
]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("binarized", {"exact": 1, "near": -1, "half": -1, "poor": -1, "nothing": -1}),
        ("supervised-1.0", {"exact": 1}),
        ("supervised-0.75", {"exact": 1, "near": 1, "composed near": 1}),
        ("supervised-0.5", {"exact": 1, "near": 1, "half": 1, "composed near": 1, "composed half": 1}),
        ("label-conditioned", {"exact": 1, "near": 1, "half": 1, "poor": 1, "nothing": 1}),
        ("original", {"exact": 1, "near": 0.8, "half": 0.5, "poor": 0.1}),
        ("original-0.75", {"exact": 1, "near": 0.8, "composed near": 0.75, "half": 0.5, "poor": 0.1}),
        ("small-positive", {"exact": 1, "near": 0.1, "half": 0.1, "poor": 0.1, "nothing": 0.1}),
    ],
)
def test_table_7_by_name(selection: str, expected: dict[str, float]):
    assert dict(weights(SHOP, selection=selection)) == pytest.approx(expected)


def test_labels_say_how_a_trajectory_ended():
    dataset = build_dataset([SUCCESS, FAILURE], ObjectiveConfig(selection="label-conditioned"))
    assert [w.condition for w in dataset.weighted] == ["Success", "Fail"]
    assert all(not w.condition for w in build_dataset([SUCCESS, FAILURE], ObjectiveConfig()).weighted)


def test_an_unknown_selection_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"supervised-0\.75"):
        build_dataset([], ObjectiveConfig(selection="supervised-0.7"))


def test_a_cap_below_what_a_failure_asks_for_is_refused():
    with pytest.raises(RecipeError, match="max_successes_per_task = 1"):
        build_dataset([], ObjectiveConfig(max_successes_per_task=1, min_successes_per_failure=2))


def test_nothing_in_gives_nothing_out():
    dataset = build_dataset([], ObjectiveConfig(max_failed_share=0.1))
    assert dataset.weighted == ()
    assert dataset.stats.as_json()["failed_steps_share"] == 0


def test_failures_are_scaled_until_their_share_of_weight_times_tokens_is_what_was_allowed():
    """30 tokens of success and 90 of failure: with 1/4 allowed, s * 90 / (30 + s * 90) = 1/4, s = 1/9."""
    lengths = {"win": 30, "lose": 90}
    dataset = build_dataset([SUCCESS, FAILURE], ObjectiveConfig(max_failed_share=0.25), lambda t: lengths[t.actions[0]])
    assert [w.weight for w in dataset.weighted] == pytest.approx([1, -1 / 9])
    assert dataset.stats.failed_weight_share == pytest.approx(0.25)
    assert dataset.stats.failed_weight_scale == pytest.approx(1 / 9)


def test_a_share_that_is_small_enough_is_left_alone():
    dataset = build_dataset([SUCCESS, FAILURE], ObjectiveConfig(max_failed_share=0.5), lambda t: 10)
    assert [w.weight for w in dataset.weighted] == [1, -1]


def test_a_share_of_nothing_leaves_failures_out():
    dataset = build_dataset([SUCCESS, FAILURE], ObjectiveConfig(max_failed_share=0.0))
    assert [w.weight for w in dataset.weighted] == [1]
    assert dataset.stats.left_out == {"weighs_nothing": 1}


def test_the_statistics_count_as_tables_16_and_17_do():
    """Task a: two successes (1 + 2 steps) for one failure (3 steps); task b: one success (4) for two failures (1 + 1)."""
    kept = [
        episode("a", actions="w"),
        episode("a", actions="w w", stage=Stage.EXPLORE, thought="t"),
        episode("a", actions="l l l", reward=0.0),
        episode("b", actions="w w w w"),
        episode("b", actions="l", reward=0.0),
        episode("b", actions="m", reward=0.0),
        episode("c", actions="l", reward=0.0),
        episode("a", actions="w"),
        COMPOSED_FAILURE,
    ]
    stats = build_dataset(kept, ObjectiveConfig(), num_tokens=lambda t: 10 * t.num_steps).stats
    assert (stats.total.trajectories, stats.total.steps, stats.total.tokens) == (6, 12, 120)
    assert (stats.failed.trajectories, stats.failed.steps, stats.failed.tokens) == (3, 5, 50)
    assert (stats.num_tasks, stats.num_failed_tasks) == (2, 2)
    assert stats.successes_per_failed_task == {1: 1, 2: 1}
    assert stats.mean_successes_per_failed_task == 1.5
    assert stats.failed_step_share == pytest.approx(5 / 12)
    assert stats.left_out == {"not_the_policys_own_failure": 1, "duplicate": 1, "unpaired_failure": 1}


anything = st.builds(
    episode,
    st.sampled_from("abc"),
    st.sampled_from([0.0, 0.3, 0.5, 0.75, 0.9, 1.0]),
    st.sampled_from(list(Stage)),
    actions=st.lists(st.sampled_from("xyz"), min_size=1, max_size=3).map(" ".join),
    round_index=st.integers(0, 3),
    stop=st.sampled_from([None, *Stop]),
    thought=st.sampled_from(["", "because"]),
)


@settings(deadline=None)
@given(
    st.lists(anything, max_size=30),
    st.sampled_from(list(SELECTIONS)),
    st.sampled_from([None, 1, 2]),
    st.sampled_from([None, 0.1]),
)
def test_whatever_was_gathered_the_rules_hold(trajectories, selection, cap, share):
    config = ObjectiveConfig(selection=selection, max_successes_per_task=cap, max_failed_share=share)
    dataset = build_dataset(trajectories, config)
    assert dataset.stats.total.trajectories + sum(dataset.stats.left_out.values()) == len(trajectories)
    solved = {w.trajectory.task.task_id for w in dataset.weighted if w.trajectory.reward >= SELECTIONS[selection].threshold}
    for weighted in dataset.weighted:
        assert weighted.weight != 0
        assert not weighted.trajectory.is_broken
        assert weighted.trajectory.stage is not Stage.EVALUATE
        assert weighted.trajectory.task.task_id in solved
        if weighted.weight < 0:
            assert weighted.trajectory.stage is Stage.COLLECT
            assert weighted.trajectory.round_index > 0
    if share is not None:
        assert dataset.stats.failed_weight_share <= share + 1e-9
