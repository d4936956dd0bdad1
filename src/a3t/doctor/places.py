"""Folders: may we write there, is there room, does SQLite's log work there, are the data and the models where they should be."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from a3t.config import Recipe
from a3t.doctor.checks import GIB, models_of
from a3t.doctor.finding import Finding, note, ok, problem, warning
from a3t.envs.joint import read_worlds
from a3t.errors import A3TError

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "lustre", "glusterfs", "ceph", "beegfs", "afs"})
"""File systems on which the shared memory of SQLite's write-ahead log does not work."""
LEAST_FREE = 1 * GIB
BYTES_PER_EPISODE = 20_000
"""Generous: a stored trajectory of 20 steps takes 2 to 10 kB."""


def check_output(out: Path, recipe: Recipe | None) -> Iterator[Finding]:
    """The folder that run directories go into: its nearest existing parent is looked at, nothing is made."""
    folder = out.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        yield problem("permissions", f"{folder} is a file; run directories go into a folder", f"mv {folder} {folder}.old")
        return
    trouble = why_not_writable(folder)
    if trouble:
        yield problem("permissions", f"cannot write in {folder}: {trouble}", f"chmod u+rwx {folder}")
    else:
        yield ok("permissions", f"{folder} can be written to")
    kind = file_system(folder, _mounts())
    if kind in NETWORK:
        says = f"{folder} is on a network file system ({kind}); a run's store needs a local one"
        yield problem("file system", says, "a3t run … --out /tmp/run")
    yield check_disk(folder, recipe)


def check_disk(folder: Path, recipe: Recipe | None) -> Finding:
    free = shutil.disk_usage(folder).free
    needed = bytes_needed(recipe) if recipe else LEAST_FREE
    says = f"{_size(free)} free at {folder}; {'the recipe' if recipe else 'a run'} needs about {_size(needed)}"
    if free < needed:
        return problem("disk", says, f"du -xh {folder} | sort -h | tail")
    return warning("disk", says, f"du -xh {folder} | sort -h | tail") if free < 2 * needed else ok("disk", says)


def bytes_needed(recipe: Recipe) -> int:
    """What a run will write at most: weights of every round, the training state, trajectories.

    The state holds the trained parameters, their mean and two moments of the optimiser, in float32.
    """
    base = sum(path.stat().st_size for path in _weights(recipe))
    trained = base if recipe.train.method == "full" else int(base * 0.02) + 2**26
    episodes = recipe.num_rounds * recipe.environment.num_train_tasks * (1 + recipe.explore.num_compositions)
    return recipe.num_rounds * trained + 2 * 4 * trained + episodes * BYTES_PER_EPISODE


def _weights(recipe: Recipe) -> list[Path]:
    from a3t.models import folder

    if recipe.policy.kind != "local":
        return []
    try:
        return sorted(folder(recipe.policy.path).glob("*.safetensors"))
    except A3TError:
        return []


def check_models(recipe: Recipe) -> Iterator[Finding]:
    """Folders of local models: there, whole enough to be opened, safetensors and nothing pickled."""
    from a3t.models import folder

    for name, config in models_of(recipe):
        if config.kind != "local":
            continue
        try:
            path = folder(config.path)
        except A3TError as error:
            yield problem(name, _first(error), "a3t pretrain")
            continue
        adapter = (path / "adapter_config.json").is_file()
        if not path.is_dir():
            yield problem(name, f"there is no model folder {path}", f"hf download NAME --local-dir {path}")
        elif not (path / "config.json").is_file() and not adapter:
            yield problem(name, f"{path} holds no config.json: it is no model's folder", f"ls {path}")
        elif not any(path.glob("*.safetensors")):
            says = f"{path} holds no *.safetensors; a3t unpickles nothing"
            yield problem(name, says, f"hf download NAME --include '*.safetensors' --local-dir {path}")
        else:
            yield ok(name, f"{path} ({_size(sum(p.stat().st_size for p in path.glob('*.safetensors')))})")


def check_data(recipe: Recipe | None) -> Iterator[Finding]:
    """The worlds' data: those of the recipe must be there; in general, what is there is told."""
    if recipe is not None and recipe.environment.name == "joint":
        for spec in read_worlds(recipe.environment.options.get("worlds")):
            alone = recipe.environment.model_copy(update={"name": spec.name, "options": dict(spec.options)})
            yield from check_data(recipe.model_copy(update={"environment": alone}))
        return
    if recipe is None or recipe.environment.name == "alfworld":
        yield _alfworld(None if recipe is None else recipe.environment.options.get("data"), recipe)
    if recipe is None or recipe.environment.name == "webshop":
        yield _webshop(recipe)
    if recipe is not None and recipe.environment.name not in ("alfworld", "webshop"):
        yield ok("data", f"{recipe.environment.name} needs none of ours")


def _alfworld(data: object, recipe: Recipe | None) -> Finding:
    from a3t.envs.alfworld.folder import DataFolder

    fetch = "a3t data fetch alfworld"
    try:
        found = DataFolder(str(data) if data is not None else None)
    except A3TError as error:
        return (note if recipe is None else problem)("alfworld data", _first(error), fetch)
    lacking = [] if recipe is None else [split for split in _splits_of(recipe) if split not in found.splits]
    if lacking:
        says = f"{found.root} lacks {', '.join(lacking)} (it has {', '.join(found.splits)})"
        return problem("alfworld data", says, f"a3t run … 'environment.test_splits=[\"{next(iter(found.splits))}\"]'")
    return ok("alfworld data", f"{found.root}: {', '.join(found.splits)}")


def _splits_of(recipe: Recipe) -> list[str]:
    world = recipe.environment
    return list(dict.fromkeys([world.train_split, world.validation_split, *world.test_splits]))


def _webshop(recipe: Recipe | None) -> Finding:
    data = None if recipe is None else recipe.environment.options.get("data")
    if data is None:
        return note("webshop data", "none named: products are generated", "a3t data import webshop PATH")
    folder = Path(str(data)).expanduser()
    if not folder.is_dir():
        return problem("webshop data", f"there is no folder {folder}", f"a3t data import webshop PATH --to {folder}")
    return ok("webshop data", str(folder))


def why_not_writable(folder: Path) -> str:
    """Empty where a file can be made; tried, because permission bits do not tell about read-only mounts and quotas."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or type(error).__name__


def file_system(folder: Path, mounts: str) -> str:
    """The type of the file system a folder is on, from the text of /proc/mounts; empty where it cannot be told."""
    best, kind = "", ""
    target = str(folder.resolve())
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        below = target == point or target.startswith(point.rstrip("/") + "/")
        if below and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace") if os.name == "posix" else ""
    except OSError:
        return ""


def _first(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".")


def _size(num_bytes: int) -> str:
    return f"{num_bytes / GIB:.1f} GiB" if num_bytes >= GIB / 2 else f"{num_bytes / 2**20:.0f} MiB"
