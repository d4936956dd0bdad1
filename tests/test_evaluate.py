"""Scores are worked out by hand here, from a few trajectories at a time."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from a3t.errors import BadDataError
from a3t.evaluate import (
    Scores,
    accumulated,
    across_seeds,
    by_split,
    compare,
    score,
    sign_test,
    spread,
    t_quantile,
    wilson,
)
from a3t.types import Cost, Stage, Step, Stop, Task, Trajectory


def trial(
    name: str,
    reward: float = 1.0,
    *,
    task_type: str = "pick",
    split: str = "unseen",
    round_index: int = 0,
    attempt: int = 0,
    stop: Stop | None = None,
    steps: tuple[Step, ...] = (Step("", "look", "."),),
) -> Trajectory:
    return Trajectory(
        task=Task(name, split, task_type),
        observation="",
        steps=steps,
        reward=reward,
        success=reward == 1,
        stop=stop or (Stop.SUCCESS if reward == 1 else Stop.TURN_LIMIT),
        stage=Stage.EVALUATE,
        environment="toy 1",
        round_index=round_index,
        attempt=attempt,
        cost=Cost(prompt_tokens=100, completion_tokens=10),
    )


# --- statistics -------------------------------------------------------------------------


def test_wilson_interval_of_8_in_10_is_the_textbook_one() -> None:
    """z = 1.96: centre (0.8 + 3.8416/20) / 1.38416 = 0.71674, half = 1.96 · √(0.016 + 0.009604) / 1.38416 = 0.22658."""
    low, high = wilson(8, 10) or (0, 0)
    assert low == pytest.approx(0.4902, abs=1e-4)
    assert high == pytest.approx(0.9433, abs=1e-4)


def test_wilson_interval_at_the_ends_stays_inside_and_is_not_a_point() -> None:
    """At p = 0 the formula is [0, z²/(n + z²)]: 3.8415 / 13.8415 = 0.27754; at p = 1 its mirror image."""
    assert wilson(0, 10) == (0.0, pytest.approx(0.27754, abs=1e-5))
    assert wilson(10, 10) == (pytest.approx(0.72246, abs=1e-5), 1.0)
    assert wilson(0, 0) is None


def test_wilson_interval_widens_with_confidence() -> None:
    narrow, wide = wilson(60, 134, 0.90), wilson(60, 134, 0.99)
    assert narrow and wide
    assert wide.low < narrow.low < 60 / 134 < narrow.high < wide.high


def test_mcnemar_by_hand() -> None:
    """One lost, nine gained: 2 · (C(10,0) + C(10,1)) / 2¹⁰ = 22 / 1024."""
    assert sign_test(9, 1) == 22 / 1024
    assert sign_test(1, 9) == 22 / 1024
    assert sign_test(5, 0) == 2 / 32
    assert sign_test(3, 3) == 1.0
    assert sign_test(0, 0) == 1.0


def test_sign_test_does_not_overflow_on_many_tasks() -> None:
    assert 0 < sign_test(3000, 2000) < 1e-40
    assert sign_test(2500, 2500) == 1.0


@pytest.mark.parametrize(
    ("degrees", "expected"), [(1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645), (9, 2.26216), (30, 2.04227)]
)
def test_t_quantile_equals_the_printed_table(degrees: int, expected: float) -> None:
    assert t_quantile(0.975, degrees) == pytest.approx(expected, abs=1e-5)


def test_spread_of_three_seeds_by_hand() -> None:
    """Mean 0.8, sample deviation 0.1; half = 4.30265 · 0.1 / √3 = 0.24841."""
    s = spread([0.7, 0.8, 0.9])
    assert (s.mean, s.std, s.n) == (pytest.approx(0.8), pytest.approx(0.1), 3)
    assert s.low == pytest.approx(0.8 - 0.24841, abs=1e-5)
    assert s.high == pytest.approx(0.8 + 0.24841, abs=1e-5)


def test_spread_leaves_out_what_is_not_known() -> None:
    assert spread([0.5, None, math.nan]) == spread([0.5])
    assert spread([0.5]).low is None
    assert spread([]).mean is None


# --- scores -----------------------------------------------------------------------------


def test_rates_are_counted_by_task_type() -> None:
    scores = score([trial("a"), trial("b", 0.0), trial("c", task_type="heat"), trial("d", task_type="heat")])
    assert (scores.total.n, scores.total.successes, scores.total.rate) == (4, 3, 0.75)
    assert {name: (s.successes, s.n) for name, s in scores.by_type.items()} == {"pick": (1, 2), "heat": (2, 2)}
    assert (scores.total.low, scores.total.high) == wilson(3, 4)
    assert scores.split == "unseen"


def test_real_valued_rewards_give_the_columns_of_table_6() -> None:
    scores = score([trial("a", 1.0), trial("b", 0.75), trial("c", 0.5), trial("d", 0.25)])
    assert scores.total.reward == pytest.approx(0.625)
    assert scores.total.rate == 0.25
    assert scores.total.at_least == {"0.75": 0.5, "0.5": 0.75}
    assert scores.total.reward_low is not None and scores.total.reward_high is not None
    # Sample deviation of 1, ¾, ½, ¼ is √(5/48) = 0.32275; half = 1.95996 · 0.32275 / 2 = 0.31629.
    assert scores.total.reward_high - 0.625 == pytest.approx(0.31629, abs=1e-5)


def test_broken_episodes_are_reported_apart_and_counted_nowhere_else() -> None:
    scores = score([trial("a"), trial("b", 0.0, stop=Stop.ENVIRONMENT_ERROR), trial("c", 0.0, stop=Stop.MODEL_ERROR)])
    assert (scores.total.n, scores.total.rate) == (1, 1.0)
    assert scores.broken == {"environment_error": 1, "model_error": 1}
    assert list(scores.outcomes) == ["unseen/a"]


def test_a_retry_counts_where_the_first_attempt_broke() -> None:
    broken = trial("a", 0.0, stop=Stop.MODEL_ERROR)
    scores = score([trial("a", 1.0, attempt=1), broken])
    assert (scores.total.n, scores.total.successes, scores.broken) == (1, 1, {"model_error": 1})


@pytest.mark.parametrize("reward", [math.nan, math.inf, -0.5, 1.5])
def test_a_reward_outside_its_range_is_a_broken_episode(reward: float) -> None:
    scores = score([trial("a"), trial("b", reward)])
    assert (scores.total.n, scores.total.reward) == (1, 1.0)
    assert scores.broken == {"environment_error": 1}


def test_only_the_first_attempt_at_a_task_counts_as_its_single_trial() -> None:
    scores = score([trial("a", 1.0, attempt=1), trial("a", 0.0, attempt=0)])
    assert (scores.total.n, scores.total.successes) == (1, 0)


def test_thoughts_are_no_turns_and_malformed_completions_are() -> None:
    steps = (
        Step("where is it?", "", "OK."),
        Step("", "go to desk 1", "You arrive."),
        Step("", "fly", "Nothing happens.", valid=False),
        Step("", "", "Nothing happens.", valid=False),
        Step("", "take pen 1", "You take it."),
    )
    scores = score([trial("a", steps=steps), trial("b", 0.0, steps=steps[1:2])])
    assert scores.effort.turns == 2.5
    assert scores.effort.turns_of_successes == 4
    assert scores.effort.invalid_rate == 2 / 5
    assert (scores.effort.prompt_tokens, scores.effort.completion_tokens) == (100, 10)


def test_seen_and_unseen_are_scored_apart_even_where_ids_collide() -> None:
    tried = [trial("a", 1.0, split="seen"), trial("a", 0.0, split="unseen"), trial("b", 1.0, split="unseen")]
    parts = by_split(tried)
    assert {split: scores.total.rate for split, scores in parts.items()} == {"seen": 1.0, "unseen": 0.5}
    assert score(tried).total.n == 3


def test_nothing_tried_is_a_score_too() -> None:
    scores = score([])
    assert (scores.total.n, scores.total.rate, scores.total.low, scores.total.reward) == (0, None, None, None)
    assert scores.effort.invalid_rate is None
    assert Scores.from_json(json.loads(json.dumps(scores.to_json(), allow_nan=False))) == scores


def test_scores_survive_json_without_loss() -> None:
    scores = score([trial("a"), trial("b", 0.3, task_type="heat"), trial("c", 0, stop=Stop.MODEL_ERROR)])
    text = json.dumps(scores.to_json(), allow_nan=False)
    assert Scores.from_json(json.loads(text)) == scores


@pytest.mark.parametrize("nonsense", [{}, {"total": 3}, {"split": "x", "total": {"n": "many"}}])
def test_what_is_no_score_is_refused_with_a_hint(nonsense: dict[str, object]) -> None:
    with pytest.raises(BadDataError, match="a3t evaluate"):
        Scores.from_json(nonsense)


def test_the_same_tasks_have_the_same_hash_in_any_order() -> None:
    a, b = trial("a"), trial("b", 0.0)
    assert score([a, b]).tasks_hash == score([b, replace(a, reward=0.0, success=False)]).tasks_hash
    assert score([a]).tasks_hash != score([a, b]).tasks_hash


# --- over rounds and seeds --------------------------------------------------------------


def test_accumulated_takes_the_best_of_each_task_over_rounds() -> None:
    """Rounds by rows, tasks by columns: the best of a column counts, whenever it came.

    a b c
    1 0 0
    0 1 0   ->  2 of 3
    """
    first = [trial("a"), trial("b", 0.0), trial("c", 0.0)]
    second = [trial("a", 0.0, round_index=1), trial("b", 1.0, round_index=1), trial("c", 0.0, round_index=1)]
    assert accumulated([first]).total.rate == 1 / 3
    both = accumulated([first, second])
    assert (both.total.successes, both.total.n, both.num_trials) == (2, 3, 2)


def test_accumulated_of_real_rewards_keeps_the_highest() -> None:
    rounds = [[trial("a", 0.3)], [trial("a", 0.8, round_index=1)], [trial("a", 0.5, round_index=2)]]
    assert accumulated(rounds).total.reward == 0.8


def test_accumulated_counts_tasks_that_only_one_round_tried_and_skips_broken_ones() -> None:
    rounds = [[trial("a", 0.0, stop=Stop.MODEL_ERROR), trial("b")], [trial("a", 1.0, round_index=1)]]
    scores = accumulated(rounds)
    assert (scores.total.successes, scores.total.n, scores.broken) == (2, 2, {"model_error": 1})


def test_paired_test_between_rounds_uses_only_shared_tasks() -> None:
    before = score([trial("a"), trial("b", 0.0), trial("c", 0.0), trial("only before")])
    after = score([trial("a", 0.0), trial("b"), trial("c"), trial("only after")])
    paired = compare(before, after)
    assert (paired.n, paired.both, paired.gained, paired.lost, paired.neither) == (3, 0, 2, 1, 0)
    assert paired.change == pytest.approx(1 / 3)
    assert paired.p_value == 1.0
    json.dumps(paired.to_json(), allow_nan=False)


def test_paired_test_sees_small_gains_in_real_rewards() -> None:
    before = score([trial(str(i), 0.5) for i in range(6)])
    after = score([trial(str(i), 0.6) for i in range(6)])
    paired = compare(before, after)
    assert (paired.gained, paired.p_value) == (0, 1.0)
    assert paired.reward_p_value == 2 / 64
    assert paired.reward_change == pytest.approx(0.1)


def test_runs_without_a_common_task_cannot_be_compared() -> None:
    paired = compare(score([trial("a")]), score([trial("b")]))
    assert (paired.n, paired.change, paired.p_value) == (0, None, 1.0)


def test_seeds_are_averaged_by_type_and_bounds_stay_in_range() -> None:
    runs = [score([trial("a"), trial("b", 0.0)]), score([trial("a"), trial("b")]), score([trial("a", task_type="heat")])]
    seeds = across_seeds(runs)
    assert (seeds.rate.n, seeds.rate.mean) == (3, pytest.approx((0.5 + 1 + 1) / 3))
    assert seeds.rate.high == 1.0
    assert (seeds.by_type["heat"].n, seeds.by_type["pick"].n) == (1, 2)
    json.dumps(seeds.to_json(), allow_nan=False)
