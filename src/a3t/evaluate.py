"""Scores from records: success with its interval, best over rounds, paired tests, several seeds. Pure: nothing is run here.

Everything returned has `to_json`, plain JSON (no NaN: what cannot be known is null), and what later needs it has `from_json`,
so that a report or a comparison needs `metrics.json` alone. The shapes are listed in docs/report.md.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import NormalDist, fmean, stdev
from typing import Any, NamedTuple

from a3t.errors import BadDataError
from a3t.text.joint import world_with_types
from a3t.types import Stop, Trajectory

THRESHOLDS = (0.75, 0.5)
"""Rewards of Table 6: the share of tasks at or above each is reported beside the mean."""


# --- statistics -----------------------------------------------------------------


class Interval(NamedTuple):
    low: float
    high: float


def wilson(successes: int, n: int, confidence: float = 0.95) -> Interval | None:
    """Wilson's score interval of a share; None for n = 0.

        (p + z²/2n ± z √(p(1−p)/n + z²/4n²)) / (1 + z²/n)

    Unlike p ± z·se it stays inside [0, 1] and says something at 0 % and 100 %.

    Source: Wilson 1927; Brown, Cai, DasGupta 2001.
    """
    if n == 0:
        return None
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, shrink = successes / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / shrink
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / shrink
    # At the ends the formula is exact but floating point is not.
    return Interval(0.0 if successes == 0 else middle - half, 1.0 if successes == n else middle + half)


def sign_test(gained: int, lost: int) -> float:
    """Two-sided exact p-value that gains and losses are equally likely; ties are left out.

    On success and failure of the same tasks this is McNemar's exact test: p = 2 · P(X ≤ min), X ~ Binomial(gained + lost, ½).
    """
    n = gained + lost
    # Whole numbers until the last division: exact for any n.
    tail, ways = 0, 1
    for k in range(min(gained, lost) + 1):
        tail += ways
        ways = ways * (n - k) // (k + 1)
    return min(1.0, 2 * tail / (1 << n))


def t_quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t for whole degrees of freedom, probability in [½, 1); bisection on the closed-form cdf.

    Source of the finite series: Abramowitz & Stegun 26.7.3 and 26.7.4.
    """
    low, high = 0.0, 1.0
    while _t_cdf(high, degrees) < probability:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_cdf(middle, degrees) < probability else (low, middle)
    return (low + high) / 2


def _t_cdf(t: float, degrees: int) -> float:
    theta = math.atan2(t, math.sqrt(degrees))
    cos, sin = math.cos(theta), math.sin(theta)
    odd = degrees % 2
    term, series = (cos, 0.0) if odd else (1.0, 0.0)
    for k in range(2 + odd, degrees + 1, 2):
        series += term
        term *= cos * cos * (k - 1) / k
    two_sided = (2 / math.pi) * (theta + sin * series) if odd else sin * series
    return (1 + two_sided) / 2


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over several seeds: mean and Student's t interval (None for fewer than two values)."""

    mean: float | None
    std: float | None
    """Of a sample (n − 1)."""
    low: float | None
    high: float | None
    n: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def spread(values: Iterable[float | None], confidence: float = 0.95) -> Spread:
    """Mean and interval of the values that are known and finite."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return Spread(known[0] if known else None, None, None, None, len(known))
    mean, std = fmean(known), stdev(known)
    half = t_quantile((1 + confidence) / 2, len(known) - 1) * std / math.sqrt(len(known))
    return Spread(mean, std, mean - half, mean + half, len(known))


# --- scores -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Score:
    """What a group of tasks came to. Shares are in [0, 1]; None where there is no task."""

    n: int
    successes: int
    rate: float | None
    low: float | None
    """Wilson interval of `rate`."""
    high: float | None
    reward: float | None
    """Mean reward, in [0, 1]."""
    reward_low: float | None
    """Normal interval of `reward`, clipped to [0, 1]; None below two tasks."""
    reward_high: float | None
    at_least: Mapping[str, float]
    """Share of tasks with reward ≥ the key (`"0.75"`, `"0.5"`): the columns of Table 6."""


class Outcome(NamedTuple):
    """How one task ended; in JSON a list [reward, success, turns]."""

    reward: float
    success: bool
    turns: int


@dataclass(frozen=True, slots=True)
class Effort:
    """What the counted trials took, on average. None where there is none."""

    turns: float | None
    """Actions per trial; thoughts are no turns."""
    turns_of_successes: float | None
    invalid_rate: float | None
    """Share of actions that the environment refused or that were malformed."""
    prompt_tokens: float | None
    completion_tokens: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """One evaluation: a whole, its task types, and what each task came to."""

    split: str
    num_trials: int
    """1 for a single trial; the number of rounds for an accumulated score (`Iters.` of Table 2)."""
    confidence: float
    total: Score
    by_type: Mapping[str, Score]
    """Of a joint run its worlds are in it too, under their names: a task is then in two of these groups."""
    effort: Effort
    broken: Mapping[str, int] = field(default_factory=dict)
    """Episodes that say nothing about the agent, by stop reason; they are in no figure above."""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    """By `split/task_id`, sorted: what paired tests are made from."""

    @property
    def tasks_hash(self) -> str:
        """Twelve hex digits naming the set of tasks scored: equal sets, equal hash."""
        return tasks_hash(self.outcomes)

    def to_json(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "num_trials": self.num_trials,
            "confidence": self.confidence,
            "tasks_hash": self.tasks_hash,
            "total": asdict(self.total),
            "by_type": {name: asdict(one) for name, one in self.by_type.items()},
            "effort": asdict(self.effort),
            "broken": dict(self.broken),
            "outcomes": {key: list(outcome) for key, outcome in self.outcomes.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Scores:
        """Read back what `to_json` wrote.

        Raises:
            BadDataError: it is not such a record.
        """
        try:
            return cls(
                split=str(data["split"]),
                num_trials=int(data["num_trials"]),
                confidence=float(data["confidence"]),
                total=Score(**data["total"]),
                by_type={str(name): Score(**one) for name, one in data["by_type"].items()},
                effort=Effort(**data["effort"]),
                broken={str(name): int(count) for name, count in data["broken"].items()},
                outcomes={str(key): Outcome(float(r), bool(s), int(t)) for key, (r, s, t) in data["outcomes"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadDataError(
                f"these are not scores of a3t ({type(error).__name__}: {error}).\n"
                "  Expected what Scores.to_json writes: docs/report.md. `a3t evaluate` makes them again."
            ) from error


def tasks_hash(keys: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(keys)).encode()).hexdigest()[:12]


class _Trial(NamedTuple):
    """What scoring keeps of a trajectory, so that a million of them stream through."""

    split: str
    task_type: str
    world: str
    """Of a joint run, where the world has types of its own."""
    order: tuple[int, int]
    outcome: Outcome
    num_invalid: int
    prompt_tokens: int
    completion_tokens: int


def score(trajectories: Iterable[Trajectory], confidence: float = 0.95) -> Scores:
    """One trial a task: its first unbroken one, by round and attempt. Broken episodes count for nobody."""
    return _score(trajectories, lambda trial: (-trial.order[0], -trial.order[1]), 1, confidence)


def accumulated(rounds: Sequence[Iterable[Trajectory]], confidence: float = 0.95) -> Scores:
    """Best reward of each task over the agents of all rounds given: Table 2 on test tasks, Tables 3 and 6 on training tasks."""
    every = (trajectory for trajectories in rounds for trajectory in trajectories)
    return _score(every, lambda t: (t.outcome.success, t.outcome.reward, -t.order[0], -t.order[1]), len(rounds), confidence)


def by_split(trajectories: Iterable[Trajectory], confidence: float = 0.95) -> dict[str, Scores]:
    """`score` of each split (seen, unseen) apart, in the order in which they first appear."""
    groups: dict[str, list[Trajectory]] = {}
    for trajectory in trajectories:
        groups.setdefault(trajectory.task.split, []).append(trajectory)
    return {split: score(group, confidence) for split, group in groups.items()}


def _score(trajectories: Iterable[Trajectory], rank: Callable[[_Trial], Any], num_trials: int, confidence: float) -> Scores:
    chosen: dict[str, _Trial] = {}
    broken: Counter[str] = Counter()
    splits: set[str] = set()
    for trajectory in trajectories:
        splits.add(trajectory.task.split)
        # A reward outside [0, 1] is nonsense from the environment: it costs the episode, never the round.
        if trajectory.is_broken or not 0 <= trajectory.reward <= 1:
            broken[str(trajectory.stop if trajectory.is_broken else Stop.ENVIRONMENT_ERROR)] += 1
            continue
        trial = _trial(trajectory)
        key = f"{trajectory.task.split}/{trajectory.task.task_id}"
        if key not in chosen or rank(trial) > rank(chosen[key]):
            chosen[key] = trial
    trials = list(chosen.values())
    groups: dict[str, list[Outcome]] = {}
    for trial in trials:
        for name in {trial.task_type, trial.world} - {""}:
            groups.setdefault(name, []).append(trial.outcome)
    return Scores(
        split="+".join(sorted(splits)),
        num_trials=num_trials,
        confidence=confidence,
        total=_group([trial.outcome for trial in trials], confidence),
        by_type={name: _group(groups[name], confidence) for name in sorted(groups)},
        effort=_effort(trials),
        broken=dict(sorted(broken.items())),
        outcomes={key: chosen[key].outcome for key in sorted(chosen)},
    )


def _trial(trajectory: Trajectory) -> _Trial:
    # A thought alone is no turn; a malformed completion is one although it has no action.
    acts = [step for step in trajectory.steps if step.action or not step.valid]
    return _Trial(
        split=trajectory.task.split,
        task_type=trajectory.task.task_type,
        world=world_with_types(trajectory.task),
        order=(trajectory.round_index, trajectory.attempt),
        outcome=Outcome(trajectory.reward, trajectory.success, len(acts)),
        num_invalid=sum(not step.valid for step in acts),
        prompt_tokens=trajectory.cost.prompt_tokens,
        completion_tokens=trajectory.cost.completion_tokens,
    )


def _group(outcomes: Sequence[Outcome], confidence: float) -> Score:
    n = len(outcomes)
    rewards = [outcome.reward for outcome in outcomes]
    successes = sum(outcome.success for outcome in outcomes)
    interval = wilson(successes, n, confidence)
    reward_low = reward_high = None
    if n > 1:
        half = NormalDist().inv_cdf((1 + confidence) / 2) * stdev(rewards) / math.sqrt(n)
        reward_low, reward_high = max(0.0, fmean(rewards) - half), min(1.0, fmean(rewards) + half)
    return Score(
        n=n,
        successes=successes,
        rate=successes / n if n else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        reward=fmean(rewards) if n else None,
        reward_low=reward_low,
        reward_high=reward_high,
        at_least={str(limit): sum(reward >= limit for reward in rewards) / n for limit in THRESHOLDS} if n else {},
    )


def _effort(trials: Sequence[_Trial]) -> Effort:
    turns = sum(trial.outcome.turns for trial in trials)
    won = [trial.outcome.turns for trial in trials if trial.outcome.success]
    return Effort(
        turns=turns / len(trials) if trials else None,
        turns_of_successes=fmean(won) if won else None,
        invalid_rate=sum(trial.num_invalid for trial in trials) / turns if turns else None,
        prompt_tokens=fmean(trial.prompt_tokens for trial in trials) if trials else None,
        completion_tokens=fmean(trial.completion_tokens for trial in trials) if trials else None,
    )


# --- comparisons -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Paired:
    """Two agents on the same tasks."""

    n: int
    """Tasks that both were scored on; the rest is left out."""
    both: int
    gained: int
    """Failed before, solved after."""
    lost: int
    neither: int
    change: float | None
    """Success rate after minus before, on these tasks."""
    p_value: float
    """McNemar's exact test on success, two-sided."""
    reward_change: float | None
    reward_p_value: float
    """Sign test on the rewards: the same where rewards are 0 or 1, finer where they are real."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(before: Scores, after: Scores) -> Paired:
    """Is the second agent better than the first, on the tasks that both were scored on?"""
    pairs = [(before.outcomes[key], after.outcomes[key]) for key in before.outcomes if key in after.outcomes]
    n = len(pairs)
    counts = Counter((a.success, b.success) for a, b in pairs)
    gained, lost = counts[False, True], counts[True, False]
    return Paired(
        n=n,
        both=counts[True, True],
        gained=gained,
        lost=lost,
        neither=counts[False, False],
        change=(gained - lost) / n if n else None,
        p_value=sign_test(gained, lost),
        reward_change=math.fsum(b.reward - a.reward for a, b in pairs) / n if n else None,
        reward_p_value=sign_test(sum(b.reward > a.reward for a, b in pairs), sum(b.reward < a.reward for a, b in pairs)),
    )


@dataclass(frozen=True, slots=True)
class SeedScores:
    """The same evaluation of several runs that differ in their seed."""

    rate: Spread
    reward: Spread
    by_type: Mapping[str, Spread]
    """Success rates."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def across_seeds(runs: Sequence[Scores], confidence: float = 0.95) -> SeedScores:
    """Mean and t interval over seeds, bounds clipped to [0, 1]; a run without a type is left out of that type."""
    types = sorted({name for run in runs for name in run.by_type})

    def shares(values: Iterable[float | None]) -> Spread:
        s = spread(values, confidence)
        low, high = (None if s.low is None else max(0.0, s.low)), (None if s.high is None else min(1.0, s.high))
        return Spread(s.mean, s.std, low, high, s.n)

    return SeedScores(
        rate=shares(run.total.rate for run in runs),
        reward=shares(run.total.reward for run in runs),
        by_type={name: shares(run.by_type[name].rate for run in runs if name in run.by_type) for name in types},
    )
