"""One file over HTTP, resumed where it broke off, checked when it is whole."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from a3t.errors import BadDataError, EnvironmentFailure

ATTEMPTS = 6
"""Connections in a row that bring nothing before we give up; each that brings something starts the count again."""

Report = Callable[[int, int | None], None]
"""Told how many bytes are there, of how many (None where the server does not say)."""


def download(
    url: str, path: Path, *, sha256: str | None = None, report: Report | None = None, timeout_s: float = 30.0, wait_s: float = 1.0
) -> Path:
    """Bring a file to `path`. What came of it earlier lies beside it, in `NAME.part`, and is not fetched again.

    Args:
        sha256: what the file must hash to; None where nobody has published it.
        timeout_s: without a byte for so long, a connection counts as broken.
        wait_s: pause before the second attempt; doubled for each further one.

    Raises:
        EnvironmentFailure: the server refuses, or cannot be reached; trying again goes on where this stopped.
        BadDataError: the file is whole and is not what it should be.
    """
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with httpx.Client(follow_redirects=True, timeout=timeout_s) as client:
        _bring(client, url, part, report or (lambda done, total: None), wait_s)
    if sha256 is not None and (got := _sha256(part)) != sha256:
        part.unlink()
        raise BadDataError(
            f"{url} is not what was expected: SHA-256 {got}, expected {sha256}.\n"
            "  It was deleted. Try again; if it stays so, the file was changed upstream."
        )
    part.replace(path)
    return path


def _bring(client: httpx.Client, url: str, part: Path, report: Report, wait_s: float) -> None:
    failures = 0
    while True:
        before = _size(part)
        try:
            return _continue(client, url, part, before, report)
        except httpx.RequestError as error:
            failures = 0 if _size(part) > before else failures + 1
            if failures >= ATTEMPTS:
                raise EnvironmentFailure(
                    f"cannot fetch {url}: {type(error).__name__}: {error}.\n"
                    f"  {_size(part)} bytes are kept in {part}; the same command goes on from there."
                ) from None
            time.sleep(wait_s * 2 ** max(0, failures - 1))


def _continue(client: httpx.Client, url: str, part: Path, start: int, report: Report) -> None:
    headers = {"Range": f"bytes={start}-"} if start else {}
    # Compressed transfer would make the offsets those of another file.
    headers["Accept-Encoding"] = "identity"
    with client.stream("GET", url, headers=headers) as answer:
        total = _total(answer)
        if answer.status_code == 416:
            if total == start:
                return
            part.unlink()
            raise httpx.ReadError("the part on disk is longer than the file; starting over")
        if answer.status_code >= 500 or answer.status_code == 429:
            raise httpx.ReadError(f"the server answers {answer.status_code}")
        if answer.status_code not in (200, 206):
            raise EnvironmentFailure(f"cannot fetch {url}: the server answers {answer.status_code} {answer.reason_phrase}.")
        if answer.status_code == 200:
            start = 0
        elif not _range_begins_at(answer, start):
            raise httpx.ReadError("the server sent another range than asked for")
        with part.open("ab" if start else "wb") as file:
            # Raw, so that every byte that came is on disk when the connection breaks.
            for chunk in answer.iter_raw():
                file.write(chunk)
                start += len(chunk)
                report(start, total)
    if total is not None and start < total:
        raise httpx.ReadError(f"the connection ended after {start} of {total} bytes")


def _total(answer: httpx.Response) -> int | None:
    """Length of the whole file, where the server tells."""
    found = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
    if found:
        return int(found[1])
    length = answer.headers.get("Content-Length", "")
    return int(length) if answer.status_code == 200 and length.isdigit() else None


def _range_begins_at(answer: httpx.Response, start: int) -> bool:
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return found is not None and int(found[1]) == start


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
