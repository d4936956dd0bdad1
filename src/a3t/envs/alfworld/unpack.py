"""Archives and folders brought into the official layout: `json_2.1.1/<split>/<task>/trial_…/<file>`.

An archive comes from the network or from a stranger, so its names are data: one that leads out of the folder, or is no plain
file, is refused with the whole archive. All is written aside first and moved when the last byte was good, so that no file is ever
half there.
"""

from __future__ import annotations

import errno
import re
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from a3t.envs.alfworld.folder import INNER
from a3t.envs.alfworld.pddl import GAME_FILE
from a3t.errors import NO_SPACE, BadDataError, DiskFullError, MissingDataError

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2")

_IMPOSSIBLE = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ})

_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError)

_TRIAL = re.compile(r"[^/]+/\w+-[^/-]+-[^/-]+-[^/-]+-\d+/trial_[^/]+/[^/]+$")
"""`<split>/<task>/<trial>/<file>`, wherever in a tree it begins."""


class Found(NamedTuple):
    """A file of an archive or a folder, open for reading."""

    target: PurePosixPath
    """Where it belongs, below the data folder."""
    file: IO[bytes]


def unpack(source: Path, dest: Path, others: Mapping[PurePosixPath, Path] | None = None) -> set[PurePosixPath]:
    """Take all games out of an archive (zip or tar, by its name) or a folder.

    Args:
        others: files that other archives of the same import brought; a game may not come from two.

    Returns:
        The files it brought, below `dest`.

    Raises:
        MissingDataError: there is nothing at `source`.
        BadDataError: the archive is damaged, unsafe, or holds no games; `dest` is as it was.
        DiskFullError: no space is left.
    """
    if source.is_dir():
        found = _in_folder(source)
    elif not source.is_file():
        raise MissingDataError(f"there is no archive or folder {source}.")
    elif source.name.lower().endswith(".zip"):
        found = _in_zip(source)
    elif is_archive(source):
        found = _in_tar(source)
    else:
        raise BadDataError(f"cannot tell what {source} is: expected a folder or an archive ({', '.join(SUFFIXES)}).")
    dest.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=dest))
    try:
        targets = _write(found, aside, source)
        if not targets:
            raise BadDataError(f"{source} holds no ALFWorld games: expected files {INNER}/<split>/<task>/trial_…/game.tw-pddl.")
        for target in sorted(targets):
            # Both generations of text belong to the same place: the last would silently win.
            if others and target in others and target.name == GAME_FILE:
                raise BadDataError(
                    f"{others[target].name} and {source.name} both hold {target}."
                    "\n  Import them one at a time, into folders of their own."
                )
        for target in sorted(targets):
            (dest / target).parent.mkdir(parents=True, exist_ok=True)
            (aside / target).replace(dest / target)
    except _DAMAGE as error:
        raise BadDataError(f"the archive {source} is damaged: {error}.\n  Try to get it again.") from None
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFullError(f"no space is left in {dest} for {source.name}; nothing of it was unpacked.") from None
        if error.errno is None:
            # As bz2 says that its data are none.
            raise BadDataError(f"the archive {source} is damaged: {error}.\n  Try to get it again.") from None
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return targets


def is_archive(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(SUFFIXES)


def target_of(name: str) -> PurePosixPath | None:
    """Where a file of this name belongs; None where it is no part of a game.

    Raises:
        BadDataError: the name leads out of the folder.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts and ":" in path.parts[0]) or "\0" in name:
        raise BadDataError(f"it names the file {name!r}, which leads out of the folder: it is not safe to unpack.")
    match = _TRIAL.search(path.as_posix())
    return PurePosixPath(INNER, match[0]) if match else None


def _write(found: Iterable[Found], aside: Path, source: Path) -> set[PurePosixPath]:
    targets = set()
    for target, file in found:
        with file, _place(aside / target, source).open("wb") as out:
            shutil.copyfileobj(file, out)
        targets.add(target)
    return targets


def _place(path: Path, source: Path) -> Path:
    """Its folder made. Raises `BadDataError` where no disk takes such a name, or two files of an archive exclude one another."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        if error.errno not in _IMPOSSIBLE:
            raise
        raise BadDataError(f"{source} has a file {path.name[:80]!r} that cannot be written: {error.strerror}.") from None
    return path


def _in_zip(source: Path) -> Iterator[Found]:
    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            target = _checked(info.filename, source)
            if info.is_dir() or target is None:
                continue
            if info.flag_bits & 1:
                raise BadDataError(f"the archive {source} is encrypted.")
            # The upper half of the attributes is the Unix mode; 0o12 is a symbolic link.
            if info.external_attr >> 28 == 0o12:
                raise _link(info.filename, source)
            try:
                yield Found(target, archive.open(info))
            except NotImplementedError as error:
                raise BadDataError(f"{source}: {info.filename!r} cannot be read: {error}.\n  Try: zip it again.") from None


def _in_tar(source: Path) -> Iterator[Found]:
    with tarfile.open(source) as archive:
        for info in archive:
            target = _checked(info.name, source)
            if info.isdir() or target is None:
                continue
            file = archive.extractfile(info) if info.isreg() else None
            if file is None:
                raise _link(info.name, source)
            yield Found(target, file)


def _in_folder(source: Path) -> Iterator[Found]:
    # The folder's own name may be a split's, so it belongs to the path.
    for path in sorted(source.rglob("*")):
        target = _checked(path.relative_to(source.parent).as_posix(), source)
        if target is not None and path.is_file():
            yield Found(target, path.open("rb"))


def _checked(name: str, source: Path) -> PurePosixPath | None:
    try:
        return target_of(name)
    except BadDataError as error:
        raise BadDataError(f"{source}: {error}") from None


def _link(name: str, source: Path) -> BadDataError:
    return BadDataError(f"{source}: {name!r} is not a plain file: it is not safe to unpack.")
