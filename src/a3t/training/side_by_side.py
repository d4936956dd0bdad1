"""Several forwards of one optimiser step at once, a thread each: how a small model uses all cores of a CPU.

A model of a million parameters does not keep two cores busy within one matrix product. Its forwards are independent until their
gradients are added; these are added in the order of the plan, each computed by one thread alone, so that the weights that come
out are the same bytes however many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

MOST_PARAMETERS = 20_000_000
"""Of a model whose forwards go side by side: a larger one keeps all threads busy by itself, and would be in memory many times."""

FORWARD_TOKENS = 1024
"""Of such a model, at most: with more, one optimiser step has too few forwards to share, and each falls out of the caches."""


class Gradients(NamedTuple):
    """What one forward and backward came to."""

    loss: float
    nll: list[float]
    """See `Tally`."""
    tokens: list[int]
    by_parameter: tuple[Tensor | None, ...]
    """In the order of the parameters; empty where they hold them already."""


def is_small(model: Any, device: torch.device) -> bool:
    """Whether a model's forwards may go side by side: on a CPU, of few parameters, and without dropout.

    Dropout draws from one generator for all threads, and what it drew would depend on which thread came first.
    """
    if device.type != "cpu" or sum(parameter.numel() for parameter in model.parameters()) > MOST_PARAMETERS:
        return False
    modules = any(isinstance(module, torch.nn.modules.dropout._DropoutNd) and module.p > 0 for module in model.modules())
    told = model.config.to_dict() if hasattr(model, "config") else {}
    return not modules and not any("dropout" in name and isinstance(value, float) and value > 0 for name, value in told.items())


@contextmanager
def threads_for(is_small: bool) -> Iterator[Executor | None]:
    """For a small model, as many threads as the model library has, each of which computes alone; for another, none."""
    if not is_small:
        yield None
        return
    before = torch.get_num_threads()
    try:
        # A number of threads is each thread's own, and for the sums of a whole step one is enough.
        torch.set_num_threads(1)
        if before == 1:
            yield None
            return
        with ThreadPoolExecutor(before, "a3t-forward", initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(before)


def in_order(pool: Executor | None, compute: Callable[[int], Gradients], costs: Sequence[int]) -> Iterator[Gradients]:
    """What each forward came to, in the order of the plan; the dearest is begun first, so that none is waited for at the end."""
    if pool is None:
        yield from map(compute, range(len(costs)))
        return
    begun = {index: pool.submit(compute, index) for index in sorted(range(len(costs)), key=lambda index: (-costs[index], index))}
    for index in range(len(costs)):
        yield begun[index].result()


def add(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    """Add to what the parameters hold, as `backward` does; where nothing was handed over, it did."""
    for parameter, gradient in zip(parameters, gradients, strict=bool(gradients)):
        if gradient is not None:
            parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
