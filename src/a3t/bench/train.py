"""`a3t bench train`: tokens per second of our trainer, beside `transformers.Trainer` as it comes, on the same rows.

Both train the same weights on the same tokens in steps of about the same size; what differs is how rows meet (random steps cut
by length without a mask, against eight rows in data-set order, padded and masked) and where logits are computed (trained
tokens, against all). On a GPU there is a second figure: one step of a 7B-shaped model under the paper's settings, as a share of
what the card can multiply.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from a3t.config import TrainConfig
from a3t.errors import DiskFullError, RecipeError
from a3t.learning.encode import Row
from a3t.learning.objectives import A3T, Unit
from a3t.training import weights
from a3t.training.batches import Size
from a3t.training.data import Data
from a3t.training.run import Run
from a3t.training.side_by_side import threads_for

TINY = {"vocab_size": 2500, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 4}
"""The shape of the base that ships: 1.2 M parameters."""

MISTRAL_7B = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
    "sliding_window": None,
    "tie_word_embeddings": False,
}

ROWS_PER_STEP = 8
"""`transformers.TrainingArguments.per_device_train_batch_size`, as it comes."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to train."""

    name: str
    tokens_per_s: float
    """Median over the runs, padding not counted, wall clock."""
    tokens_per_cpu_s: float
    """Median over the runs, CPU time of all threads: steadier where others use the machine."""


@dataclass(frozen=True, slots=True)
class LargeStep:
    """One optimiser step of a 7B-shaped model."""

    method: str
    num_parameters: int
    tokens_per_s: float
    """Median over the steps after the first."""
    peak_memory_bytes: int
    model_flops_per_s: float
    """Forward and backward without what checkpointing computes again."""
    matrix_flops_per_s: float
    """What the card reached on bfloat16 products of 8192 x 8192."""

    @property
    def share(self) -> float:
        return self.model_flops_per_s / self.matrix_flops_per_s


@dataclass(frozen=True, slots=True)
class TrainFigures:
    """What was measured."""

    num_parameters: int
    num_threads: int
    num_rows: int
    num_tokens: int
    padding_share: float
    num_runs: int
    autocast: str
    ours: Way
    theirs: Way
    large: LargeStep | None
    device: str

    @property
    def ratio(self) -> float:
        """Tokens per CPU-second, ours over theirs."""
        return self.ours.tokens_per_cpu_s / self.theirs.tokens_per_cpu_s

    def lines(self) -> list[str]:
        table = [
            f"{self.num_parameters / 1e6:.2f} M parameters, full weights, {self.autocast}, {self.num_threads} threads, "
            f"median of {self.num_runs} runs",
            f"{self.num_rows} rows, {self.num_tokens} tokens; padding in ours {self.padding_share:.1%}",
            f"{'':44}{'tokens/s':>10}{'tokens/CPU-s':>14}{'ours is':>10}",
            *(
                f"{way.name:44}{way.tokens_per_s:10.0f}{way.tokens_per_cpu_s:14.0f}"
                f"{self.ours.tokens_per_cpu_s / way.tokens_per_cpu_s:8.2f} x"
                for way in (self.ours, self.theirs)
            ),
        ]
        if self.large is None:
            return [*table, "no CUDA device: the step of a 7B-shaped model was not measured"]
        large = self.large
        return [
            *table,
            f"{large.num_parameters / 1e9:.2f} B parameters, {large.method} on {self.device}: {large.tokens_per_s:.0f} tokens/s, "
            f"{large.peak_memory_bytes / 2**30:.1f} GiB, {large.model_flops_per_s / 1e12:.0f} TFLOP/s, "
            f"{large.share:.0%} of the card's {large.matrix_flops_per_s / 1e12:.0f} in bfloat16 products",
        ]


def run(num_rows: int = 64, *, num_runs: int = 3, dtype: str = "auto", large: str = "qlora", seed: int = 0) -> TrainFigures:
    """Measure both ways in turns, and a 7B-shaped step where there is a CUDA device.

    Args:
        num_rows: random rows, as long as household episodes are (80 to 1,500 tokens, 290 on average).
        dtype: of matrix products in both ways: `auto`, `float32` or `bfloat16`.
        large: `qlora`, `lora` or `full` for the 7B-shaped step, or `none`.

    Raises:
        RecipeError: a number is not positive, or `large` is no method.
        DiskFullError: the 7B-shaped model, 15 GB, does not fit the temporary folder.
    """
    for name, value in {"num_rows": num_rows, "num_runs": num_runs}.items():
        if value < 1:
            raise RecipeError(f"{name} = {value} does not fit: expected a positive number.")
    if large not in ("qlora", "lora", "full", "none"):
        raise RecipeError(f"large = {large!r} does not fit: expected qlora, lora, full or none.")
    train = TrainConfig.model_validate({"dtype": dtype, "batch_tokens": 2048, "epochs": 1})
    plan = weights.available(train, "cpu")
    rows = random_rows(num_rows, TINY["vocab_size"], seed)
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    with random_base("Llama", {**TINY, "tie_word_embeddings": True}, torch.float32) as base:
        for _ in range(num_runs):
            one = _our_run(base, rows, train, plan, seed)
            ours.append(_timed(partial(_take_all, one)))
            theirs.append(_timed(_their_run(base, rows, plan, seed)))
    num_tokens = sum(map(len, rows))
    cuda = torch.cuda.is_available()
    return TrainFigures(
        num_parameters=sum(parameter.numel() for parameter in one.parameters.values()),
        num_threads=torch.get_num_threads(),
        num_rows=num_rows,
        num_tokens=num_tokens,
        padding_share=one.padding_share,
        num_runs=num_runs,
        autocast=str(plan.autocast or torch.float32).removeprefix("torch."),
        ours=_way("a3t, random steps cut by length", ours, num_tokens),
        theirs=_way(f"transformers.Trainer, {ROWS_PER_STEP} rows as they come", theirs, num_tokens),
        large=large_step(large, seed=seed) if cuda and large != "none" else None,
        device=torch.cuda.get_device_name() if cuda else "cpu",
    )


def large_step(
    method: str,
    *,
    seed: int = 0,
    shape: dict[str, Any] = MISTRAL_7B,
    batch_tokens: int = 16384,
    row_tokens: int = 1024,
    num_steps: int = 4,
    device: str = "cuda",
) -> LargeStep:
    """Some optimiser steps under the settings of `recipes/alfworld-7b.toml`, random weights, rows of one length."""
    settings = {"method": method, "optimizer": "paged_adamw_32bit", "gradient_checkpointing": True, "batch_tokens": batch_tokens}
    train = TrainConfig.model_validate({**settings, "epochs": num_steps})
    plan = weights.available(train, device)
    on_gpu = plan.device.type == "cuda"
    rng = np.random.default_rng(seed)
    rows = [_row(rng, row_tokens, shape["vocab_size"]) for _ in range(batch_tokens // row_tokens)]
    with random_base("Mistral", shape, torch.bfloat16) as base:
        one = _our_run(base, rows, train, plan, seed)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for turn in one.turns:
        start = time.perf_counter()
        one.take(turn)
        if on_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    tokens_per_s = batch_tokens / statistics.median(seconds[1:] or seconds)
    return LargeStep(
        method=plan.method,
        num_parameters=_num_parameters(shape),
        tokens_per_s=tokens_per_s,
        peak_memory_bytes=torch.cuda.max_memory_allocated() if on_gpu else 0,
        model_flops_per_s=tokens_per_s * flops_per_token(shape, row_tokens, frozen=plan.method != "full"),
        matrix_flops_per_s=matrix_rate(plan.device),
    )


def flops_per_token(shape: dict[str, Any], row_tokens: int, *, frozen: bool) -> float:
    """Floating-point operations of a forward and a backward: 2 a weight forward, 2 for what flows back, 2 for its gradient.

    Attention adds 4 · hidden · (half the row, being causal) a layer forward and twice that backward.
    """
    passes = 4 if frozen else 6
    products: int = _num_parameters(shape) - shape["vocab_size"] * shape["hidden_size"]
    attention: float = 3 * shape["num_hidden_layers"] * 4 * shape["hidden_size"] * row_tokens / 2
    return passes * products + attention


def matrix_rate(device: torch.device, size: int = 8192, num_runs: int = 20) -> float:
    """FLOP/s of square bfloat16 products: what the card reaches at best."""
    size = size if device.type == "cuda" else 512
    left, right = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(num_runs):
        start = time.perf_counter()
        _ = left @ right
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best


def random_rows(num_rows: int, vocabulary: int, seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(np.log(260), 0.5, num_rows), 80, 1500).astype(int)
    return [_row(rng, int(length), vocabulary) for length in lengths]


@contextmanager
def random_base(architecture: str, shape: dict[str, Any], dtype: torch.dtype) -> Iterator[Path]:
    """A folder of random weights; the way in is the one that real weights take."""
    import transformers

    needed = _num_parameters(shape) * dtype.itemsize
    with tempfile.TemporaryDirectory() as name:
        free = shutil.disk_usage(name).free
        if free < 1.1 * needed:
            raise DiskFullError(
                f"{name} has {free / 1e9:.1f} GB free; a random model needs {needed / 1e9:.1f}.\n  Try: TMPDIR on a larger disk."
            )
        config = getattr(transformers, f"{architecture}Config")(**{"max_position_embeddings": 2048, **shape})
        with torch.random.fork_rng(), torch.device("cuda" if torch.cuda.is_available() else "cpu"):
            torch.manual_seed(0)
            model = getattr(transformers, f"{architecture}ForCausalLM")._from_config(config, dtype=dtype)
        model.save_pretrained(name)
        del model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        yield Path(name)


def _row(rng: np.random.Generator, length: int, vocabulary: int) -> Row:
    """Five tokens in six are trained: the rest is what the format puts between them."""
    trained = rng.random(length) < 5 / 6
    trained[0] = False
    ids, nothing = rng.integers(0, vocabulary, length), np.full(length, np.nan, np.float32)
    return Row(ids, trained, trained & (rng.random(length) < 0.3), np.zeros(length, np.int64), nothing, ())


def _our_run(base: Path, rows: Sequence[Row], train: TrainConfig, plan: weights.Plan, seed: int) -> Run:
    units = [Unit((index,), (1.0,), (row.num_trained,)) for index, row in enumerate(rows)]
    data = Data(list(rows), [False] * len(rows), units, [Size(1, len(row), len(row)) for row in rows], 0)
    model = weights.load_trainable(base, train, plan, seed)
    return Run(model, data, train, A3T(), plan, folder=base / "resume", identity="", seed=seed, round_index=1)


def _take_all(one: Run) -> None:
    with threads_for(one.is_small) as threads:
        for turn in one.turns:
            one.take(turn, threads)


def _their_run(base: Path, rows: Sequence[Row], plan: weights.Plan, seed: int) -> Callable[[], Any]:
    from transformers import AutoModelForCausalLM, PrinterCallback, Trainer, TrainingArguments

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    examples = [
        {"input_ids": row.ids, "labels": np.where(row.trained, row.ids, -100), "attention_mask": np.ones_like(row.ids)}
        for row in rows
    ]
    settings = TrainingArguments(
        output_dir=str(base / "theirs"),
        use_cpu=True,
        bf16=plan.autocast is torch.bfloat16,
        num_train_epochs=1,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=seed,
    )
    trainer = Trainer(model=model, args=settings, train_dataset=examples, data_collator=_padded)
    trainer.remove_callback(PrinterCallback)
    train: Callable[[], Any] = trainer.train
    return train


def _padded(examples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """As transformers' collators do it: every row to the longest of its batch, labels with -100."""
    filling = {"input_ids": 0, "labels": -100, "attention_mask": 0}
    return {
        name: torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(e[name]) for e in examples], batch_first=True, padding_value=value
        )
        for name, value in filling.items()
    }


def _num_parameters(shape: dict[str, Any]) -> int:
    hidden, heads = shape["hidden_size"], shape["num_attention_heads"]
    narrow = hidden * shape.get("num_key_value_heads", heads) // heads
    layer = 2 * hidden * hidden + 2 * hidden * narrow + 3 * hidden * shape["intermediate_size"] + 2 * hidden
    embeddings = shape["vocab_size"] * hidden * (1 if shape.get("tie_word_embeddings", True) else 2)
    return int(shape["num_hidden_layers"] * layer + embeddings + hidden)


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds on the wall and of the CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def _way(name: str, runs: Sequence[tuple[float, float]], num_tokens: int) -> Way:
    return Way(name, statistics.median(num_tokens / w for w, _ in runs), statistics.median(num_tokens / c for _, c in runs))
