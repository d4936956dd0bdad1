"""The open file: one owner, its threads one at a time, transactions that are whole, and snapshots for long reads."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from a3t.errors import StoreError
from a3t.store.database import in_words, open_for_reading, open_for_writing
from a3t.store.ownership import Ownership


class StoreFile:
    """A database file and how this process may use it."""

    def __init__(self, path: Path, connection: sqlite3.Connection, ownership: Ownership | None) -> None:
        """Use `own` or `read`."""
        self.path = path
        self._connection = connection
        self._ownership = ownership
        self._one_at_a_time = threading.RLock()

    @classmethod
    def own(cls, path: Path) -> StoreFile:
        """Open for writing, made with its folder where it is not there; nobody else can until `close`."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot make the folder {path.parent}: {error}.") from None
        ownership = Ownership(path.with_name(path.name + ".lock"))
        try:
            return cls(path, open_for_writing(path), ownership)
        except BaseException:
            ownership.release()
            raise

    @classmethod
    def read(cls, path: Path) -> StoreFile:
        return cls(path, open_for_reading(path), None)

    def close(self) -> None:
        with self._one_at_a_time:
            self._connection.close()
            if self._ownership is not None:
                self._ownership.release()

    @property
    def is_mine(self) -> bool:
        """True in the process that may write."""
        return self._ownership is not None and self._ownership.is_mine

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """For a short question."""
        with self._one_at_a_time, in_words(self.path):
            yield self._connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for a long read: the store may grow meanwhile, the reader sees it as it was."""
        with in_words(self.path), closing(open_for_reading(self.path)) as connection:
            connection.execute("BEGIN")
            yield connection

    @contextmanager
    def writing(self, flush: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction: committed when the block ends, undone when it raises. `flush` also waits for the disk.

        Raises:
            StoreError: opened for reading, or before a fork.
        """
        if self._ownership is None:
            raise StoreError(f"{self.path} was opened to read; nothing can be written.")
        if not self.is_mine:
            raise StoreError(
                f"{self.path} was opened before a fork: a worker sends its trajectories to the process that owns it."
            )
        with self._one_at_a_time, in_words(self.path):
            connection = self._connection
            if flush:
                connection.execute("PRAGMA synchronous = FULL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # After some errors (a full disk) SQLite has rolled back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                if flush:
                    connection.execute("PRAGMA synchronous = NORMAL")
