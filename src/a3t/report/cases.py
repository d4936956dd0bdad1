"""Three tasks to look at: the policy's failed try beside the composed success that ActRe's reasons made possible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from a3t.types import Author, Stage, Step, Task, Trajectory

NUM_CASES = 3
CHOICE = (
    "Chosen by rule: of each task type the composed success with the fewest steps, "
    "those with one to four explained actions first."
)


@dataclass(frozen=True, slots=True)
class Case:
    """A failure and a success at the same task, of the same round."""

    failed: Trajectory
    composed: Trajectory

    @property
    def task(self) -> Task:
        return self.composed.task

    @property
    def num_shared(self) -> int:
        """Actions at the start that both took: where they part is where exploration did its work."""
        pairs = zip(acts(self.failed), acts(self.composed), strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(acts(self.failed)), len(acts(self.composed))))


def acts(trajectory: Trajectory) -> list[str]:
    """Actions sent to the environment, thoughts left out."""
    return [step.action for step in trajectory.steps if step.action]


def is_explained(step: Step) -> bool:
    """An explored action with a reason by ActRe."""
    return step.is_explored and step.thought_by is Author.ANNOTATOR and bool(step.thought)


def choose_cases(trajectories: Iterable[Trajectory], num_cases: int = NUM_CASES) -> tuple[Case, ...]:
    """See `CHOICE`; task types that have no such success lend their place to others. The same records, the same cases."""
    failed: dict[tuple[str, str, int], Trajectory] = {}
    composed: dict[tuple[str, str, int], Trajectory] = {}
    for t in trajectories:
        key = (t.task.split, t.task.task_id, t.round_index)
        if t.is_broken:
            continue
        if t.stage is Stage.COLLECT and not t.success and (key not in failed or t.attempt < failed[key].attempt):
            failed[key] = t
        is_composed = t.stage is Stage.EXPLORE and t.success and any(map(is_explained, t.steps))
        if is_composed and (key not in composed or _rank(t) < _rank(composed[key])):
            composed[key] = t
    cases = sorted((Case(failed[key], t) for key, t in composed.items() if key in failed), key=lambda case: _rank(case.composed))
    chosen: list[Case] = []
    for distinct in ({"type", "task"}, {"task"}):
        for case in cases:
            same_type = any(case.task.task_type == other.task.task_type for other in chosen)
            same_task = any(case.task.task_id == other.task.task_id for other in chosen)
            if len(chosen) < num_cases and not same_task and not ("type" in distinct and same_type):
                chosen.append(case)
    return tuple(chosen)


def _rank(t: Trajectory) -> tuple[bool, int, str, int, int]:
    explained = sum(map(is_explained, t.steps))
    return (not 1 <= explained <= 4, t.num_steps, t.task.task_id, t.round_index, t.attempt)
