"""`a3t bench store`: a store of 10⁶ trajectories, opened and filtered cold, beside scanning the same as JSON lines."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import NamedTuple

from a3t.errors import BadDataError
from a3t.store import Store, write_jsonl
from a3t.types import Cost, Stage, Step, Stop, Task, Tokens, Trajectory

NUM_ROUNDS = 4
ATTEMPTS_PER_TASK = 40
"""A round explores each task this often, as the paper does."""
BATCH = 1000
MAX_JSONL = 20_000
"""The alternative is measured at this size at most, and compared by record."""


@dataclass(frozen=True, slots=True)
class StoreFigures:
    """What was measured; `s` is wall-clock seconds, `us` microseconds a trajectory."""

    num_trajectories: int
    file_gb: float
    build_s: float
    """Making the synthetic trajectories included."""
    commits_per_s: float
    """Single `add` calls, each acknowledged by itself."""
    open_s: float
    """First `Store.open` of a fresh process, as the owner, file not in the page cache."""
    filter_s: float
    """All rows of one round's successes, cold."""
    filter_cpu_s: float
    """The processor's part of it: what a busy machine does not add to."""
    num_found: int
    summary_s: float
    """Sums over everything, by round, stage, split and task type."""
    summary_cpu_s: float
    read_us: float
    """A whole trajectory out of the filtered ones, text, token ids and log-probs included."""
    peak_rss_mb: float
    """Of that process, interpreter included."""
    jsonl_num: int
    jsonl_filter_us: float
    """The alternative: read every line of a JSONL file of the same records and keep those that fit."""
    jsonl_bytes_per_trajectory: float

    @property
    def filter_us(self) -> float:
        """Per trajectory in the store, found or not: comparable with `jsonl_filter_us`."""
        return 1e6 * self.filter_s / self.num_trajectories

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        ratio = self.jsonl_filter_us / self.filter_us
        size = (
            f"{1e9 * self.file_gb / self.num_trajectories:,.0f} bytes each, as JSON lines {self.jsonl_bytes_per_trajectory:,.0f}"
        )
        scan = f"scanning {self.jsonl_num:,} JSON lines {self.jsonl_filter_us:.1f}: {ratio:,.0f} x"
        return [
            f"{self.num_trajectories:,} trajectories in {self.file_gb:.2f} GB ({size})",
            f"open, cold                     {self.open_s:8.4f} s",
            f"filter by round and success    {self.filter_s:8.3f} s ({self.filter_cpu_s:.3f} of CPU), {self.num_found:,} found",
            f"sums over everything           {self.summary_s:8.3f} s ({self.summary_cpu_s:.3f} of CPU)",
            f"read a whole trajectory        {self.read_us:8.0f} us",
            f"peak RSS                       {self.peak_rss_mb:8.0f} MB",
            f"acknowledged adds              {self.commits_per_s:8,.0f} /s (built in {self.build_s:,.0f} s, {BATCH} to a commit)",
            f"filter, us a trajectory        {self.filter_us:8.2f}; {scan}",
        ]


def run(num_trajectories: int = 1_000_000, path: Path | None = None) -> StoreFigures:
    """Build a synthetic store, measure it in a fresh process, delete it.

    Args:
        num_trajectories: about 3 KB of disk each.
        path: folder for the temporary files; None takes the system's.

    Raises:
        BadDataError: fewer than 100 trajectories.
        DiskFullError: they do not fit.
    """
    if num_trajectories < 100:
        raise BadDataError(f"num_trajectories: expected at least 100, got {num_trajectories}.")
    with tempfile.TemporaryDirectory(prefix="a3t-bench-store-", dir=path) as scratch:
        folder = Path(scratch)
        began = time.perf_counter()
        with Store.open(folder / "run") as store:
            trajectories = synthetic(num_trajectories)
            while batch := list(islice(trajectories, BATCH)):
                store.add_many(batch)
        build_s = time.perf_counter() - began
        jsonl_num = write_jsonl(folder / "scan.jsonl", synthetic(min(num_trajectories, MAX_JSONL)))
        ours = _in_fresh_process("_measure_store", folder / "run" / "a3t.sqlite")
        theirs = _in_fresh_process("_measure_jsonl", folder / "scan.jsonl")
        return StoreFigures(
            num_trajectories=num_trajectories,
            file_gb=(folder / "run" / "a3t.sqlite").stat().st_size / 1e9,
            build_s=build_s,
            commits_per_s=_commits_per_s(folder / "commits"),
            open_s=ours["open_s"],
            filter_s=ours["filter_s"],
            filter_cpu_s=ours["filter_cpu_s"],
            num_found=int(ours["num_found"]),
            summary_s=ours["summary_s"],
            summary_cpu_s=ours["summary_cpu_s"],
            read_us=ours["read_us"],
            peak_rss_mb=ours["peak_rss_mb"],
            jsonl_num=jsonl_num,
            jsonl_filter_us=1e6 * theirs["filter_s"] / jsonl_num,
            jsonl_bytes_per_trajectory=(folder / "scan.jsonl").stat().st_size / jsonl_num,
        )


def synthetic(num_trajectories: int, seed: int = 0) -> Iterator[Trajectory]:
    """Household-like episodes, 3 to 20 steps, in the order a run would finish them: by round, then tries at shuffled tasks."""
    rng = random.Random(seed)
    episodes = [_episode(rng) for _ in range(200)]
    num_tasks = -(-num_trajectories // (NUM_ROUNDS * ATTEMPTS_PER_TASK))
    tasks = [Task(f"pick_and_place-Mug-None-Desk-{i}/trial_{i:06}", "train", f"type-{i % 6}") for i in range(num_tasks)]
    return islice(_episodes(tasks, episodes, rng), num_trajectories)


def _episodes(tasks: list[Task], episodes: list[Trajectory], rng: random.Random) -> Iterator[Trajectory]:
    for round_index in range(NUM_ROUNDS):
        for attempt in range(ATTEMPTS_PER_TASK):
            for task in rng.sample(tasks, len(tasks)):
                success = rng.random() < 0.3
                yield replace(
                    rng.choice(episodes),
                    task=task,
                    round_index=round_index,
                    attempt=attempt,
                    reward=float(success),
                    success=success,
                    stop=Stop.SUCCESS if success else Stop.TURN_LIMIT,
                    seed=rng.randrange(2**31),
                    cost=Cost(rng.randrange(20_000), rng.randrange(500), 20, rng.random(), 0.0),
                )


def _episode(rng: random.Random) -> Trajectory:
    places = [f"{kind} {number}" for kind in ("cabinet", "drawer", "desk", "shelf") for number in range(1, 6)]
    things = [f"{kind} {number}" for kind in ("mug", "plate", "pen", "book") for number in range(1, 4)]

    def step() -> Step:
        place = rng.choice(places)
        seen = ", ".join(f"a {thing}" for thing in rng.sample(things, 3))
        num_tokens = rng.randrange(5, 12)
        # Single precision, as a model on a GPU or CPU reports them.
        logprobs = tuple(-rng.randrange(2**20) / 2**19 for _ in range(num_tokens))
        return Step(
            thought=f"The mug may be near the {place}." if rng.random() < 0.3 else "",
            action=f"go to {place}",
            observation=f"You arrive at {place}. On the {place}, you see {seen}.",
            action_tokens=Tokens(tuple(rng.randrange(32_000) for _ in range(num_tokens)), logprobs),
        )

    return Trajectory(
        task=Task("", ""),
        observation=f"You are in the middle of a room. Looking around you, you see {', '.join(places)}.\nPut a mug on the desk.",
        steps=tuple(step() for _ in range(rng.randrange(3, 21))),
        reward=0.0,
        success=False,
        stop=Stop.TURN_LIMIT,
        stage=Stage.EXPLORE,
        environment="synthetic",
    )


def _commits_per_s(folder: Path, num: int = 2000) -> float:
    trajectories = list(synthetic(num))
    with Store.open(folder) as store:
        began = time.perf_counter()
        for trajectory in trajectories:
            store.add(trajectory)
        return num / (time.perf_counter() - began)


# ---- in a fresh process ----------------------------------------------------------------------------------------------------


def _in_fresh_process(function: str, path: Path) -> dict[str, float]:
    _forget(path)
    code = f"import sys; from a3t.bench import store; store.{function}(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def _forget(path: Path) -> None:
    """Put a file out of the system's page cache, so that the next reader finds it cold."""
    file = os.open(path, os.O_RDONLY)
    os.fsync(file)
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def _measure_store(path: str) -> None:
    marks = [_now()]
    with Store.open(path) as store:
        marks.append(_now())
        num_found = sum(1 for _ in store.rows(rounds=[1], success=True))
        marks.append(_now())
        store.summary()
        marks.append(_now())
        num_read = sum(1 for _ in islice(store.trajectories(rounds=[1], success=True), 2000))
        marks.append(_now())
    opened, filtered, summed, read = (_Clock(b.wall - a.wall, b.cpu - a.cpu) for a, b in pairwise(marks))
    figures = {
        "open_s": opened.wall,
        "filter_s": filtered.wall,
        "filter_cpu_s": filtered.cpu,
        "summary_s": summed.wall,
        "summary_cpu_s": summed.cpu,
        "read_us": 1e6 * read.wall / num_read,
        "num_found": num_found,
        "peak_rss_mb": _peak_rss_mb(),
    }
    print(json.dumps(figures))


def _measure_jsonl(path: str) -> None:
    began = time.perf_counter()
    with Path(path).open(encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            bool(record["round_index"] == 1 and record["success"])
    print(json.dumps({"filter_s": time.perf_counter() - began, "peak_rss_mb": _peak_rss_mb()}))


class _Clock(NamedTuple):
    wall: float
    cpu: float


def _now() -> _Clock:
    return _Clock(time.perf_counter(), time.process_time())


def _peak_rss_mb() -> float:
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux a child inherits the peak of the parent that started it.
        return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
