"""`a3t bench env`: what a world costs — steps, loads, resets, snapshots — with the official engine beside it where there is one.

Times are CPU seconds of one process, so that a busy machine does not blur them; every figure is the median of several runs.
"""

from __future__ import annotations

import json
import os
import platform
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from a3t.envs import make
from a3t.errors import RecipeError
from a3t.types import Task

PLAYER = Path(__file__).with_name("official_alfworld.py")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    unit: str
    runs: tuple[float, ...]
    target: float | None
    more_is_better: bool = False

    @property
    def median(self) -> float:
        return median(self.runs)

    @property
    def is_met(self) -> bool | None:
        """None where nothing was promised."""
        if self.target is None:
            return None
        return self.median >= self.target if self.more_is_better else self.median <= self.target


def run(
    name: str = "household",
    data: Path | str | None = None,
    *,
    split: str | None = None,
    num_tasks: int = 40,
    num_steps: int = 20_000,
    num_runs: int = 5,
    official: bool = True,
) -> list[Figure]:
    """Measure a world and print the table.

    Args:
        name: an environment; its `tasks` and `snapshot` are used where it has them.
        data: its data folder, where it needs one.
        split: whose tasks; None takes the first.
        num_tasks: games to play on.
        num_steps: steps a run.
        num_runs: runs a figure.
        official: put the official engine beside it where it is installed (here, or in the Python that $A3T_ORACLE_PYTHON names).

    Raises:
        UnknownNameError, RecipeError, MissingDataError: there is no such world, or not all that it needs.
    """
    if min(num_tasks, num_steps, num_runs) < 1:
        raise RecipeError("bench env needs at least one task, one step and one run.")
    env: Any = make(name, **({} if data is None else {"data": str(data)}))
    tasks = _tasks(env, split, num_tasks)
    figures = measure(env, tasks, num_steps=num_steps, num_runs=num_runs)
    theirs = _official(env, tasks) if official and name == "alfworld" else None
    _print(name, str(getattr(env, "version", name)), figures, theirs, len(tasks), num_runs)
    return figures


def measure(env: Any, tasks: Sequence[Task], *, num_steps: int, num_runs: int) -> list[Figure]:
    """The figures of an environment on tasks that this process has not opened yet."""
    options = [{"task_id": task.task_id} for task in tasks]
    first = [_seconds(partial(env.reset, options=chosen)) for chosen in options]
    again = [_seconds(partial(env.reset, options=chosen)) for chosen in options]
    rng = random.Random(0)
    rates = tuple(_steps_per_second(env, options, num_steps, rng) for _ in range(num_runs))
    figures = [
        Figure("steps, actions listed", "/s", rates, 50_000, more_is_better=True),
        Figure("load and reset", "ms", tuple(1e3 * seconds for seconds in first), 5.0),
        Figure("reset again", "ms", tuple(1e3 * seconds for seconds in again), 0.2),
    ]
    if hasattr(env, "snapshot"):
        env.reset(options=options[0])
        figures.append(Figure("snapshot + restore", "µs", tuple(_snapshot_us(env) for _ in range(num_runs)), 20.0))
    return figures


def _steps_per_second(env: Any, options: Sequence[dict[str, Any]], num_steps: int, rng: random.Random) -> float:
    """Random admissible actions, an equal share in every game; resets are not counted."""
    seconds, share = 0.0, max(1, num_steps // len(options))
    for chosen in options:
        _, info = env.reset(options=chosen)
        started = time.process_time()
        for _ in range(share):
            actions = info["actions"] or ["look"]
            _, _, terminated, truncated, info = env.step(actions[int(rng.random() * len(actions))])
            if terminated or truncated:
                seconds += time.process_time() - started
                _, info = env.reset(options=chosen)
                started = time.process_time()
        seconds += time.process_time() - started
    return share * len(options) / max(seconds, 1e-9)


def _snapshot_us(env: Any, times: int = 2000) -> float:
    def both() -> None:
        for _ in range(times):
            env.restore(env.snapshot())

    return 1e6 * _seconds(both) / times


def _seconds(act: Callable[[], object]) -> float:
    started = time.process_time()
    act()
    return time.process_time() - started


def _tasks(env: Any, split: str | None, num_tasks: int) -> list[Task]:
    if not hasattr(env, "tasks"):
        raise RecipeError("bench env needs an environment with tasks(split).")
    chosen = split or next(iter(getattr(env, "splits", ("train",))))
    tasks = list(env.tasks(chosen))
    return tasks[:: max(1, len(tasks) // num_tasks)][:num_tasks]


def _official(env: Any, tasks: Sequence[Task]) -> dict[str, list[float]] | None:
    """The official engine on a few of the same games, in its own Python; None where there is none."""
    here = find_spec("textworld") is not None and find_spec("alfworld") is not None
    python = os.environ.get("A3T_ORACLE_PYTHON") or (sys.executable if here else None)
    if python is None:
        return None
    games = [str(env.folder.find(task.task_id, task.split).path) for task in islice(cycle(tasks), 3)]
    done = subprocess.run([python, str(PLAYER), *games], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"The official engine failed: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return None
    answer: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _print(
    name: str, version: str, figures: Sequence[Figure], theirs: dict[str, list[float]] | None, num_tasks: int, num_runs: int
) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{version}: {num_tasks} games, median of {num_runs} runs (CPU time of one process)")
    for column in ("", "median", "from", "to", "target"):
        table.add_column(column, justify="left" if not column else "right")
    if name == "alfworld":
        table.add_column("official", justify="right")
    for figure in figures:
        target = (
            "" if figure.target is None else f"{'≥' if figure.more_is_better else '≤'} {_number(figure.target)} {figure.unit}"
        )
        met = {True: "[green]✓[/] ", False: "[red]✗[/] ", None: ""}[figure.is_met]
        row = [
            figure.what,
            f"{met}{_number(figure.median)} {figure.unit}",
            _number(min(figure.runs)),
            _number(max(figure.runs)),
            target,
        ]
        if name == "alfworld":
            row.append(f"{_number(median(theirs[figure.what]))} {figure.unit}" if theirs and figure.what in theirs else "–")
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(f"{_machine()}, Python {platform.python_version()}", highlight=False)
    if name == "alfworld" and theirs is None:
        console.print(
            "The official engine is not installed: pip install 'a3t\\[oracle]', or set A3T_ORACLE_PYTHON.", highlight=False
        )


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    return f"{model} ({os.cpu_count()} cores)"
