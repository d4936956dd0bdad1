"""What is minimised: Eq. 1 of A³T and its family, behind one small interface.

An objective sees the trained tokens of some trajectories, flat, one after the other. It never averages: `terms` are sums, `sizes`
say how much there is of each, and the trainer divides by the size of the *whole* optimiser batch:

    L = Σ_k  terms_k(all micro-batches) / sizes_k(whole optimiser batch)

so that the gradient is the same however the batch is cut, padded, packed or ordered.

    name     a trajectory pulls with                          source
    a3t      R(τ): +1 success, −1 own failure                 Yang et al. 2024, arXiv 2403.14589, Eq. 1
    sft      R(τ), positive ones only                         ibid., Remark 1
    asymre   R − V, V a little below the data's mean reward   Arnal et al. 2025, arXiv 2506.20520
    topr     R(τ), failures times min(π(τ)/μ(τ), 1)           Le Roux et al. 2025, arXiv 2503.14286
    dpo      log σ of success over failure, against the base  Rafailov et al. 2023; ETO, Song et al. 2024, arXiv 2403.02502
    kto      σ of each side alone, against the base           Ethayarajh et al. 2024, arXiv 2402.01306

A plug-in registers a callable under the entry-point group `a3t.objectives`; it takes `ObjectiveConfig.options` as keywords.
"""

from __future__ import annotations

import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from a3t.errors import RecipeError, nearest, unknown


class Example(NamedTuple):
    """What an objective may know about a trajectory before it is read."""

    task: object
    """Equal for trajectories of the same task."""
    weight: float
    """R(τ) as selected; never 0."""
    reward: float
    """The environment's, in [0, 1]."""
    num_tokens: int
    """Trained tokens."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Trajectories that must meet in one forward: one alone, or a pair."""

    rows: tuple[int, ...]
    """Indices into the examples."""
    weights: tuple[float, ...]
    """One per row, as this objective weighs it."""
    num_tokens: tuple[int, ...]
    """Trained tokens, one per row."""

    @property
    def is_pair(self) -> bool:
        return len(self.rows) == 2


class Batch(NamedTuple):
    """The trained tokens of B rows, N in all; a row's tokens lie together, and rows of a unit are neighbours."""

    logprobs: Tensor
    """[N] log-probability of each token given those before it, nats; carries the gradient."""
    row: Tensor
    """[N] which of the B rows a token belongs to."""
    agent: Tensor
    """[N] True on thoughts and actions."""
    weights: Tensor
    """[B] of the units."""
    paired: Tensor
    """[B] True on the rows of pairs: the success, then the failure."""
    behaviour: Tensor
    """[N] log-probability under the policy that acted, nats; zeros where the objective does not need it."""
    reference: Tensor
    """[N] log-probability under the base model, nats; zeros where the objective does not need it."""

    def per_row(self, values: Tensor) -> Tensor:
        """[N] -> [B] sums over each row's tokens."""
        return torch.zeros_like(self.weights).index_add(0, self.row, values.to(self.weights.dtype))


class Objective(Protocol):
    """One loss: which trajectories go together, how much there is of it, and what it is."""

    needs_behaviour: bool
    needs_reference: bool

    def units(self, examples: Sequence[Example]) -> list[Unit]:
        """Weigh and pair; trajectories that this objective has no use for are left out."""
        ...

    def sizes(self, units: Sequence[Unit]) -> tuple[float, ...]:
        """What each term is divided by, summed over a whole optimiser batch."""
        ...

    def terms(self, batch: Batch) -> Tensor:
        """[K] sums over the batch, to be minimised."""
        ...


def policy_gradient(batch: Batch, row_weights: Tensor, failed_floor: float) -> Tensor:
    """Pulls towards trajectories of positive weight and away from the others.

        - Σ_n w_{row(n)} log p_n

    Args:
        batch: N tokens of B rows.
        row_weights: [B], no gradient.
        failed_floor: nats; a token of a pushed-away row that is already less likely stops pushing. -inf: Eq. 1 as published,
            which is unbounded below once a weight is negative: watch the NLL of successes.

    Returns:
        Scalar, nats; divide by the number of trained tokens of the whole batch.
    """
    weights = row_weights[batch.row]
    logprobs = batch.logprobs
    if failed_floor > -math.inf:
        logprobs = torch.where(weights < 0, logprobs.clamp(min=failed_floor), logprobs)
    return -(weights * logprobs).sum()


@dataclass(frozen=True, slots=True)
class _PerToken:
    """Objectives that are a weighted sum over tokens: every trajectory stands alone, and tokens are what is counted."""

    needs_behaviour = False
    needs_reference = False

    def units(self, examples: Sequence[Example]) -> list[Unit]:
        return [_alone(index, example) for index, example in enumerate(examples)]

    def sizes(self, units: Sequence[Unit]) -> tuple[float, ...]:
        return (float(sum(sum(unit.num_tokens) for unit in units)),)


@dataclass(frozen=True, slots=True)
class A3T(_PerToken):
    """Eq. 1: every token of a trajectory pulls with R(τ), observations too.

    Divides by tokens, where Eq. 1 divides by trajectories: docs/decisions/0004.
    """

    failed_floor: float = -math.inf
    """See `policy_gradient`."""

    def terms(self, batch: Batch) -> Tensor:
        return policy_gradient(batch, batch.weights, self.failed_floor)[None]


@dataclass(frozen=True, slots=True)
class SFT(_PerToken):
    """Remark 1: successes only."""

    def units(self, examples: Sequence[Example]) -> list[Unit]:
        return [_alone(index, example) for index, example in enumerate(examples) if example.weight > 0]

    def terms(self, batch: Batch) -> Tensor:
        return policy_gradient(batch, batch.weights, -math.inf)[None]


@dataclass(frozen=True, slots=True)
class AsymRE(_PerToken):
    """Advantage R − V, with V = (mean reward of the data) − `baseline_offset`.

    Improvement is guaranteed while V is below the mean reward; at or above it, training collapses (the paper's phase transition).
    """

    baseline_offset: float = 0.1
    """Reward by which V stays below the data's mean; must be positive."""
    failed_floor: float = -math.inf

    def __post_init__(self) -> None:
        _require(
            self.baseline_offset > 0, "asymre", "baseline_offset", self.baseline_offset, "more than 0: at 0 training collapses"
        )

    def units(self, examples: Sequence[Example]) -> list[Unit]:
        if not examples:
            return []
        baseline = sum(example.reward for example in examples) / len(examples) - self.baseline_offset
        advantages = [example._replace(weight=example.reward - baseline) for example in examples]
        return [_alone(index, example) for index, example in enumerate(advantages) if example.weight]

    def terms(self, batch: Batch) -> Tensor:
        return policy_gradient(batch, batch.weights, self.failed_floor)[None]


@dataclass(frozen=True, slots=True)
class TOPR(_PerToken):
    """Failures fade as they become unlikely: their weight is R(τ) · min(π(τ)/μ(τ), 1), no gradient through the ratio.

    π and μ are over the trajectory's thoughts and actions, as sums of logs: the ratio of some hundred tokens underflows to 0,
    which is the point. μ is what the policy recorded when it acted; tokens without a record count with the base's probability.
    """

    needs_behaviour = True

    failed_floor: float = -math.inf

    def terms(self, batch: Batch) -> Tensor:
        logprobs = batch.logprobs.detach()
        log_ratio = batch.per_row(torch.where(batch.agent, logprobs - batch.behaviour, torch.zeros_like(logprobs)))
        tapered = torch.where(batch.weights < 0, batch.weights * log_ratio.clamp(max=0).exp(), batch.weights)
        return policy_gradient(batch, tapered, self.failed_floor)[None]


@dataclass(frozen=True, slots=True)
class DPO:
    """A success over a failure of the same task, relative to the base; thoughts and actions only.

        - log σ(β [(log π(τ_s) − log π₀(τ_s)) − (log π(τ_f) − log π₀(τ_f))])   per pair
        + sft_weight · NLL of successes, observations too                      per token

    A task with S successes and F failures gives max(S, F) pairs in which each takes part; tasks without a failure count in the
    second term alone. That term keeps the likelihood of successes up while the first only widens a gap; 0 is plain DPO.
    """

    needs_behaviour = False
    needs_reference = True

    beta: float = 0.1
    sft_weight: float = 1.0

    def __post_init__(self) -> None:
        _require(self.beta > 0, "dpo", "beta", self.beta, "more than 0")
        _require(self.sft_weight >= 0, "dpo", "sft_weight", self.sft_weight, "at least 0")

    def units(self, examples: Sequence[Example]) -> list[Unit]:
        by_task: dict[object, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for index, example in enumerate(examples):
            by_task[example.task][example.weight < 0].append(index)
        units = []
        for successes, failures in by_task.values():
            if successes and failures:
                for turn in range(max(len(successes), len(failures))):
                    pair = successes[turn % len(successes)], failures[turn % len(failures)]
                    units.append(Unit(pair, (1.0, -1.0), tuple(examples[i].num_tokens for i in pair)))
            elif self.sft_weight:
                units += [_alone(i, examples[i]) for i in successes]
        return units

    def sizes(self, units: Sequence[Unit]) -> tuple[float, ...]:
        return float(sum(unit.is_pair for unit in units)), float(sum(unit.num_tokens[0] for unit in units))

    def terms(self, batch: Batch) -> Tensor:
        gain = _gain(batch)[batch.paired].view(-1, 2)
        preference = -F.logsigmoid(self.beta * (gain[:, 0] - gain[:, 1])).sum()
        return torch.stack([preference, self.sft_weight * _success_nll(batch)])


@dataclass(frozen=True, slots=True)
class KTO:
    """Each trajectory alone against a reference point; thoughts and actions only.

        |w| (1 − σ(±β (log π(τ)/π₀(τ) − z₀)))                    per trajectory, + for successes, − for failures
        + sft_weight · NLL of successes, observations too        per token

    z₀ is a constant (0 by default), not a batch estimate of the divergence from π₀: an estimate would make the loss depend on how
    the batch is cut.
    """

    needs_behaviour = False
    needs_reference = True

    beta: float = 0.1
    reference_point: float = 0.0
    """z₀, nats."""
    sft_weight: float = 1.0

    def __post_init__(self) -> None:
        _require(self.beta > 0, "kto", "beta", self.beta, "more than 0")
        _require(self.sft_weight >= 0, "kto", "sft_weight", self.sft_weight, "at least 0")

    def units(self, examples: Sequence[Example]) -> list[Unit]:
        return [_alone(index, example) for index, example in enumerate(examples)]

    def sizes(self, units: Sequence[Unit]) -> tuple[float, ...]:
        tokens = sum(unit.num_tokens[0] for unit in units if unit.weights[0] > 0)
        return float(len(units)), float(tokens)

    def terms(self, batch: Batch) -> Tensor:
        gain = self.beta * (_gain(batch) - self.reference_point)
        value = batch.weights.abs() * (1 - torch.sigmoid(batch.weights.sign() * gain))
        return torch.stack([value.sum(), self.sft_weight * _success_nll(batch)])


BUILTIN: Mapping[str, Callable[..., Objective]] = {"a3t": A3T, "sft": SFT, "asymre": AsymRE, "topr": TOPR, "dpo": DPO, "kto": KTO}

GROUP = "a3t.objectives"


def make_objective(name: str, options: Mapping[str, Any] | None = None) -> Objective:
    """An objective by name, ours or a plug-in's.

    Raises:
        UnknownNameError: nobody registered that name.
        RecipeError: an option that it does not take, or a value out of range.
    """
    factory = BUILTIN.get(name)
    if factory is None:
        entries = entry_points(group=GROUP)
        for entry in entries.select(name=name):
            factory = entry.load()
        if factory is None:
            raise unknown("objective", name, {*BUILTIN, *entries.names})
    options = dict(options or {})
    known = list(inspect.signature(factory).parameters)
    for key in options:
        if key not in known:
            close = nearest(key, known, limit=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes: {', '.join(known) or 'none'}."
            raise RecipeError(f"objective {name!r} does not take the option {key!r}: {hint}")
    return factory(**options)


def _alone(index: int, example: Example) -> Unit:
    return Unit((index,), (example.weight,), (example.num_tokens,))


def _gain(batch: Batch) -> Tensor:
    """[B] log π(τ)/π₀(τ) over thoughts and actions."""
    return batch.per_row(torch.where(batch.agent, batch.logprobs - batch.reference, torch.zeros_like(batch.logprobs)))


def _success_nll(batch: Batch) -> Tensor:
    return -batch.logprobs[batch.weights[batch.row] > 0].sum()


def _require(holds: bool, objective: str, option: str, value: float, expected: str) -> None:
    if not holds:
        raise RecipeError(f"objective {objective!r}: {option} = {value} does not fit: expected {expected}.")
