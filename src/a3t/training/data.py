"""What a training run reads: trajectories as token rows, weighed and grouped by the objective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from a3t.errors import NothingToTrainError
from a3t.learning.encode import Row, encode_segments
from a3t.learning.objectives import Example, Objective, Unit
from a3t.text.segments import Segment
from a3t.training.batches import Size
from a3t.types import Weighted

Render = Callable[[Weighted], list[Segment]]


class Data(NamedTuple):
    """One data set as one objective sees it."""

    rows: list[Row]
    """In the order of the trajectories; a row that no unit names is not trained on."""
    failed: list[bool]
    """One per row: the episode did not succeed, whatever its weight."""
    units: list[Unit]
    sizes: list[Size]
    """One per unit."""
    num_cut: int
    """Rows longer than the model's context, whose end is missing."""

    @property
    def used_rows(self) -> list[int]:
        """Indices of the rows that some unit names, each once."""
        return sorted({row for unit in self.units for row in unit.rows})

    def summary(self) -> dict[str, Any]:
        used = self.used_rows
        failed = [row for row in used if self.failed[row]]
        return {
            "num_rows": len(used),
            "num_cut_rows": self.num_cut,
            "row_tokens": sum(len(self.rows[row]) for row in used),
            "trained_tokens": sum(self.rows[row].num_trained for row in used),
            "failed_rows": len(failed),
            "failed_trained_tokens": sum(self.rows[row].num_trained for row in failed),
        }


def prepare(
    dataset: Sequence[Weighted],
    render: Render,
    tokenizer: Any,
    objective: Objective,
    *,
    observation_loss: bool,
    max_tokens: int | None,
) -> Data:
    """Encode, weigh and group.

    Raises:
        NothingToTrainError: nothing is left that has a token to train.
        BadDataError: a trajectory's recorded tokens and log-probs do not fit each other.
    """
    whole = [encode_segments(render(weighted), tokenizer, observation_loss=observation_loss) for weighted in dataset]
    rows = [row if max_tokens is None else row.cut(max_tokens) for row in whole]
    examples = [
        Example((w.trajectory.task.split, w.trajectory.task.task_id), w.weight, w.trajectory.reward, row.num_trained)
        for w, row in zip(dataset, rows, strict=True)
    ]
    units = [unit for unit in objective.units(examples) if sum(unit.num_tokens)]
    if not units:
        raise NothingToTrainError(
            f"{len(rows)} trajectories were selected, and {type(objective).__name__} has no token of theirs to train.\n"
            "  Expected at least one success. More training tasks, more compositions, a better base or a better prompt find one."
        )
    sizes = [_size([rows[row] for row in unit.rows]) for unit in units]
    num_cut = sum(len(row) < len(before) for row, before in zip(rows, whole, strict=True))
    return Data(rows, [not weighted.trajectory.success for weighted in dataset], units, sizes, num_cut)


def _size(rows: Sequence[Row]) -> Size:
    return Size(len(rows), max(map(len, rows)), sum(map(len, rows)))
