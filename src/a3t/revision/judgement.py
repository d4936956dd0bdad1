"""Where a bad trajectory went wrong: the first step judged bad, by whoever judges.

Two judges speak the same language. The actor reads the trajectory step by step (`judge.py`); the values of the tries judge by
difference, without any model: a step after which things turned out much worse than before is bad. Where both judged, their
agreement is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from a3t.revision.tries import Try, acts, fell_by_more
from a3t.text.judging import Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was said of one step."""

    step: int
    """Its index in the trajectory."""
    verdict: Verdict
    reason: str = ""
    """Why, in words; for the judge by value, the two values."""
    votes: tuple[Verdict, ...] = ()


def majority(votes: Sequence[Verdict]) -> Verdict:
    """What more than half of the votes say, else `uncertain`: a step is bad only if most think so."""
    verdict, count = Counter(votes).most_common(1)[0]
    return verdict if 2 * count > len(votes) else Verdict.UNCERTAIN


def transition(judgements: Iterable[Judgement]) -> int | None:
    """The first step judged bad; None where no step is, and then there is no splice."""
    return next((one.step for one in judgements if one.verdict is Verdict.BAD), None)


def judge_by_value(bad: Try, start: int, drop: float) -> tuple[Judgement, ...]:
    """Every action from `start` on, up to the first bad one, by the values before and after it.

    Args:
        start: index of the first step that is the bad trajectory's own.
        drop: share of its value that a moment must lose, in [0, 1), for a step to be bad; a rise is good, anything between is
            uncertain. A share, because where one try in five succeeds there is no more than 0.2 to lose.
    """
    judged = []
    for index in range(start, len(bad.trajectory.steps)):
        if not acts(bad.trajectory.steps[index]):
            continue
        before, after = bad.values[index], bad.values[index + 1]
        is_bad, is_better = fell_by_more(before, after, drop * before), fell_by_more(after, before, 0.0)
        verdict = Verdict.BAD if is_bad else Verdict.GOOD if is_better else Verdict.UNCERTAIN
        judged.append(Judgement(index, verdict, f"value {before:.2f} before, {after:.2f} after"))
        if verdict is Verdict.BAD:
            break
    return tuple(judged)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often two judges named the same place."""

    num: int = 0
    """Trajectories that both judged."""
    same: int = 0
    """The same step, or both none."""
    near: int = 0
    """At most one action apart; `same` is part of it."""

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(self.num + other.num, self.same + other.same, self.near + other.near)


def agreement(one: int | None, other: int | None) -> Agreement:
    """Of two transition points of one trajectory."""
    if one is None or other is None:
        return Agreement(1, int(one is other), int(one is other))
    return Agreement(1, int(one == other), int(abs(one - other) <= 1))
