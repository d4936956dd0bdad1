"""Several forwards of one optimiser step at once, a thread each: how a small model uses all cores of a CPU.

A model of a million parameters does not keep two cores busy within one matrix product. Its forwards are independent until their
gradients are added; these are added in the order of the plan, each computed by one thread alone, so that the weights that come
out are the same bytes however many threads there are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

MOST_PARAMETERS = 10_000_000
"""Of a model whose forwards go side by side: a larger one keeps all threads busy by itself, and would be in memory many times."""

_CHANCE = re.compile("drop|jitter|noise")
"""In the names of a configuration's numbers: what makes a model draw from the generator."""

FORWARD_TOKENS = 1024
"""Of such a model, at most: with more, one optimiser step has too few forwards to share, and each falls out of the caches."""


class Threads(NamedTuple):
    pool: Executor
    num: int


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

    Dropout (layers', too) and routers' noise draw from one generator for all threads, and what they drew would depend on which
    thread came first.
    """
    if device.type != "cpu" or sum(parameter.numel() for parameter in model.parameters()) > MOST_PARAMETERS:
        return False
    modules = any(isinstance(module, torch.nn.modules.dropout._DropoutNd) and module.p > 0 for module in model.modules())
    told = model.config.to_dict() if hasattr(model, "config") else {}
    chance = [name for name, value in told.items() if isinstance(value, float) and value > 0 and _CHANCE.search(name)]
    return not modules and not chance


@contextmanager
def threads_for(is_small: bool) -> Iterator[Threads | None]:
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
            yield Threads(pool, before)
    finally:
        torch.set_num_threads(before)


def in_order(threads: Threads | None, compute: Callable[[int], Gradients], costs: Sequence[int]) -> Iterator[Gradients]:
    """What each forward came to, in the order of the plan.

    They are begun a few at a time, of these the dearest first, so that none is waited for at the end, and no more gradients are
    in memory than four for each thread. Where one fails, or the reader leaves, those not yet begun are not.
    """
    if threads is None:
        yield from map(compute, range(len(costs)))
        return
    few = 2 * threads.num
    blocks = (range(start, min(start + few, len(costs))) for start in range(0, len(costs), few))
    waiting = [index for block in blocks for index in sorted(block, key=lambda index: (-costs[index], index))]
    begun: dict[int, Future[Gradients]] = {}
    try:
        for index in range(len(costs)):
            while waiting and len(begun) < 2 * few:
                following = waiting.pop(0)
                begun[following] = threads.pool.submit(compute, following)
            yield begun.pop(index).result()
    finally:
        for one in begun.values():
            one.cancel()


def add(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    """Add to what the parameters hold, as `backward` does; where nothing was handed over, it did."""
    for parameter, gradient in zip(parameters, gradients, strict=bool(gradients)):
        if gradient is not None:
            # A copy, as `backward` makes one: two parameters may be handed one and the same tensor.
            parameter.grad = gradient.clone() if parameter.grad is None else parameter.grad.add_(gradient)
