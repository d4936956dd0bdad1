"""The official data, fetched or taken from what a user already has.

The games are MIT-licensed (ALFWorld, ALFRED) and never part of a3t: they come from their authors, or from the user.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from a3t.envs.alfworld.download import download
from a3t.envs.alfworld.folder import DataFolder, default_folder
from a3t.envs.alfworld.unpack import is_archive, unpack
from a3t.errors import NO_SPACE, BadDataError, DiskFullError, MissingDataError, unknown

__all__ = ["ARCHIVES", "Archive", "Got", "default_folder", "fetch", "import_data"]


class Archive(NamedTuple):
    """A file of ALFWorld's releases."""

    url: str
    sha256: str | None
    """As others measured it; None where nobody has published it."""
    about: str


_RELEASES = "https://github.com/alfworld/alfworld/releases/download"

METADATA = Archive(
    f"{_RELEASES}/0.2.2/json_2.1.1_json.zip",
    "25171f16e20ad7b048c47275c45b0babf3aa1cbab29cec97387922350a9844bc",
    "trajectories and annotations (72 MB)",
)
STATES = Archive(
    f"{_RELEASES}/0.2.2/json_2.1.1_pddl.zip",
    "913942ebed06659ea0da2f8122512d98bc6add30d84961ca803132d8fbcad585",
    "initial states (35 MB)",
)
GAMES = {
    "2.1.2": Archive(
        f"{_RELEASES}/0.4.0/json_2.1.2_tw-pddl.zip",
        "eea90499df27b9cb3147d1d1927264146d38194b575e25f70a82875545742dcb",
        "games as alfworld 0.4 downloads them (36 MB)",
    ),
    "2.1.3": Archive(
        f"{_RELEASES}/0.4.2/json_2.1.3_tw-pddl.zip",
        "5df77ea759f2211a4106082839ddbbb790f1ba4e7d097ed732cf453f72aa36cf",
        "games of the release 0.4.2 (37 MB)",
    ),
    "2.1.1": Archive(
        f"{_RELEASES}/0.2.2/json_2.1.1_tw-pddl.zip", None, "games in the words of 2020: `put X in/on R` (ReAct's prompts)"
    ),
}
"""The games by edition: 2.1.2 is what the package alfworld 0.4.2 downloads, and what the engine was compared on, with 2.1.1."""

ARCHIVES = {edition: (METADATA, STATES, games) for edition, games in GAMES.items()}
"""What `alfworld-download` brings, apart from images and weights. Playing needs the games alone."""

USUAL = "2.1.2"

RECEIPTS = ".a3t-fetched"
"""Folder, beside the games, with an empty file per archive that was unpacked whole."""


@dataclass(frozen=True, slots=True)
class Got:
    """Where the data are now, and how much of it."""

    folder: Path
    games: dict[str, int]
    """Playable tasks per split."""

    def __str__(self) -> str:
        counts = ", ".join(f"{split} {count:,}" for split, count in self.games.items())
        # To be pasted into a shell, and to hold in any folder.
        setting = f"export ALFWORLD_DATA={shlex.quote(str(self.folder.absolute()))}"
        return f"{sum(self.games.values()):,} games in {self.folder} ({counts}).\n{setting}"


def fetch(
    dest: Path | str | None = None, *, edition: str = USUAL, archives: tuple[Archive, ...] | None = None, quiet: bool = False
) -> Got:
    """Download the official archives and unpack them. Run again after an interruption, it goes on where it stopped.

    Args:
        dest: the data folder; None takes `default_folder()`.
        edition: which generation of games, a key of `ARCHIVES`.
        archives: other archives than those of an edition.
        quiet: no progress bar.

    Raises:
        UnknownNameError: no such edition.
        EnvironmentFailure: the server cannot be reached, or refuses.
        BadDataError: an archive is not what it should be, or another edition's games were fetched into this folder before.
        DiskFullError: no space is left; what was downloaded is kept.
    """
    if edition not in ARCHIVES:
        raise unknown("edition of ALFWorld's games", edition, ARCHIVES)
    folder = Path(dest).expanduser() if dest else default_folder()
    there = next((other for other, games in GAMES.items() if other != edition and _receipt(games, folder).exists()), None)
    if there is not None and archives is None:
        # All editions unpack into the same places.
        raise BadDataError(
            f"{folder} holds the games of edition {there}, which those of {edition} would replace.\n"
            "  Choose another folder: a3t data fetch alfworld --to DIR."
        )
    try:
        for archive in archives if archives is not None else ARCHIVES[edition]:
            _fetch_one(archive, folder, quiet)
    except OSError as error:
        if error.errno in NO_SPACE:
            raise DiskFullError(f"no space is left in {folder}; what was downloaded is kept.") from None
        raise
    return _count(folder)


def import_data(path: Path | str, dest: Path | str | None = None) -> Got:
    """Take games from an archive, a folder of archives, or a folder of games, into a data folder.

    Raises:
        MissingDataError: there is nothing at `path`, or no games in it.
        BadDataError: an archive is damaged or unsafe, or two hold different versions of the same game.
        DiskFullError: no space is left.
    """
    source = Path(path).expanduser()
    folder = Path(dest).expanduser() if dest else default_folder()
    if source.is_dir() and source.resolve() == folder.resolve():
        raise BadDataError(f"cannot import {source} into itself.\n  To play from it as it is, set ALFWORLD_DATA={source}.")
    archives = sorted(entry for entry in source.iterdir() if is_archive(entry)) if source.is_dir() else []
    brought: dict[PurePosixPath, Path] = {}
    for one in archives or [source]:
        brought |= dict.fromkeys(unpack(one, folder, brought), one)
    return _count(folder)


def _fetch_one(archive: Archive, folder: Path, quiet: bool) -> None:
    receipt = _receipt(archive, folder)
    if receipt.exists():
        return
    path = folder / receipt.name
    if not path.exists():
        _with_progress(archive, path, quiet)
    unpack(path, folder)
    receipt.parent.mkdir(exist_ok=True)
    receipt.touch()
    path.unlink()


def _receipt(archive: Archive, folder: Path) -> Path:
    return folder / RECEIPTS / archive.url.rpartition("/")[2]


def _with_progress(archive: Archive, path: Path, quiet: bool) -> None:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=quiet or not sys.stderr.isatty()) as progress:
        bar = progress.add_task(path.name, total=None)
        if progress.disable and not quiet:
            print(f"{path.name}: {archive.about} from {archive.url}", file=sys.stderr)
        download(
            archive.url, path, sha256=archive.sha256, report=lambda done, total: progress.update(bar, completed=done, total=total)
        )


def _count(folder: Path) -> Got:
    data = DataFolder(folder)
    counts = {}
    for split in data.splits:
        try:
            counts[split] = len(data.tasks(split))
        except MissingDataError:
            # Half of the archives: allowed here, and said as soon as somebody plays.
            counts[split] = 0
    return Got(folder, counts)
