"""The file itself: opened, made, recognised and its errors put into words; all about SQLite that is no query."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from a3t.errors import A3TError, BadDataError, DiskFullError, StoreError, StoreLockedError

SCHEMA_VERSION = 1
APPLICATION_ID = 0x61337400  # "a3t", so that `file` and we can tell a run's store from any other database

SCHEMA = """
-- Clustered by the key, which is also the reading order: a filtered read is one walk. The bulky part lives in `bodies`.
CREATE TABLE trajectories (
    round_index INTEGER NOT NULL, stage TEXT NOT NULL, split TEXT NOT NULL, task_id TEXT NOT NULL, attempt INTEGER NOT NULL,
    task_type TEXT NOT NULL, success INTEGER NOT NULL, broken INTEGER NOT NULL, duplicate INTEGER NOT NULL,
    reward REAL NOT NULL, num_steps INTEGER NOT NULL, num_explored INTEGER NOT NULL,
    prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, model_calls INTEGER NOT NULL,
    seconds REAL NOT NULL, usd REAL NOT NULL,
    content BLOB NOT NULL, body_id INTEGER NOT NULL REFERENCES bodies (body_id),
    PRIMARY KEY (round_index, stage, split, task_id, attempt)
) WITHOUT ROWID;
CREATE INDEX trajectories_by_task ON trajectories (split, task_id);
CREATE TABLE bodies (body_id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE rounds (round_index INTEGER PRIMARY KEY, checkpoint TEXT NOT NULL, metrics TEXT NOT NULL);
CREATE TABLE protected_tasks (split TEXT NOT NULL, task_id TEXT NOT NULL, PRIMARY KEY (split, task_id)) WITHOUT ROWID;
CREATE TABLE protected_splits (split TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blobs (kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key));
"""


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error


def explain(error: sqlite3.Error, path: Path) -> A3TError:
    code = getattr(error, "sqlite_errorcode", 0)
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL or code in _WRITE_FAILED:
        return DiskFullError(
            f"no space is left for {path} (a full disk, a quota or a limit on file size).\n"
            "  Every trajectory acknowledged so far is safe. Make room, then `a3t resume`."
        )
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return BadDataError(DAMAGED.format(path=path, reason=error))
    if "decode to UTF-8" in str(error):
        return BadDataError(DAMAGED.format(path=path, reason=error))
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreLockedError(
            f"{path} is locked by another program: {error}.\n  Close whatever else writes to it and try again."
        )
    return StoreError(f"{path}: the database answered {error} ({getattr(error, 'sqlite_errorname', type(error).__name__)}).")


DAMAGED = (
    "{path} is damaged, cut off or no store at all: {reason}.\n"
    "  Restore a copy, or save what can be read with `sqlite3 FILE .recover`."
)
_WRITE_FAILED = frozenset(
    {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE}
)


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The owner's connection to a store that exists or is made now.

    Durability: write-ahead log with synchronous=NORMAL, so a commit survives the death of the process, however it dies. A power
    cut may undo the last commits, never part of one; `Store.finish_round` also flushes to the disk.
    """
    with in_words(path):
        # The connection is shared between threads; `Store` lets one in at a time.
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        try:
            if _is_empty(connection):
                _create(connection)
            recognise(connection, path)
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        except BaseException:
            connection.close()
            raise
    return connection


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A connection that cannot change anything and always gets in, owner or no owner."""
    uri = path.absolute().as_uri() + "?mode=ro"
    with in_words(path):
        try:
            return _connect_readonly(uri, path)
        except sqlite3.OperationalError as error:
            # A store on read-only media: SQLite cannot make its side files there, and needs none where nobody writes.
            cannot_make_files = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
            if not cannot_make_files or path.with_name(path.name + "-wal").exists():
                raise
            return _connect_readonly(uri + "&immutable=1", path)


def _connect_readonly(uri: str, path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
    try:
        recognise(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def recognise(connection: sqlite3.Connection, path: Path) -> None:
    """Refuses what is no store, or a store of another version."""
    application = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    if application != APPLICATION_ID:
        what = "is empty" if _is_empty(connection) else "is a database, but not one that a3t made"
        raise BadDataError(f"{path} {what}: expected the store of a run.")
    wal = path.with_name(path.name + "-wal")
    if path.stat().st_size % _pragma(connection, "page_size") and not (wal.exists() and wal.stat().st_size):
        # SQLite itself notices whole pages that are missing, and fills up a torn last one with zeros.
        raise BadDataError(DAMAGED.format(path=path, reason="its last page is torn"))
    if version != SCHEMA_VERSION:
        newer = version > SCHEMA_VERSION
        raise StoreError(
            f"{path} was written by {'a newer' if newer else 'an older'} a3t: its store has version {version}, "
            f"this a3t reads version {SCHEMA_VERSION}.\n  {'Upgrade a3t' if newer else 'Open it with the a3t that wrote it'}."
        )


def _create(connection: sqlite3.Connection) -> None:
    # Large pages: the short columns lie scattered between the bodies, and reading them cold costs by the page.
    connection.execute("PRAGMA page_size = 16384")
    connection.execute("PRAGMA journal_mode = WAL")
    # One transaction: a store whose making was interrupted is an empty file, which is made again.
    statements = (
        f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    )
    connection.executescript(statements)


def _is_empty(connection: sqlite3.Connection) -> bool:
    with closing(connection.execute("SELECT count(*) FROM sqlite_master")) as cursor:
        tables: int = cursor.fetchone()[0]
    return tables == 0 and _pragma(connection, "application_id") == 0


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value
