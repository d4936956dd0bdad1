"""Fits in a process of its own, so that it can be killed: `python killed.py BASE OUT METHOD WHEN`.

WHEN is `never`, `step:N` (kill -9 after step N, before its state is saved), `saved:N` (kill -9 after it is saved), `saving:N`
(kill -9 in the middle of writing it), `writing` (kill -9 while the final weights are written), or `interrupt:N` (Ctrl-C during
step N). The state is saved after every step.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import tiny_words
import torch

from a3t.config import ObjectiveConfig, TrainConfig
from a3t.errors import A3TError
from a3t.training import files, weights
from a3t.training.run import Progress, Run
from a3t.training.trainer import Trainer


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(base: Path, out: Path, method: str, when: str) -> None:
    torch.set_num_threads(1)
    # What the process drew before training must not matter.
    torch.manual_seed(os.getpid())
    event, _, number = when.partition(":")
    # Adam's second moments, bfloat16 products, a floating average, dropout: all of it has to come back.
    train = TrainConfig(
        method=method,
        lr=3e-3,
        epochs=3,
        batch_tokens=128,
        schedule="cosine",
        save_every_s=1e-9,
        checkpoints_per_epoch=2,
        lora_rank=4,
    )

    def progress(now: Progress) -> None:
        if number and now.step == int(number):
            if event == "step":
                die()
            if event == "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
            if event == "saving":
                files.seal = die  # type: ignore[assignment]

    if event == "saved":
        save = Run.save

        def save_and_die(run: Run) -> None:
            save(run)
            if run.step == int(number):
                die()

        Run.save = save_and_die  # type: ignore[method-assign]
    if event == "writing":
        save_weights = weights.save_weights

        def half(model: Any, tokenizer: Any, folder: Path) -> None:
            save_weights(model, tokenizer, folder)
            (path,) = folder.glob("*.safetensors")
            path.write_bytes(path.read_bytes()[:1000])
            die()

        weights.save_weights = half
    objective = ObjectiveConfig(name="topr")
    Trainer(base, train, objective, tiny_words.render, device="cpu", progress=progress).fit(
        tiny_words.dataset(), out, round_index=1
    )


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
    except A3TError as error:
        sys.exit(f"{type(error).__name__}: {error}")
