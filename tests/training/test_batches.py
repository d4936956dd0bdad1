"""How an epoch is cut into optimiser batches and forwards."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3t.config import TrainConfig
from a3t.training.batches import FORWARD_COST_TOKENS, OptimizerBatch, Size, cut, plan_epoch
from a3t.training.optimizer import lr_at

sizes = st.lists(
    st.builds(lambda rows, length: Size(rows, length, rows * length), st.integers(1, 2), st.integers(1, 400)), min_size=1
)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def cost(forwards: OptimizerBatch, sizes: Sequence[Size]) -> int:
    return sum(
        sum(sizes[u].num_rows for u in forward) * max(sizes[u].length for u in forward) + FORWARD_COST_TOKENS
        for forward in forwards
    )


@settings(deadline=None)
@given(sizes, st.integers(64, 2000), st.integers(64, 2000), st.integers(0, 5))
def test_every_unit_is_in_exactly_one_forward_of_an_epoch(sizes, batch_tokens, micro_batch_tokens, seed):
    plan = plan_epoch(sizes, batch_tokens, micro_batch_tokens, rng(seed))
    assert sorted(unit for batch in plan for forward in batch for unit in forward) == list(range(len(sizes)))
    assert all(forward for batch in plan for forward in batch)


@settings(deadline=None)
@given(sizes, st.integers(64, 2000))
def test_a_forward_fits_the_micro_batch_unless_it_is_one_unit(sizes, micro_batch_tokens):
    for forward in cut(range(len(sizes)), sizes, micro_batch_tokens):
        padded = sum(sizes[unit].num_rows for unit in forward) * max(sizes[unit].length for unit in forward)
        assert padded <= micro_batch_tokens or len(forward) == 1


@settings(deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=7), st.integers(64, 1200))
def test_a_cut_is_the_cheapest_of_all(lengths, micro_batch_tokens):
    """Against trying every way to cut the sorted rows."""
    sizes = [Size(1, length, length) for length in lengths]
    order = sorted(range(len(sizes)), key=lambda unit: lengths[unit])
    costs = []
    for count in range(len(order)):
        for ends in combinations(range(1, len(order)), count):
            borders = (0, *ends, len(order))
            forwards = tuple(tuple(order[a:b]) for a, b in pairwise(borders))
            if all(len(f) == 1 or len(f) * max(lengths[u] for u in f) <= micro_batch_tokens for f in forwards):
                costs.append(cost(forwards, sizes))
    assert cost(cut(range(len(sizes)), sizes, micro_batch_tokens), sizes) == min(costs)


def test_optimiser_batches_are_about_equal_and_none_is_left_over_small():
    """100 rows of 100 tokens at 1,500 a step: 7 steps of 1,400 or 1,500, not 6 of 1,500 and one of 1,000."""
    sizes = [Size(1, 100, 100)] * 100
    plan = plan_epoch(sizes, 1500, 4096, rng())
    tokens = [sum(sizes[unit].num_tokens for forward in batch for unit in forward) for batch in plan]
    assert len(tokens) == 7
    assert set(tokens) <= {1400, 1500}


def test_long_failures_are_spread_over_the_steps_of_an_epoch():
    """40 short rows and 10 long ones: sorting the epoch by length would put all long ones into the last two steps."""
    sizes = [Size(1, 50, 50)] * 40 + [Size(1, 400, 400)] * 10
    plan = plan_epoch(sizes, 1200, 4096, rng())
    with_long = [any(unit >= 40 for forward in batch for unit in forward) for batch in plan]
    assert sum(with_long) >= 4


def test_the_order_follows_from_the_seed_alone():
    sizes = [Size(1, 10 + n, 10 + n) for n in range(50)]
    assert plan_epoch(sizes, 200, 200, rng(1)) == plan_epoch(sizes, 200, 200, rng(1))
    assert plan_epoch(sizes, 200, 200, rng(1)) != plan_epoch(sizes, 200, 200, rng(2))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [0.5, 1, 1, 1, 1, 1]),
        ("linear", [0.5, 1, 1, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1, 1, 0.853553, 0.5, 0.146447]),
    ],
)
def test_the_learning_rate_by_hand(schedule: str, expected: list[float]):
    """Six steps, two of warm-up."""
    train = TrainConfig(lr=1.0, warmup_share=1 / 3, schedule=schedule)
    assert [lr_at(step, 6, train) for step in range(6)] == pytest.approx(expected, rel=1e-5)


def test_no_warm_up_starts_at_the_full_rate():
    assert lr_at(0, 10, TrainConfig(lr=0.5, warmup_share=0.0)) == 0.5
