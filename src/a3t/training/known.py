"""Log-probabilities that are fixed before training starts: under the policy that acted, and under the base.

They are computed at most once, with the untrained model, and kept beside the resume state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from a3t.learning.objectives import Objective
from a3t.training import files
from a3t.training.batches import Size, cut
from a3t.training.data import Data
from a3t.training.forward import TokenLogprobs, collate

Floats = npt.NDArray[np.float32]


class Known:
    """Per row, one number per trained token."""

    def __init__(self, behaviour: Sequence[Floats], reference: Sequence[Floats]) -> None:
        self._behaviour, self._reference = behaviour, reference

    def behaviour(self, rows: Sequence[int], device: torch.device) -> Tensor:
        """[N] of some rows, one after the other, nats."""
        return _flat(self._behaviour, rows, device)

    def reference(self, rows: Sequence[int], device: torch.device) -> Tensor:
        return _flat(self._reference, rows, device)


def know(objective: Objective, logprobs: TokenLogprobs, data: Data, micro_batch_tokens: int, cache: Path, identity: str) -> Known:
    """What the objective needs to know; zeros for what it does not.

    Behaviour is what was recorded when the policy acted. Tokens without a record (written by another model, or by a server that
    tells no log-probs) take the base model's: an understatement of μ, so that TOPR pushes such a failure a little longer than
    it should.
    """
    zeros = [np.zeros(row.num_trained, np.float32) for row in data.rows]
    recorded = [row.behaviour[row.trained] for row in data.rows]
    unknown = [index for index in data.used_rows if objective.needs_behaviour and _is_missing(data, index)]
    needed = data.used_rows if objective.needs_reference else unknown
    base = dict(zip(needed, _base_logprobs(logprobs, data, needed, micro_batch_tokens, cache, identity), strict=True))
    behaviour = [
        np.where(np.isnan(recorded[index]), base.get(index, zeros[index]), recorded[index]).astype(np.float32)
        for index in range(len(data.rows))
    ]
    return Known(
        behaviour if objective.needs_behaviour else zeros,
        [base.get(index, zeros[index]) for index in range(len(data.rows))] if objective.needs_reference else zeros,
    )


def _is_missing(data: Data, index: int) -> bool:
    row = data.rows[index]
    return bool(np.isnan(row.behaviour[row.trained & row.agent]).any())


def _base_logprobs(
    logprobs: TokenLogprobs, data: Data, rows: Sequence[int], micro_batch_tokens: int, cache: Path, identity: str
) -> list[Floats]:
    if not rows:
        return []
    counts = [data.rows[index].num_trained for index in rows]
    kept = files.read_folder(cache)
    if kept is not None and kept[1].get("identity") == identity:
        return np.split(kept[0]["logprobs"].numpy(), np.cumsum(counts)[:-1])
    found: dict[int, Floats] = {}
    sizes = [Size(1, len(row), len(row)) for row in data.rows]
    logprobs.model.eval()
    with torch.no_grad():
        for forward in cut(rows, sizes, micro_batch_tokens):
            values = logprobs(collate([data.rows[index] for index in forward], logprobs.device)).cpu().numpy()
            ends = np.cumsum([data.rows[index].num_trained for index in forward])
            found.update(zip(forward, np.split(values, ends[:-1]), strict=True))
    logprobs.model.train()
    result = [found[index] for index in rows]
    with files.disk_full_is_said(cache, "Nothing was trained yet."):
        files.write_folder(cache, {"logprobs": torch.from_numpy(np.concatenate(result))}, {"identity": identity})
    return result


def _flat(values: Sequence[Floats], rows: Sequence[int], device: torch.device) -> Tensor:
    return torch.from_numpy(np.concatenate([values[index] for index in rows])).to(device)
