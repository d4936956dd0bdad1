"""What a round's revisions came to, counted: pairs, who agreed, what the environment confirmed, repaired and refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from a3t.revision.judgement import Agreement, agreement
from a3t.revision.measures import revision_lengths
from a3t.revision.records import Lesson, Lessons, Outcome, ref
from a3t.types import Cost, Trajectory


@dataclass(frozen=True, slots=True)
class Revised:
    """One round's revisions."""

    alpha: float | None
    tasks: int
    """That were looked at."""
    tries: int
    good: int
    """Tries with a reward of at least α."""
    pairs: int
    left: int
    """Pairs beside these that the round's tokens did not reach."""
    outcomes: Mapping[str, int]
    """Outcome -> pairs; every outcome is there."""
    reasons: Mapping[str, int]
    """Why pairs were rejected, and how they were repaired -> pairs."""
    rollouts: int
    """Of searches for another ending."""
    agreement: Mapping[str, int]
    """`num` trajectories that the actor and the values both judged, `same` step, `near` (at most one step apart)."""
    thoughts: Mapping[str, int]
    """Who wrote them -> revisions."""
    gain: float | None
    """Mean nats by which a thought makes the next action likelier."""
    mistake_length: float | None
    """Actions from where the pair parts to the revision thought, a revision."""
    ending_length: float | None
    """Actions after it."""
    cost: Cost

    @property
    def revisions(self) -> int:
        return self.outcomes[Outcome.CONFIRMED] + self.outcomes[Outcome.REPAIRED]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"revisions": self.revisions}


def revised(records: Iterable[Lessons], revisions: Iterable[Trajectory]) -> Revised:
    """Count the records of one round.

    Args:
        revisions: those that were kept, for their lengths.
    """
    told = list(records)
    lessons = [lesson for one in told for lesson in one.lessons]
    outcomes = Counter(lesson.outcome for lesson in lessons)
    kept = {(one.split, one.task_id, lesson.revision): lesson for one in told for lesson in one.lessons if lesson.revision}
    of = {(t.task.split, t.task.task_id, ref(t)): t for t in revisions}
    lengths = [revision_lengths(of[key], lesson.bad_from) for key, lesson in kept.items() if key in of]
    gains = [lesson.gain for lesson in lessons if lesson.gain is not None and lesson.gain == lesson.gain]
    agreed = sum((_agreed(lesson) for lesson in lessons), Agreement())
    return Revised(
        alpha=told[0].alpha if told else None,
        tasks=len(told),
        tries=sum(one.num_tries for one in told),
        good=sum(one.num_good for one in told),
        pairs=len(lessons),
        left=sum(one.num_left for one in told),
        outcomes={outcome.value: outcomes[outcome] for outcome in Outcome},
        reasons=dict(sorted(Counter(lesson.why for lesson in lessons if lesson.why and lesson.outcome in _EXPLAINED).items())),
        rollouts=sum(lesson.num_rollouts for lesson in lessons),
        agreement=asdict(agreed),
        thoughts=dict(sorted(Counter(lesson.thought_source for lesson in kept.values()).items())),
        gain=fmean(gains) if gains else None,
        mistake_length=_mean([mistake for mistake, _ending in lengths]),
        ending_length=_mean([ending for _mistake, ending in lengths]),
        cost=sum((one.cost for one in told), Cost()),
    )


_EXPLAINED = (Outcome.REPAIRED, Outcome.REJECTED)


def _agreed(lesson: Lesson) -> Agreement:
    if lesson.judge != "actor" or lesson.outcome is Outcome.UNJUDGED:
        return Agreement()
    return agreement(lesson.transition, lesson.value_transition)


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None
