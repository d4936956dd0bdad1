"""`a3t bench …`: hands over to `a3t.bench`, which prints its own figures."""

from __future__ import annotations

from pathlib import Path


def env(name: str, data: Path | None) -> None:
    from a3t.bench.env import run

    run(name, data=data)


def store(num: int) -> None:
    from a3t.bench.store import run

    print(run(num))


def rollout(num_episodes: int) -> None:
    from a3t.bench.rollout import run

    run(num_episodes)


def train() -> None:
    from a3t.bench.train import run

    run()
