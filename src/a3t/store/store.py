"""The run's store: what was acknowledged stays, whatever kills the process, and test tasks never come out as training data.

with Store.open(run_directory) as store:
    store.protect(test_tasks)
    store.add(trajectory)                                   # returned = committed
    failures = store.trajectories(stages=[Stage.COLLECT], rounds=[0], success=False, include_broken=False)
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, Unpack

from a3t.errors import BadDataError, MissingDataError, StoreError, TestTaskError
from a3t.store.database import DAMAGED
from a3t.store.file import StoreFile
from a3t.store.packing import compress, decompress, hash_packed, pack, unpack
from a3t.store.records import check
from a3t.store.rows import ORDER, ROW_COLUMNS, SUMMARY, Done, Row, Summary, Where, condition, row, summary
from a3t.types import Round, Stage, Task, Trajectory

FILE_NAME = "a3t.sqlite"
"""The store's name in a run directory."""

TRAINING_STAGES = (Stage.COLLECT, Stage.EXPLORE, Stage.SEARCH, Stage.REVISE, Stage.IMPORT)
"""Everything but `evaluate` and `recover`: what may be trained on, and what test tasks are refused in."""

_EVERY_SPLIT = "*"
"""Stands for any split in the list of protected tasks."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Which run a store belongs to: opening it for another one is refused."""

    recipe_hash: str
    """`Recipe.hash`."""
    name: str = ""
    seed: int = 0
    a3t_version: str = ""
    """Of the a3t that began the run."""


class Store:
    """Trajectories, finished rounds, provenance and cached answers of one run, in one SQLite file.

    One process owns it; its threads may share the object, which lets one in at a time. Anyone may read.
    Reading methods see a snapshot: what is added meanwhile does not appear half-way.
    """

    def __init__(self, file: StoreFile) -> None:
        """Use `Store.open`."""
        self._file = file

    # ---- opening and closing ------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True, read_only: bool = False, run: RunInfo | None = None) -> Store:
        """Open the store at `path`: a `.sqlite` file, or the run directory that holds it as `a3t.sqlite`.

        Args:
            create: make it, and its folder, where there is none.
            read_only: look only; works beside the owner and on read-only media.
            run: written into a new store; an existing one must carry the same recipe hash.

        Raises:
            MissingDataError: there is none and it is not to be made.
            StoreLockedError: another process writes to it.
            BadDataError: the file is damaged, or something else.
            StoreError: it is of another version, belongs to another run, or its folder cannot be written to.
            DiskFullError: it cannot be made for lack of space.
        """
        path = Path(path)
        if not (path.is_file() or path.suffix == ".sqlite"):
            path = path / FILE_NAME
        if path.is_dir():
            raise BadDataError(f"{path} is a folder: expected the store of a run, which is one file.\n  Move it away.")
        if not path.exists() and (read_only or not create):
            raise MissingDataError(f"there is no store at {path}.\n  `a3t run --out DIR` makes one.")
        store = cls(StoreFile.read(path) if read_only else StoreFile.own(path))
        try:
            store._belong_to(run)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Give the store free. Nothing is flushed here that was not safe before."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """The database file."""
        return self._file.path

    @property
    def run(self) -> RunInfo | None:
        """What `open(run=…)` wrote when the store was made."""
        values = self.meta("run")
        return None if values is None else RunInfo(**values)

    def _belong_to(self, run: RunInfo | None) -> None:
        if run is None:
            return
        mine = self.run
        if mine is None and self._file.is_mine:
            self.set_meta("run", asdict(run))
        elif mine is not None and mine.recipe_hash != run.recipe_hash:
            raise StoreError(
                f"{self.path} belongs to the run {mine.name!r} with recipe {mine.recipe_hash}, not to recipe {run.recipe_hash}.\n"
                "  `a3t resume DIR` goes on with the recipe it began with; a changed recipe needs a new directory."
            )

    # ---- trajectories in ----------------------------------------------------------------------------------------------------

    def add(self, trajectory: Trajectory) -> int:
        """Store a trajectory and return its number; once returned, it survives kill -9.

        Its key is (stage, round, split, task, attempt). Adding it again changes nothing, where only the seconds differ.

        Raises:
            TestTaskError: a protected task in a training stage.
            StoreError: the key is taken by other content; or the store was opened read-only, or before a fork.
            BadDataError: a value that no record may have (`a3t.store.check`).
            DiskFullError: it does not fit; what was acknowledged before is safe.
        """
        return self.add_many([trajectory])[0]

    def add_many(self, trajectories: Iterable[Trajectory]) -> list[int]:
        """Store several in one transaction: all or, on any error, none. Raises as `add`."""
        packed = []
        for trajectory in trajectories:
            try:
                check(trajectory)
                packed.append((trajectory, pack(trajectory)))
            except BadDataError as error:
                raise BadDataError(f"{_name(trajectory)}: {error}") from None
        with self._file.writing() as connection:
            return [self._insert(connection, trajectory, data) for trajectory, data in packed]

    def _insert(self, connection: sqlite3.Connection, trajectory: Trajectory, data: bytes) -> int:
        task, cost = trajectory.task, trajectory.cost
        if trajectory.stage in TRAINING_STAGES and self._is_protected(connection, task):
            raise TestTaskError(
                f"{task.split}/{task.task_id} is a test task, and came as a {trajectory.stage.value!r} trajectory.\n"
                "  Test tasks are only ever evaluated; check the recipe's splits."
            )
        key = (trajectory.round_index, trajectory.stage.value, task.split, task.task_id, trajectory.attempt)
        content = hash_packed(data)
        found = connection.execute(f"SELECT body_id, content FROM trajectories WHERE {_KEY}", key).fetchone()
        if found is not None:
            body_id, known_content = found
            if known_content != content:
                raise StoreError(
                    f"{_name(trajectory)} is stored already, with other content.\n  Does a resumed run repeat itself?"
                )
            return int(body_id)
        body_id = connection.execute("INSERT INTO bodies (body) VALUES (?)", (compress(data),)).lastrowid
        values = (
            *key, task.task_type, trajectory.success, trajectory.is_broken, trajectory.duplicate, float(trajectory.reward),
            trajectory.num_steps, trajectory.num_explored, cost.prompt_tokens, cost.completion_tokens, cost.model_calls,
            float(cost.seconds), float(cost.usd), content, body_id,
        )  # fmt: skip
        connection.execute(f"INSERT INTO trajectories VALUES ({', '.join('?' * len(values))})", values)
        assert body_id is not None
        return body_id

    # ---- test tasks ---------------------------------------------------------------------------------------------------------

    def protect(self, tasks: Iterable[Task] = (), *, splits: Iterable[str] = (), in_every_split: bool = False) -> None:
        """Name test tasks, one by one or by whole splits; the file remembers. They enter only as `evaluate`.

        Args:
            in_every_split: these tasks are refused whatever split they come under: for worlds with one task per id, whose
                splits may overlap.

        Raises:
            TestTaskError: one of them is in the training data already; nothing is changed.
        """
        with self._file.writing() as connection:
            named = [(task.split, task.task_id) for task in tasks]
            if in_every_split:
                named += [(_EVERY_SPLIT, task_id) for _split, task_id in named]
            connection.executemany("INSERT OR IGNORE INTO protected_tasks VALUES (?, ?)", named)
            connection.executemany("INSERT OR IGNORE INTO protected_splits VALUES (?)", [(split,) for split in splits])
            self._refuse_test_tasks(connection)

    def is_protected(self, task: Task) -> bool:
        with self._file.reading() as connection:
            return self._is_protected(connection, task)

    @staticmethod
    def _is_protected(connection: sqlite3.Connection, task: Task) -> bool:
        found = connection.execute(
            """SELECT 1 FROM protected_tasks WHERE split IN (?, ?) AND task_id = ?
               UNION ALL SELECT 1 FROM protected_splits WHERE split = ?""",
            (task.split, _EVERY_SPLIT, task.task_id, task.split),
        ).fetchone()
        return found is not None

    def _refuse_test_tasks(self, connection: sqlite3.Connection) -> None:
        training = f"t.stage IN ({', '.join(repr(stage.value) for stage in TRAINING_STAGES)})"
        found = connection.execute(
            f"""SELECT t.split, t.task_id, t.stage FROM protected_tasks p CROSS JOIN trajectories t
                ON t.split = p.split AND t.task_id = p.task_id WHERE {training}
                UNION ALL
                SELECT t.split, t.task_id, t.stage FROM protected_splits p CROSS JOIN trajectories t
                ON t.split = p.split WHERE {training}
                UNION ALL
                SELECT t.split, t.task_id, t.stage FROM trajectories t
                WHERE EXISTS (SELECT 1 FROM protected_tasks WHERE split = :every) AND {training}
                AND t.task_id IN (SELECT task_id FROM protected_tasks WHERE split = :every) LIMIT 1""",
            {"every": _EVERY_SPLIT},
        ).fetchone()
        if found is not None:
            split, task_id, stage = found
            raise TestTaskError(f"{split}/{task_id} is a test task, and {self.path} holds a {stage!r} trajectory of it.")

    # ---- trajectories out ---------------------------------------------------------------------------------------------------

    def trajectories(self, **where: Unpack[Where]) -> Iterator[Trajectory]:
        """Trajectories one by one, ordered by round, stage (alphabetically), split, task id and attempt.

        The order does not depend on the order of adding; memory does not grow with their number.
        """
        with self._file.snapshot() as connection:
            yield from self._read(connection, where)

    def training_trajectories(self, **where: Unpack[Where]) -> Iterator[Trajectory]:
        """As `trajectories`, but only what may be trained on: no `evaluate`, nothing broken, no test task.

        Raises:
            TestTaskError: the training stages hold a test task, however it came there.
        """
        asked = where.get("stages")
        where["stages"] = [stage for stage in TRAINING_STAGES if asked is None or stage in asked]
        where["include_broken"] = False
        with self._file.snapshot() as connection:
            self._refuse_test_tasks(connection)
            yield from self._read(connection, where)

    def _read(self, connection: sqlite3.Connection, where: Where) -> Iterator[Trajectory]:
        sql, values = condition(**where)
        # Bodies are fetched one by one, so that a sort, where SQLite needs one, never carries them.
        for body_id, seconds in connection.execute(f"SELECT body_id, seconds FROM trajectories {sql} {ORDER}", values):
            found = connection.execute("SELECT body FROM bodies WHERE body_id = ?", (body_id,)).fetchone()
            try:
                if found is None:
                    raise BadDataError("its body is missing.")
                yield unpack(decompress(found[0]), seconds)
            except BadDataError as error:
                raise BadDataError(f"{self.path}, trajectory number {body_id}: {error}") from None

    def rows(self, **where: Unpack[Where]) -> Iterator[Row]:
        """As `trajectories`, without their text: nothing is decompressed."""
        sql, values = condition(**where)
        with self._file.snapshot() as connection:
            for found in connection.execute(f"SELECT {ROW_COLUMNS} FROM trajectories {sql} {ORDER}", values):
                yield row(found)

    def count(self, **where: Unpack[Where]) -> int:
        sql, values = condition(**where)
        with self._file.reading() as connection:
            return int(connection.execute(f"SELECT count(*) FROM trajectories {sql}", values).fetchone()[0])

    def summary(self, **where: Unpack[Where]) -> list[Summary]:
        """Counts, successes and costs by round, stage, split and task type; nothing is decompressed."""
        sql, values = condition(**where)
        with self._file.reading() as connection:
            return [summary(found) for found in connection.execute(SUMMARY.format(where=sql), values)]

    def done(self, stage: Stage, round_index: int) -> set[Done]:
        """The tries of a stage that need not be made again."""
        with self._file.reading() as connection:
            found = connection.execute(
                "SELECT task_id, split, attempt FROM trajectories WHERE stage = ? AND round_index = ?", (stage.value, round_index)
            )
            return {Done(*values) for values in found}

    def digest(self, **where: Unpack[Where]) -> str:
        """Hash over the content of all trajectories, seconds left out: equal for a resumed run and one never interrupted."""
        sql, values = condition(**where)
        total = hashlib.blake2b(digest_size=32)
        with self._file.snapshot() as connection:
            for (content,) in connection.execute(f"SELECT content FROM trajectories {sql} {ORDER}", values):
                total.update(content)
        return total.hexdigest()

    # ---- rounds -------------------------------------------------------------------------------------------------------------

    def next_round(self) -> int:
        """The first round that is not finished."""
        with self._file.reading() as connection:
            return int(connection.execute("SELECT coalesce(max(round_index) + 1, 0) FROM rounds").fetchone()[0])

    def finish_round(self, finished: Round) -> None:
        """Write a round's last record, flushed to the disk: a finished round survives a power cut too.

        Raises:
            StoreError: not the next round, or one that is finished with other content.
            BadDataError: the metrics are not JSON.
        """
        metrics = _to_json_text(dict(finished.metrics), f"metrics of round {finished.round_index}")
        record = (finished.round_index, finished.checkpoint, metrics)
        with self._file.writing(flush=True) as connection:
            known = connection.execute("SELECT * FROM rounds WHERE round_index = ?", record[:1]).fetchone()
            if known == record:
                return
            if known is not None:
                raise StoreError(
                    f"round {finished.round_index} is finished already, with other results; a round is written once."
                )
            if (expected := self.next_round()) != finished.round_index:
                raise StoreError(f"expected round {expected} to finish next, got round {finished.round_index}.")
            connection.execute("INSERT INTO rounds VALUES (?, ?, ?)", record)

    def rounds(self) -> list[Round]:
        """The finished rounds, in order; metrics as JSON gives them back (tuples are lists, keys are strings)."""
        with self._file.reading() as connection:
            found = connection.execute("SELECT * FROM rounds ORDER BY round_index").fetchall()
        return [Round(index, folder, self._from_json_text(text, f"metrics of round {index}")) for index, folder, text in found]

    # ---- provenance and cached answers --------------------------------------------------------------------------------------

    def set_meta(self, key: str, value: object) -> None:
        """Remember a JSON value: engine versions, hashes of task lists. Raises `BadDataError` where it is not JSON."""
        text = _to_json_text(value, f"meta {key!r}")
        with self._file.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, text))

    def meta(self, key: str, default: Any = None) -> Any:
        with self._file.reading() as connection:
            found = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if found is None else self._from_json_text(found[0], f"meta {key!r}")

    def all_meta(self) -> dict[str, Any]:
        """All provenance, by key."""
        with self._file.reading() as connection:
            found = connection.execute("SELECT key, value FROM meta ORDER BY key").fetchall()
        return {key: self._from_json_text(value, f"meta {key!r}") for key, value in found}

    def _from_json_text(self, text: str, what: str) -> Any:
        try:
            return json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadDataError(DAMAGED.format(path=self.path, reason=f"the {what} are not JSON ({error})")) from None

    def put_blob(self, kind: str, key: str, value: bytes) -> None:
        """Keep bytes under a kind and a key (a server's answer, a search tree), replacing what was there."""
        with self._file.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?, ?)", (kind, key, value))

    def get_blob(self, kind: str, key: str) -> bytes | None:
        with self._file.reading() as connection:
            found = connection.execute("SELECT value FROM blobs WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        return None if found is None else bytes(found[0])

    def blob_keys(self, kind: str) -> list[str]:
        """The keys of a kind, sorted."""
        with self._file.reading() as connection:
            return [key for (key,) in connection.execute("SELECT key FROM blobs WHERE kind = ? ORDER BY key", (kind,))]


_KEY = "round_index = ? AND stage = ? AND split = ? AND task_id = ? AND attempt = ?"


def _name(trajectory: Trajectory) -> str:
    task = trajectory.task
    return (
        f"{trajectory.stage.value} of {task.split}/{task.task_id}, round {trajectory.round_index}, attempt {trajectory.attempt}"
    )


def _to_json_text(value: object, what: str) -> str:
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadDataError(f"{what}: expected values that JSON can hold: {error}.") from None
