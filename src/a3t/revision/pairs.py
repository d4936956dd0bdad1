"""Good and bad endings of one beginning: the pairs that revisions are made of.

    good   shared ── east ── east ── take treasure       reward 1   ≥ α
    bad    shared ── west ── west ── …                   reward 0   below the good one by more than β
                 ╰ here they part

A bad try is paired with the good one that it shares the most with: the deepest parent in the tree. Of several such the shortest
ending is taken, and of equal ones the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from a3t.revision.tries import Try, acts, fell_by_more
from a3t.types import Step, Trajectory


class Parting(NamedTuple):
    """Where two trajectories stop being the same, as an index into the steps of each."""

    bad: int
    good: int
    num_shared: int
    """Actions before that."""


class Pair(NamedTuple):
    """Two endings of one beginning."""

    bad: Try
    good: Try
    parting: Parting

    @property
    def both_act(self) -> bool:
        """Whether each does something of its own after they part: thoughts alone are no mistake, and no way to set one right."""
        bad, good = self.bad.trajectory.steps[self.parting.bad :], self.good.trajectory.steps[self.parting.good :]
        return any(map(acts, bad)) and any(map(acts, good))


def is_good(reward: float, alpha: float) -> bool:
    """At least α. (The paper says above α; with its own α = 1 in iteration 3 no reward could be.)"""
    return reward >= alpha


def is_worse(bad: float, good: float, beta: float) -> bool:
    """Below by more than β; a difference of β itself is none, however its floats came out."""
    return fell_by_more(good, bad, beta)


def find_pairs(
    tries: Sequence[Try],
    alpha: float,
    beta: float,
    most: int | None = None,
    is_settled: Callable[[Try], bool] = lambda _try: False,
    was_tried: Callable[[Try], bool] = lambda _try: False,
) -> list[Pair]:
    """One pair for each bad try that has a good one, in the order of the bad tries.

    Args:
        tries: of one task.
        alpha, beta: numbers in [0, 1]; see `is_good`, `is_worse`.
        most: pairs at most, those that were not tried before and then those with the longest shared beginning; None for all.
        is_settled: of a bad try that is to have no pair; it may still be the good one of another.
        was_tried: of a bad try whose pair came to nothing before.

    Returns:
        A bad try whose every action is also the beginning of the good one has made no mistake to be found, and is left out; so
        is a good one that is a beginning of the bad one (in a world that pays before the end): it shows no other way.

    Source: Yuan et al. 2025 (arXiv 2501.11425), §2.2; facts in docs/agent-r.md.
    """
    good = [one for one in tries if is_good(one.reward, alpha)]
    pairs = []
    for bad in tries:
        if is_settled(bad):
            continue
        candidates = [
            Pair(bad, one, parting(bad.trajectory, one.trajectory)) for one in good if is_worse(bad.reward, one.reward, beta)
        ]
        candidates = [pair for pair in candidates if pair.both_act]
        if candidates:
            pairs.append(min(candidates, key=_preference))
    if most is None or len(pairs) <= most:
        return pairs
    kept = {id(pair) for pair in by_promise(pairs, was_tried)[:most]}
    return [pair for pair in pairs if id(pair) in kept]


def by_promise(pairs: Sequence[Pair], was_tried: Callable[[Try], bool]) -> list[Pair]:
    """Those that were not tried before first, of these the longest shared beginnings; equal ones in their order."""
    return sorted(pairs, key=lambda pair: (was_tried(pair.bad), -pair.parting.num_shared))


def parting(bad: Trajectory, good: Trajectory) -> Parting:
    """Where they part; turns of thought alone, which the world does not see, are passed over."""
    where = Parting(0, 0, 0)
    for shared, (one, other) in enumerate(zip(_acting(bad), _acting(good), strict=False), start=1):
        if not _same(bad.steps[one], good.steps[other]):
            break
        where = Parting(one + 1, other + 1, shared)
    return where


def _acting(trajectory: Trajectory) -> list[int]:
    return [index for index, step in enumerate(trajectory.steps) if acts(step)]


def _same(one: Step, other: Step) -> bool:
    # Equal answers as well: where a world draws lots, equal actions need not lead to the same place.
    return one.action == other.action and one.observation == other.observation


def _preference(pair: Pair) -> tuple[int, int]:
    return -pair.parting.num_shared, len(pair.good.trajectory.steps) - pair.parting.good
