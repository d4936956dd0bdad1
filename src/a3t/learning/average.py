"""The mean of checkpoints, one at a time: k identical checkpoints average to themselves, bit for bit.

For LoRA this is the mean of the A matrices and the mean of the B matrices over the checkpoints of one run, whose product is not
the mean of the products: it is how we read the paper's "checkpoint averaging over the entire training process". (PEFT's
`add_weighted_adapter` scales A and B by √weight each, so that averaging an adapter with itself does not give it back.)
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def fold(mean: Mapping[str, Tensor], count: int, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The mean of `count + 1` checkpoints, given that of `count` and one more.

        mean' = mean + (value − mean) / (count + 1)

    Args:
        mean: any shapes, float32 or wider; ignored (may be empty) where `count` is 0.
        count: checkpoints in `mean` so far.
        values: same names and shapes; any floating dtype.

    Returns:
        New tensors in `mean`'s precision; with `count` 0, a float32 (or wider) copy of `values`.
    """
    if count == 0:
        return {name: _wide(value).clone() for name, value in values.items()}
    return {name: mean[name] + (_wide(value) - mean[name]) / (count + 1) for name, value in values.items()}


def _wide(value: Tensor) -> Tensor:
    return value.detach() if value.dtype.itemsize >= 4 else value.detach().float()
