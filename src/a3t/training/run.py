"""One training run, step by step, such that it can be killed after any of them.

The state after a step is the trained parameters, the optimiser's, the running average and the curves. The order of the data
follows from (seed, round, epoch) and dropout, where a model has any, from (seed, round, step): no generator needs to be kept.
"""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from a3t.config import TrainConfig
from a3t.errors import Interrupted, ModelError
from a3t.learning.average import fold
from a3t.learning.objectives import Batch, Objective
from a3t.training import files, side_by_side, weights
from a3t.training.batches import Forward, OptimizerBatch, plan_epoch
from a3t.training.data import Data
from a3t.training.forward import TokenLogprobs, collate
from a3t.training.interrupt import asked_to_stop
from a3t.training.known import know
from a3t.training.optimizer import lr_at, make_optimizer, restore_state, state_tensors
from a3t.training.probe import CPU_TOKENS, probe_micro_batch
from a3t.training.side_by_side import Gradients, Threads
from a3t.training.tally import Tally


class Progress(NamedTuple):
    """Where training stands, after each optimiser step."""

    epoch: int
    """From 0."""
    num_epochs: float
    step: int
    """Optimiser steps done."""
    num_steps: int
    loss: float
    """Of this step, as minimised."""
    success_nll: float
    """Nats per trained token of successes, this epoch so far; NaN where there are none."""
    failed_nll: float
    lr: float
    tokens_per_s: float
    """Tokens read, padding apart, since this process began to train."""
    eta_s: float


class Turn(NamedTuple):
    """One optimiser step of the plan."""

    epoch: int
    batch: OptimizerBatch
    checkpoint: bool
    """The weights after it enter the average."""
    ends_epoch: bool


def plan_turns(
    data: Data, train: TrainConfig, num_epochs: float, micro_batch_tokens: int, entropy: tuple[int, ...]
) -> list[Turn]:
    """All steps of a run. A fraction of an epoch is that fraction of its batches; checkpoints are spread evenly over each."""
    turns: list[Turn] = []
    for epoch in range(math.ceil(num_epochs)):
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((*entropy, epoch))))
        batches = plan_epoch(data.sizes, train.batch_tokens, micro_batch_tokens, rng)
        batches = batches[: max(1, round(len(batches) * min(1.0, num_epochs - epoch)))]
        count = len(batches)
        marks = {round(count * (number + 1) / train.checkpoints_per_epoch) for number in range(train.checkpoints_per_epoch)}
        turns += [Turn(epoch, batch, done in marks, done == count) for done, batch in enumerate(batches, 1)]
    return turns


class Run:
    """What a run holds while it lasts."""

    def __init__(
        self,
        model: Any,
        data: Data,
        train: TrainConfig,
        objective: Objective,
        plan: weights.Plan,
        *,
        folder: Path,
        identity: str,
        seed: int,
        round_index: int,
    ) -> None:
        """
        Args:
            folder: where the state is kept while training.
            identity: of everything that decides the result; a state with another identity is not gone on from.
        """
        self.model, self.data, self.train, self.objective, self.plan = model, data, train, objective, plan
        self.folder, self.identity, self.entropy = folder, identity, (seed, round_index)
        self.num_epochs = train.epochs_first if round_index == 0 else train.epochs
        self.logprobs = TokenLogprobs(model, plan.autocast)
        self.parameters = weights.trainable(model)
        self.is_small = side_by_side.is_small(model, plan.device)
        most = side_by_side.FORWARD_TOKENS if self.is_small else CPU_TOKENS
        self.micro_batch_tokens = train.micro_batch_tokens or probe_micro_batch(self.logprobs, data, train.batch_tokens, most)
        with side_by_side.threads_for(self.is_small):
            self.known = know(objective, self.logprobs, data, self.micro_batch_tokens, folder / "known", identity)
        self.optimizer = make_optimizer(list(self.parameters.values()), train, plan.optimizer)
        self.turns = plan_turns(data, train, self.num_epochs, self.micro_batch_tokens, self.entropy)

        self.step = 0
        self.mean: dict[str, Tensor] = {}
        self.num_averaged = 0
        self.tally = Tally()
        self.curves: list[dict[str, Any]] = []
        self.stopped_early = False

    def to_the_end(self, progress: Callable[[Progress], None], should_stop: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """Train, leave the averaged weights in the model, and return metrics.

        Args:
            should_stop: asked after every step; a signal that comes while training lasts is noticed without it.

        Raises:
            ModelError: the gradient stopped being a number. Interrupted, DiskFullError.
        """
        resumed_at = self.resume()
        began = saved = time.monotonic()
        tokens_here = 0
        with asked_to_stop() as asked, side_by_side.threads_for(self.is_small) as threads:
            for turn in self.turns[self.step :]:
                start = time.monotonic()
                loss, num_tokens = self.take(turn, threads)
                tokens_here += num_tokens
                self.tally.seconds += time.monotonic() - start
                progress(self._progress(turn, loss, tokens_here, time.monotonic() - began, self.step - resumed_at))
                self._close(turn)
                if self.stopped_early:
                    break
                if asked() or should_stop():
                    self.save()
                    raise Interrupted(
                        f"training stopped after step {self.step} of {len(self.turns)}; its state is kept in {self.folder}, "
                        "and the same again goes on from there to the same weights"
                    )
                if time.monotonic() - saved > self.train.save_every_s:
                    self.save()
                    saved = time.monotonic()
        weights.assign(self.model, self.mean)
        return self._metrics(resumed_at)

    def take(self, turn: Turn, threads: Threads | None = None) -> tuple[float, int]:
        """One optimiser step; returns its loss and the tokens it read.

        The loss is divided by the sizes of the whole batch before anything is summed, so that how the batch was cut does not
        show.

        Args:
            threads: for the forwards of a small model (`side_by_side`); None takes them one after the other.
        """
        lr = lr_at(self.step, len(self.turns), self.train)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        sizes = self.objective.sizes([self.data.units[unit] for forward in turn.batch for unit in forward])
        total = 0.0
        devices = [self.plan.device] if self.plan.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int(np.random.SeedSequence((*self.entropy, self.step)).generate_state(1)[0]))
            parameters = list(self.parameters.values())
            costs = [sum(self.data.sizes[unit].num_tokens for unit in forward) for forward in turn.batch]
            for found in side_by_side.in_order(threads, lambda index: self._gradients(turn.batch[index], sizes), costs):
                side_by_side.add(parameters, found.by_parameter)
                total += found.loss
                self.tally.add(found.nll, found.tokens)
        norm = float(torch.nn.utils.clip_grad_norm_(list(self.parameters.values()), self.train.max_grad_norm))
        if not math.isfinite(norm):
            raise ModelError(
                f"the gradient is not a number at step {self.step} of {len(self.turns)} (loss {total:.4g}).\n"
                "  Try a lower train.lr, objective.options.failed_floor = -4, or train.dtype = 'float32'."
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        num_tokens = sum(self.data.sizes[unit].num_tokens for forward in turn.batch for unit in forward)
        self.tally.loss += total
        self.tally.grad_norm += norm
        self.tally.num_steps += 1
        self.tally.row_tokens += num_tokens
        return total, num_tokens

    def _gradients(self, forward: Forward, sizes: tuple[float, ...]) -> Gradients:
        """Of one forward; a large model's are added up in its parameters, where they are, and not handed over."""
        units = [self.data.units[unit] for unit in forward]
        indices = [row for unit in units for row in unit.rows]
        rows = [self.data.rows[index] for index in indices]
        inputs = collate(rows, self.plan.device)
        logprobs = self.logprobs(inputs)
        agent = torch.from_numpy(np.concatenate([row.agent[row.trained] for row in rows])).to(self.plan.device)
        batch = Batch(
            logprobs,
            inputs.row,
            agent,
            weights=torch.tensor([w for unit in units for w in unit.weights], device=self.plan.device),
            paired=torch.tensor([unit.is_pair for unit in units for _row in unit.rows], device=self.plan.device),
            behaviour=self.known.behaviour(indices, self.plan.device),
            reference=self.known.reference(indices, self.plan.device),
        )
        failed = torch.tensor([self.data.failed[index] for index in indices], device=self.plan.device)
        kind = 2 * failed[inputs.row].long() + agent.long()
        nll = torch.zeros(4, dtype=torch.float64, device=self.plan.device).index_add(0, kind, -logprobs.detach().double())
        counts = torch.bincount(kind, minlength=4).tolist()
        terms = self.objective.terms(batch)
        loss = torch.stack([term / size for term, size in zip(terms, sizes, strict=True) if size]).sum()
        if self.is_small:
            gradients = torch.autograd.grad(loss, list(self.parameters.values()), allow_unused=True)
        else:
            loss.backward()  # type: ignore[no-untyped-call]
            gradients = ()
        return Gradients(loss.item(), nll.tolist(), counts, gradients)

    def _close(self, turn: Turn) -> None:
        """What follows a step at the end of an epoch, or where a checkpoint is due."""
        if turn.ends_epoch:
            self.stopped_early = self._successes_worsened()
            self.curves.append(self.tally.as_json(turn.epoch, self.optimizer.param_groups[0]["lr"]))
            self.tally = Tally()
        if turn.checkpoint and not self.stopped_early:
            self.num_averaged = self.num_averaged + 1 if self.train.average == "all" else 1
            self.mean = fold(self.mean, self.num_averaged - 1, self.parameters)

    def _successes_worsened(self) -> bool:
        allowed = self.train.max_success_nll_rise
        before = [point["success_nll"] for point in self.curves if point["success_nll"] is not None]
        return allowed is not None and bool(before) and self.tally.success_nll > min(before) + allowed

    def save(self) -> None:
        """The exact state, whole or not at all; the one before it is removed afterwards."""
        optimizer, plain = state_tensors(self.optimizer)
        groups = {"parameter": self.parameters, "mean": self.mean, "optimizer": optimizer}
        record = {
            "identity": self.identity,
            "step": self.step,
            "micro_batch_tokens": self.micro_batch_tokens,
            "num_averaged": self.num_averaged,
            "tally": dataclasses.asdict(self.tally),
            "curves": self.curves,
            "optimizer": plain,
        }
        target = self.folder / f"step-{self.step:08d}"
        with files.disk_full_is_said(self.folder, "The state saved before this one is intact."):
            files.write_folder(
                target, {f"{kind}/{name}": t for kind, group in groups.items() for name, t in group.items()}, record
            )
        for old in self.folder.glob("step-*"):
            if old != target:
                shutil.rmtree(old, ignore_errors=True)

    def resume(self) -> int:
        """Go on from the newest whole state that belongs to this run; returns the step it stands at."""
        for folder in sorted(self.folder.glob("step-*"), reverse=True):
            found = files.read_folder(folder)
            # On a CPU another cut of the steps would be other bytes; a GPU's budget is what its memory holds today.
            on_cpu, cut = self.plan.device.type == "cpu", found and found[1].get("micro_batch_tokens")
            if found is not None and found[1].get("identity") == self.identity and (not on_cpu or cut == self.micro_batch_tokens):
                self._restore(*found)
                break
        return self.step

    def _restore(self, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
        groups: dict[str, dict[str, Tensor]] = {"parameter": {}, "mean": {}, "optimizer": {}}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition("/")
            groups[kind][rest] = tensor
        weights.assign(self.model, groups["parameter"])
        restore_state(self.optimizer, groups["optimizer"], record["optimizer"])
        self.mean = {name: tensor.to(self.parameters[name].device) for name, tensor in groups["mean"].items()}
        self.step, self.num_averaged = record["step"], record["num_averaged"]
        self.tally, self.curves = Tally(**record["tally"]), record["curves"]

    def _progress(self, turn: Turn, loss: float, tokens: int, seconds: float, steps_here: int) -> Progress:
        left = len(self.turns) - self.step
        return Progress(
            epoch=turn.epoch,
            num_epochs=self.num_epochs,
            step=self.step,
            num_steps=len(self.turns),
            loss=loss,
            success_nll=self.tally.success_nll,
            failed_nll=self.tally.failed_nll,
            lr=self.optimizer.param_groups[0]["lr"],
            tokens_per_s=tokens / seconds if seconds else 0.0,
            eta_s=seconds / steps_here * left,
        )

    @property
    def padding_share(self) -> float:
        """Share of what went through the model that was padding."""
        real = padded = 0
        for turn in self.turns:
            for forward in turn.batch:
                sizes = [self.data.sizes[unit] for unit in forward]
                real += sum(size.num_tokens for size in sizes)
                padded += sum(size.num_rows for size in sizes) * max(size.length for size in sizes)
        return 1 - real / padded

    def _metrics(self, resumed_at: int) -> dict[str, Any]:
        seconds = sum(point["seconds"] for point in self.curves)
        tokens = sum(point["row_tokens"] for point in self.curves)
        on_gpu = self.plan.device.type == "cuda"
        return {
            "epochs": self.curves,
            "num_steps": self.step,
            "stopped_early": self.stopped_early,
            "num_averaged": self.num_averaged,
            "micro_batch_tokens": self.micro_batch_tokens,
            "padding_share": self.padding_share,
            **self.data.summary(),
            "num_trainable_parameters": sum(parameter.numel() for parameter in self.parameters.values()),
            "seconds": seconds,
            "tokens_per_s": tokens / seconds if seconds else 0.0,
            "resumed_at_step": resumed_at,
            "device": torch.cuda.get_device_name(self.plan.device) if on_gpu else "cpu",
            "num_threads": torch.get_num_threads(),
            "method": self.plan.method,
            "optimizer": self.plan.optimizer,
            "autocast": str(self.plan.autocast or torch.float32).removeprefix("torch."),
            "notes": list(self.plan.notes),
            "peak_memory_bytes": torch.cuda.max_memory_allocated(self.plan.device) if on_gpu else None,
        }
