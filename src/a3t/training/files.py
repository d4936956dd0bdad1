"""Files that are there whole or not at all: written aside, hashed, synced, renamed; a full disk is one clear error."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from a3t.errors import NO_SPACE, DiskFullError

MARKER = "complete.json"
"""Holds the hash of every other file of its folder; written last, so a folder without a true one is half written."""


@contextmanager
def disk_full_is_said(where: Path, kept: str) -> Iterator[None]:
    """Turn "no space left", a quota or a file-size limit into `DiskFullError`; `kept` says what is still safe."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if getattr(error, "errno", None) not in NO_SPACE and not _sounds_full(str(error)):
            raise
        raise DiskFullError(
            f"no space is left for {where}: {error}.\n  {kept} Free some space, then run the same command again."
        ) from error


def _sounds_full(message: str) -> bool:
    # safetensors reports what the operating system said as text alone.
    return any(f"os error {code}" in message for code in NO_SPACE)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Atomic: the old file or the new one, never a torn one."""
    aside = path.with_name(f".{path.name}.new")
    with aside.open("w", encoding="utf-8") as file:
        json.dump(data, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    sync_folder(path.parent)


def write_folder(folder: Path, tensors: Mapping[str, Tensor], data: Mapping[str, Any]) -> None:
    """`state.safetensors` and `state.json` in a folder that appears, complete, in one rename."""
    aside = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, aside / "state.safetensors")
        sync(aside / "state.safetensors")
        write_json(aside / "state.json", data)
        seal(aside)
        aside.replace(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def read_folder(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `write_folder` wrote; None where any of it is missing or altered."""
    if not is_sealed(folder):
        return None
    return load_file(folder / "state.safetensors"), json.loads((folder / "state.json").read_text(encoding="utf-8"))


def seal(folder: Path, data: Mapping[str, Any] | None = None) -> None:
    """Write the marker: the hashes of all files in the folder, and whatever else should only be read once everything is there."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != MARKER and not path.name.startswith("."))
    for path in files:
        sync(path)
    write_json(folder / MARKER, {"files": {path.name: sha256(path) for path in files}, **(data or {})})


def read_seal(folder: Path) -> dict[str, Any] | None:
    """The marker, if it is there and can be read."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and isinstance(marker.get("files"), dict) else None


def is_sealed(folder: Path) -> bool:
    """Every file that the marker names is there, with its hash."""
    marker = read_seal(folder)
    return marker is not None and all(
        (folder / name).is_file() and sha256(folder / name) == digest for name, digest in marker["files"].items()
    )


def sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut (POSIX; a folder cannot be opened elsewhere)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
