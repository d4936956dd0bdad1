"""One writer at a time, by a lock that its process cannot outlive: kill -9 frees it, a forked child does not inherit it.

POSIX record locks are used because they belong to a process. Their known trap, that closing *any* descriptor of the file frees
the lock, is why the file is opened only here, and never while this process owns it.
"""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from a3t.errors import StoreError, StoreLockedError

_OWNED: dict[Path, int] = {}
"""Lock files this process holds, and its pid: POSIX locks do not stop a process from locking twice."""


class Ownership:
    """Held from construction until `release`.

    Raises:
        StoreLockedError: another process (or this one, already) owns the file; says which.
        StoreError: the lock file cannot be written.
    """

    def __init__(self, lock_path: Path) -> None:
        self._path = lock_path.resolve()
        self._pid = os.getpid()
        if _OWNED.get(self._path) == self._pid:
            raise _locked(lock_path, f"this very process (pid {self._pid})")
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreError(
                f"cannot open {lock_path} for writing: {error.strerror}.\n  To look only, open it read-only."
            ) from None
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.pread(self._file, 200, 0).decode("utf-8", "replace").strip()
            os.close(self._file)
            raise _locked(lock_path, owner or "another process") from None
        _OWNED[self._path] = self._pid
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"pid {self._pid} on {socket.gethostname()}\n".encode(), 0)

    @property
    def is_mine(self) -> bool:
        """False in a forked child, which holds a copy of this object but not the lock."""
        return os.getpid() == self._pid

    def release(self) -> None:
        """The lock file stays: deleting it would let two processes lock two files of one name."""
        if self.is_mine and _OWNED.pop(self._path, None) is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)


def _locked(lock_path: Path, owner: str) -> StoreLockedError:
    return StoreLockedError(
        f"{lock_path.with_suffix('')} is owned by {owner}, and one process writes at a time.\n"
        "  Wait for it to end, or stop it; reading (`a3t report`, `a3t show`) is always possible."
    )
