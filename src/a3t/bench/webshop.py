"""`a3t bench env webshop`: steps a second, search latency, opening time and private memory, at the sizes asked for.

The large catalogues are generated with coined words in every description, so that vocabulary and lengths of lists
resemble real ones (Zipf). Searches are whole instructions, and titles where there are too few of these, none of them twice;
every catalogue is measured in a process of its own. Times are CPU time of that process, system calls included: one core,
whatever else the machine is doing.
"""

from __future__ import annotations

import json
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from a3t.errors import BadDataError

if TYPE_CHECKING:
    from a3t.envs.webshop import WebshopEnv

ORIGINAL = {
    "steps_per_s": "42-47",
    "search_p50_ms": "about 5",
    "open_s": "1.5 + 0.5 (50 at 1.18 M)",
    "private_mb": "410 (7,000 at 1.18 M)",
}
"""The original, at 1,000 products where nothing else is said: facts/webshop.md."""

OFFICIAL_GOALS = 12_087
"""Human instructions of the official catalogue, whatever its size."""

NUM_WARMING = 50
"""Searches before the clock runs."""

COINED_WORDS = 60
"""Added per product above the default size: about 70 distinct terms a product, as in the real catalogue."""


@dataclass(frozen=True, slots=True)
class WebshopFigures:
    """What was measured on one catalogue, in one process."""

    num_products: int
    build_s: float
    """Generating and importing; 0 where the catalogue was there."""
    open_s: float
    """`make`, imports of Python modules excluded; CPU seconds."""
    open_wall_s: float
    private_mb: float
    """Memory of its own after opening, 100 episodes and 200 searches, less what Python had before; mapped files not counted."""
    steps_per_s: float
    """Per CPU second, the list of actions included."""
    search_p50_ms: float
    search_p99_ms: float
    disk_mb: float
    """The index."""
    num_searches: int
    machine: str


def run(
    sizes: Sequence[int] = (1_000,), num_steps: int = 20_000, num_searches: int = 1_000, folder: Path | None = None
) -> list[WebshopFigures]:
    """Measure at each size, each in a fresh process.

    Args:
        sizes: numbers of products.
        num_steps: environment steps, each with its list of actions.
        num_searches: full-instruction searches; fewer where the catalogue has not so many instructions and titles.
        folder: where catalogues are built and kept; None uses a temporary one, deleted afterwards.
    """
    kept = folder or Path(tempfile.mkdtemp(prefix="a3t-bench-webshop-"))
    try:
        figures = []
        for size in sizes:
            built = build(size, kept)
            measured = measure_apart(kept / str(size) / "catalogue", num_steps, num_searches)
            figures.append(replace(measured, build_s=built))
        return figures
    finally:
        if folder is None:
            shutil.rmtree(kept, ignore_errors=True)


def measure_apart(catalogue: Path, num_steps: int = 20_000, num_searches: int = 1_000) -> WebshopFigures:
    """All figures but the build time of a catalogue that exists, in a process of its own."""
    command = [sys.executable, "-m", "a3t.bench.webshop", str(catalogue), str(num_steps), str(num_searches)]
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode:
        raise BadDataError(f"cannot measure the catalogue in {catalogue}:\n{answer.stderr.strip()[-2000:]}")
    return WebshopFigures(**json.loads(answer.stdout.splitlines()[-1]))


def build(num_products: int, folder: Path, progress: Callable[[str, float], None] = lambda stage, share: None) -> float:
    """Generate and import a catalogue of this size in `folder/<size>`, unless it is there; CPU seconds it took."""
    from a3t.envs.webshop.catalogue import MANIFEST
    from a3t.envs.webshop.generate import HUMAN_SHARE, NUM_PRODUCTS, make_products, write_official_files
    from a3t.envs.webshop.importing import import_catalogue

    home = folder / str(num_products)
    if (home / "catalogue" / MANIFEST).is_file():
        return 0.0
    started = time.process_time()
    official = home / "official"
    official.mkdir(parents=True, exist_ok=True)
    coined_words = COINED_WORDS if num_products > NUM_PRODUCTS else 0
    share = min(HUMAN_SHARE, OFFICIAL_GOALS / num_products)
    write_official_files(official, make_products(num_products, 0, coined_words, share))
    import_catalogue(official, home / "catalogue", progress)
    shutil.rmtree(official)
    return time.process_time() - started


def measure(catalogue: Path, num_steps: int, num_searches: int) -> WebshopFigures:
    """All figures but the build time, in this process."""
    from a3t.envs.webshop import WebshopEnv

    before = _private_mb()
    started, started_cpu = time.perf_counter(), time.process_time()
    env = WebshopEnv(data=catalogue, noun_tagger="small")
    opened, opened_cpu = time.perf_counter() - started, time.process_time() - started_cpu
    rng = random.Random(0)
    warming, timed = queries(env, num_searches, rng)
    for wish in warming:
        env.catalogue.search_numbers(wish)
    took = []
    for wish in timed:
        begun = time.process_time()
        env.catalogue.search_numbers(wish)
        took.append(1000 * (time.process_time() - begun))
    memory = _private_mb() - before
    return WebshopFigures(
        num_products=env.catalogue.num_products,
        build_s=0.0,
        open_s=opened_cpu,
        open_wall_s=opened,
        private_mb=memory,
        steps_per_s=_steps_per_s(env, num_steps, rng),
        search_p50_ms=float(np.percentile(took, 50)),
        search_p99_ms=float(np.percentile(took, 99)),
        disk_mb=sum(path.stat().st_size for path in (catalogue / "index").iterdir()) / 1e6,
        num_searches=len(took),
        machine=f"{platform.machine()}, Python {platform.python_version()}",
    )


def queries(env: WebshopEnv, num_searches: int, rng: random.Random) -> tuple[list[str], list[str]]:
    """Queries that warm the operating system's pages, and those that are timed: no two of all are equal, so none is cached.

    Instructions in random order; titles of products, in random order too, where there are too few.
    """
    order = rng.sample(range(len(env.goals)), len(env.goals))
    wishes = dict.fromkeys(env.goals[place].instruction_text.partition(", and price lower")[0] for place in order)
    if len(wishes) < NUM_WARMING + num_searches:
        num_products = env.catalogue.num_products
        numbers = random.Random(1).sample(range(num_products), min(num_products, NUM_WARMING + num_searches))
        wishes |= dict.fromkeys(env.catalogue.product(number).title for number in numbers)
    distinct = list(wishes)
    num_warming = min(NUM_WARMING, len(distinct) // 2)
    return distinct[:num_warming], distinct[num_warming:][:num_searches]


def table(figures: Sequence[WebshopFigures]) -> str:
    """Markdown: one column a size, the original's figures beside."""
    rows = [
        ("open_s", "open, CPU s"),
        ("open_wall_s", "open, wall-clock s"),
        ("private_mb", "private memory, MB"),
        ("steps_per_s", "steps per CPU second"),
        ("search_p50_ms", "search p50, CPU ms"),
        ("search_p99_ms", "search p99, CPU ms"),
        ("disk_mb", "index, MB"),
        ("build_s", "generate and import, CPU s"),
    ]
    lines = ["| | " + " | ".join(f"{f.num_products:,}" for f in figures) + " | original |", "|---" * (len(figures) + 2) + "|"]
    for field, label in rows:
        cells = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in (getattr(f, field) for f in figures)]
        lines.append(f"| {label} | " + " | ".join(cells) + f" | {ORIGINAL.get(field, '')} |")
    return "\n".join(lines)


def _steps_per_s(env: object, num_steps: int, rng: random.Random) -> float:
    """A shopper who acts by chance among what is listed, on a new task every fifteen steps."""
    from a3t.envs.webshop import WebshopEnv

    assert isinstance(env, WebshopEnv)
    steps, spent = 0, 0.0
    while steps < num_steps:
        _, info = env.reset(options={"task_id": str(rng.randrange(len(env.goals)))})
        for _ in range(15):
            searches = [action for action in info["actions"] if action.startswith("search[")]
            action = rng.choice(searches or info["actions"])
            begun = time.process_time()
            _, _, done, _, info = env.step(action)
            spent += time.process_time() - begun
            steps += 1
            if done:
                break
    return steps / spent


def _private_mb() -> float:
    """Memory that belongs to this process alone; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Dirty:", "Private_Hugetlb:"))) / 1024


if __name__ == "__main__":
    print(json.dumps(asdict(measure(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))))
