"""What became of a task's mistakes, as a record: the pairs, who judged what, the splices, and what the environment said to them.

One JSON object per task and round; `a3t show` tells it and the report counts it. Trajectories are named, not
repeated: they are in the store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from a3t.errors import BadDataError
from a3t.revision.judgement import Judgement
from a3t.text.judging import Verdict
from a3t.types import Cost, Task, Trajectory


class Outcome(StrEnum):
    """What became of a pair."""

    CONFIRMED = "confirmed"
    """The environment answered as recorded, to the last word and the reward."""
    REPAIRED = "repaired"
    """It did not, but led to a good end all the same: its own answers are kept."""
    REJECTED = "rejected"
    """No good end was found after the mistake, or the beginning could not be had again."""
    NO_TRANSITION = "no transition"
    """No step was judged bad: there is nothing to revise."""
    DUPLICATE = "duplicate"
    """The same splice as an earlier one of the task."""
    UNJUDGED = "unjudged"
    """The judge could not answer."""


KEPT = frozenset({Outcome.CONFIRMED, Outcome.REPAIRED})


class Ref(NamedTuple):
    """A trajectory of the task in the store."""

    stage: str
    round_index: int
    attempt: int


def ref(trajectory: Trajectory) -> Ref:
    return Ref(trajectory.stage.value, trajectory.round_index, trajectory.attempt)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A pair and what it was made into."""

    bad: Ref
    good: Ref
    bad_from: int
    """Index of the first step that is the bad trajectory's own."""
    good_from: int
    outcome: Outcome
    why: str = ""
    """What the environment, or the judge, said against it; how it was repaired."""
    judge: str = ""
    """Who decided: `actor`, `value`, or `end` (Direct-Revision)."""
    transition: int | None = None
    """Index of the first step judged bad."""
    value_transition: int | None = None
    """Where the values of the tries put it."""
    noticed: int | None = None
    """Index of the step that the splice follows: the transition, or a later one where the agent sees it late."""
    judgements: tuple[Judgement, ...] = ()
    differs_at: int | None = None
    """The first step of the splice, its thought not counted, that was answered otherwise than recorded."""
    num_rollouts: int = 0
    """Of the search for another ending."""
    thought: str = ""
    thought_source: str = ""
    """`model`, `actre` or `stock`."""
    gain: float | None = None
    """Nats by which the thought makes the next action likelier."""
    revision: Ref | None = None
    """The trajectory that was kept."""

    @property
    def mistake(self) -> str:
        """What the actor said of the step that it judged bad."""
        said = (one.reason for one in self.judgements if one.step == self.transition)
        return next(said, "") if self.judge == "actor" else ""


@dataclass(frozen=True, slots=True)
class Lessons:
    """All that one round learned from the mistakes at one task."""

    task_id: str
    split: str
    round_index: int
    alpha: float
    beta: float
    num_tries: int
    num_good: int
    lessons: tuple[Lesson, ...] = ()
    num_settled: int = 0
    """Bad tries that an earlier round revised; they are left alone."""
    num_left: int = 0
    """Pairs that the task's share of the round's tokens did not reach."""
    cost: Cost = field(default_factory=Cost)
    """Of judging, of thoughts and of repairs; the tries have their own. No seconds, so that equal runs have equal records."""

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Lessons:
        """Raises `BadDataError`."""
        try:
            fields = json.loads(data)
            lessons = tuple(_lesson(one) for one in fields.pop("lessons"))
            return cls(**{**fields, "lessons": lessons, "cost": Cost(**fields["cost"])})
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadDataError(f"a record of revisions is damaged: {type(error).__name__}: {error}.") from None


KIND = "revision"
"""Under which the store keeps them."""


class Blobs(Protocol):
    """Where records are kept: the store."""

    def get_blob(self, kind: str, key: str) -> bytes | None: ...

    def blob_keys(self, kind: str) -> list[str]: ...


def key_of(round_index: int, task: Task) -> str:
    return json.dumps([round_index, task.split, task.task_id])


def read_round(store: Blobs, round_index: int) -> Iterator[Lessons]:
    """The records of one round, by split and task id. Raises `BadDataError`."""
    for key in store.blob_keys(KIND):
        if json.loads(key)[0] == round_index:
            yield read(store, key)


def read_task(store: Blobs, split: str, task_id: str) -> Iterator[Lessons]:
    """The records of one task, by round. Raises `BadDataError`."""
    found = [(json.loads(key), key) for key in store.blob_keys(KIND)]
    for _parts, key in sorted(one for one in found if one[0][1:] == [split, task_id]):
        yield read(store, key)


def read(store: Blobs, key: str) -> Lessons:
    data = store.get_blob(KIND, key)
    assert data is not None
    return Lessons.from_bytes(data)


def _lesson(data: Mapping[str, Any]) -> Lesson:
    judgements = tuple(
        Judgement(one["step"], Verdict(one["verdict"]), one["reason"], tuple(map(Verdict, one["votes"])))
        for one in data["judgements"]
    )
    refs = {name: Ref(*data[name]) for name in ("bad", "good")}
    revision = None if data["revision"] is None else Ref(*data["revision"])
    return Lesson(**{**data, **refs, "revision": revision, "judgements": judgements, "outcome": Outcome(data["outcome"])})
