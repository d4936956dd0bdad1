"""What kills a process, a disk or a file, and what is left: every acknowledged trajectory, or one clear error."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from store_examples import attempt

from a3t.errors import A3TError, BadDataError, DiskFullError, StoreError, StoreLockedError
from a3t.store import Store
from a3t.store.database import SCHEMA_VERSION
from a3t.types import Round, Stage

TOTAL = 3_000


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Another Python that can import these examples."""
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


ADDS_WHAT_IS_MISSING = """
    import sys
    from store_examples import attempt
    from a3t.store import Store
    from a3t.types import Stage
    with Store.open(sys.argv[1]) as store:
        done = {d.attempt for d in store.done(Stage.COLLECT, 0)}
        todo = [i for i in range(int(sys.argv[2])) if i not in done]
        print("ready", flush=True)
        for i in todo:
            store.add(attempt(i, seconds=i / 7))
            print(i, flush=True)
"""


def test_nothing_acknowledged_is_lost_to_kill_9_and_the_end_is_as_if_never_killed(tmp_path: Path) -> None:
    acknowledged: set[int] = set()
    rng = random.Random(0)
    for _ in range(10):
        process = child(ADDS_WHAT_IS_MISSING, tmp_path / "run", TOTAL)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().splitlines(keepends=True)
        process.wait()
        # A line without its end is an acknowledgement cut off in the pipe, not one received.
        acknowledged |= {int(line) for line in lines if line.endswith("\n")}
        with Store.open(tmp_path / "run", read_only=True) as store:
            stored = {t.attempt: t for t in store.trajectories()}
        assert acknowledged <= stored.keys()
        assert all(stored[i] == attempt(i, seconds=i / 7) for i in acknowledged)
    assert 0 < len(acknowledged) < TOTAL
    with Store.open(tmp_path / "run") as resumed, Store.open(tmp_path / "whole") as whole:
        done = {d.attempt for d in resumed.done(Stage.COLLECT, 0)}
        resumed.add_many(attempt(i) for i in range(TOTAL) if i not in done)
        whole.add_many(attempt(i) for i in range(TOTAL))
        assert resumed.digest() == whole.digest()


def test_a_process_killed_while_making_the_store_leaves_one_that_opens(tmp_path: Path) -> None:
    for delay in (0.0, 0.001, 0.003, 0.01):
        process = child(
            "import sys; from a3t.store import Store; print(1, flush=True); Store.open(sys.argv[1])", tmp_path / "run"
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.wait()
        with Store.open(tmp_path / "run") as store:
            assert store.count() == 0
        for file in (tmp_path / "run").iterdir():
            file.unlink()


HOLDS_THE_STORE = """
    import sys, time
    from store_examples import attempt
    from a3t.store import Store
    with Store.open(sys.argv[1]) as store:
        store.add(attempt(0))
        print("ready", flush=True)
        time.sleep(60)
"""


def test_a_second_writer_is_told_who_owns_the_store_until_that_process_dies(tmp_path: Path) -> None:
    process = child(HOLDS_THE_STORE, tmp_path)
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for _ in range(2):
            with pytest.raises(StoreLockedError, match=rf"a3t.sqlite is owned by pid {process.pid} on "):
                Store.open(tmp_path)
        with Store.open(tmp_path, read_only=True) as reader:
            assert list(reader.trajectories()) == [attempt(0)]
    finally:
        process.kill()
        process.wait()
    with Store.open(tmp_path) as store:
        assert store.count() == 1


def test_a_second_writer_in_the_same_process_does_not_break_the_first_ones_lock(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        with pytest.raises(StoreLockedError, match=f"this very process \\(pid {os.getpid()}\\)"):
            Store.open(tmp_path)
        process = child("import sys; from a3t.store import Store; Store.open(sys.argv[1])", tmp_path)
        assert process.wait() != 0
        store.add(attempt(0))
    with Store.open(tmp_path) as store:
        assert store.count() == 1


def test_a_forked_worker_neither_writes_nor_keeps_the_store_locked(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    read_end, write_end = os.pipe()
    worker = os.fork()
    if worker == 0:
        try:
            store.add(attempt(0))
            os.write(write_end, b"wrote")
        except StoreError as error:
            os.write(write_end, str(error).encode())
        signal.pause()
    try:
        assert b"opened before a fork" in os.read(read_end, 1000)
        store.add(attempt(1))
        store.close()
        # The worker still lives, with copies of all descriptors.
        with Store.open(tmp_path) as again:
            assert list(again.trajectories()) == [attempt(1)]
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
        os.close(read_end)
        os.close(write_end)


# ---- no space --------------------------------------------------------------------------------------------------------------

FILLS_UP = """
    import resource, sys
    from store_examples import attempt
    from a3t.errors import DiskFullError
    from a3t.store import Store
    store = Store.open(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))
    i = 0
    try:
        while True:
            store.add(attempt(i))
            i += 1
    except DiskFullError as error:
        print(i, store.count(), str(error).replace("\\n", " "), flush=True)
    try:
        store.close()
    except DiskFullError:
        pass
"""


def test_when_no_more_fits_what_was_acknowledged_is_safe(tmp_path: Path) -> None:
    """The operating system itself refuses to let the files grow."""
    process = child(FILLS_UP, tmp_path)
    output, _ = process.communicate()
    acknowledged, counted, message = output.split(" ", 2)
    assert process.returncode == 0 and int(acknowledged) == int(counted) > 20
    assert "no space is left for" in message and "Every trajectory acknowledged so far is safe" in message
    with Store.open(tmp_path) as store:
        assert list(store.trajectories()) == [attempt(i) for i in range(int(acknowledged))]
        store.add(attempt(int(acknowledged)))


def test_a_full_database_refuses_the_whole_batch_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add(attempt(0))
        with store._file.reading() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        with pytest.raises(DiskFullError, match="Make room, then `a3t resume`"):
            store.add_many(attempt(i) for i in range(1, 1000))
        assert list(store.trajectories()) == [attempt(0)]
        with store._file.reading() as connection:
            connection.execute("PRAGMA max_page_count = 1073741823")
        store.add_many(attempt(i) for i in range(1, 1000))
        assert store.count() == 1000


# ---- damaged and foreign files ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"task,action\n1,look\n" * 50, b"\x00" * 5000, b"SQLite format 3\x00" + b"\xff" * 2000, b"xy"]
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a3t.sqlite"
    path.write_bytes(content)
    for options in ({}, {"read_only": True}):
        with pytest.raises(BadDataError, match=r"a3t\.sqlite is"):
            Store.open(tmp_path, **options)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a3t.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE notes (text)")
    other.close()
    before = path.read_bytes()
    for options in ({}, {"read_only": True}):
        with pytest.raises(BadDataError, match="is a database, but not one that a3t made"):
            Store.open(tmp_path, **options)
    assert path.read_bytes() == before


def test_an_empty_file_is_made_a_store_by_the_owner_and_refused_to_readers(tmp_path: Path) -> None:
    (tmp_path / "a3t.sqlite").touch()
    with pytest.raises(BadDataError, match="is empty"):
        Store.open(tmp_path, read_only=True)
    with Store.open(tmp_path) as store:
        store.add(attempt(0))


@pytest.mark.parametrize(
    ("version", "words"), [(SCHEMA_VERSION + 1, "a newer a3t.*Upgrade"), (SCHEMA_VERSION - 1, "an older a3t")]
)
def test_a_store_of_another_version_says_which(tmp_path: Path, version: int, words: str) -> None:
    Store.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "a3t.sqlite") as other:
        other.execute(f"PRAGMA user_version = {version}")
    for options in ({}, {"read_only": True}):
        with pytest.raises(StoreError, match=f"(?s){words}"):
            Store.open(tmp_path, **options)


def read_everything(path: Path) -> list[object]:
    with Store.open(path, read_only=True) as store:
        return [*store.trajectories(), *store.summary(), store.digest(), store.rounds(), store.all_meta()]


@pytest.fixture
def whole_file(tmp_path: Path) -> bytes:
    with Store.open(tmp_path) as store:
        store.add_many(attempt(i) for i in range(200))
    return (tmp_path / "a3t.sqlite").read_bytes()


@pytest.mark.parametrize("num_bytes_left", [100, 16384, 16385, 40_000, 4 * 16384, -16384, -5])
def test_a_file_cut_off_anywhere_is_one_clear_error(tmp_path: Path, whole_file: bytes, num_bytes_left: int) -> None:
    (tmp_path / "a3t.sqlite").write_bytes(whole_file[:num_bytes_left])
    with pytest.raises(BadDataError, match="is damaged, cut off or no store at all"):
        read_everything(tmp_path)
    with pytest.raises(BadDataError, match="is damaged, cut off or no store at all"):
        Store.open(tmp_path)


def test_flipped_bytes_are_our_error_or_none(tmp_path: Path, whole_file: bytes) -> None:
    """SQLite keeps no checksum of a page, so a flipped byte in a column may pass; it never shows as anything but our errors."""
    rng = random.Random(0)
    num_noticed = 0
    for _ in range(60):
        damaged = bytearray(whole_file)
        for _ in range(20):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        (tmp_path / "a3t.sqlite").write_bytes(damaged)
        try:
            read_everything(tmp_path)
        except A3TError:
            num_noticed += 1
    assert num_noticed > 30


@pytest.mark.parametrize("damage", ["'{\"scores\": }'", "CAST(x'7bff7d' AS TEXT)"], ids=["no JSON", "no UTF-8"])
@pytest.mark.parametrize(("table", "column"), [("rounds", "metrics"), ("meta", "value")])
def test_damaged_metrics_and_provenance_are_said_to_be_damaged(tmp_path: Path, table: str, column: str, damage: str) -> None:
    with Store.open(tmp_path) as store:
        store.set_meta("provenance", {"seed": "0"})
        store.finish_round(Round(0, "rounds/00/policy", {"scores": {}}))
    with sqlite3.connect(tmp_path / "a3t.sqlite") as other:
        other.execute(f"UPDATE {table} SET {column} = {damage}")
    with pytest.raises(BadDataError, match="is damaged, cut off or no store at all"):
        read_everything(tmp_path)


def test_a_folder_where_the_store_should_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "a3t.sqlite").mkdir()
    for options in ({}, {"read_only": True}):
        with pytest.raises(BadDataError, match=r"a3t\.sqlite is a folder: expected the store of a run"):
            Store.open(tmp_path, **options)


def test_a_damaged_trajectory_is_named_by_its_number(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add(attempt(0))
        number = store.add(attempt(1))
    with sqlite3.connect(tmp_path / "a3t.sqlite") as other:
        (body,) = other.execute("SELECT body FROM bodies WHERE body_id = ?", (number,)).fetchone()
        other.execute("UPDATE bodies SET body = ? WHERE body_id = ?", (body[:-3] + b"abc", number))
    with Store.open(tmp_path) as store:
        reading = store.trajectories()
        assert next(reading) == attempt(0)
        with pytest.raises(BadDataError, match=f"a3t.sqlite, trajectory number {number}: the record is damaged"):
            next(reading)
