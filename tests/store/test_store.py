"""The store: what goes in comes out, in one order, and test tasks stay out of training."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_examples import FULL, attempt, key, trajectories, with_task

from a3t.errors import BadDataError, MissingDataError, StoreError, TestTaskError
from a3t.store import TRAINING_STAGES, Done, RunInfo, Store, content_hash
from a3t.types import Cost, Round, Stage, Stop, Task, Trajectory

SMALL_WORLD = [
    attempt(index, task_id=task_id, split=split, stage=stage, round_index=round_index, success=(index + round_index) % 2 == 0)
    for round_index in (0, 1, 2)
    for stage in (Stage.COLLECT, Stage.EXPLORE, Stage.EVALUATE)
    for split in ("train", "seen")
    for task_id in ("pick-1", "pick-10", "pick-2", "Émile", "\U0001f600", "\uffff")
    for index in (0, 1)
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(trajectories(), max_size=6, unique_by=key))
def test_any_trajectories_come_out_equal_and_in_the_documented_order(
    tmp_path_factory: pytest.TempPathFactory, given_trajectories: list[Trajectory]
) -> None:
    with Store.open(tmp_path_factory.mktemp("any")) as store:
        store.add_many(given_trajectories)
        assert list(store.trajectories()) == sorted(given_trajectories, key=key)


def test_order_and_digest_do_not_depend_on_the_order_of_adding(tmp_path: Path) -> None:
    digests = set()
    for seed in range(3):
        shuffled = random.Random(seed).sample(SMALL_WORLD, len(SMALL_WORLD))
        with Store.open(tmp_path / str(seed)) as store:
            for trajectory in shuffled:
                store.add(replace(trajectory, cost=replace(trajectory.cost, seconds=random.random())))
            assert [key(t) for t in store.trajectories()] == sorted(map(key, SMALL_WORLD))
            digests.add(store.digest())
    assert len(digests) == 1


def test_the_digest_changes_with_any_content(tmp_path: Path) -> None:
    digests = set()
    for name, content in {"a": [attempt(0)], "b": [attempt(0), attempt(1)], "c": [attempt(0, num_steps=3)], "d": []}.items():
        with Store.open(tmp_path / name) as store:
            store.add_many(content)
            digests.add(store.digest())
    assert len(digests) == 4


@pytest.mark.parametrize(
    "where",
    [
        {},
        {"stages": [Stage.EXPLORE]},
        {"stages": []},
        {"stages": {Stage.EVALUATE, Stage.COLLECT}, "rounds": range(1, 3)},
        {"rounds": [2, 0], "success": True},
        {"success": False, "split": "seen"},
        {"task_id": "Émile", "attempt": 1},
        {"task_type": "pick", "include_broken": False, "duplicate": False},
        {"task_type": "other"},
    ],
)
def test_filters_agree_with_a_plain_loop(tmp_path: Path, where: dict[str, object]) -> None:
    def fits(t: Trajectory) -> bool:
        asked = {
            "stages": lambda v: t.stage in v,
            "rounds": lambda v: t.round_index in v,
            "success": lambda v: t.success is v,
            "split": lambda v: t.task.split == v,
            "task_id": lambda v: t.task.task_id == v,
            "task_type": lambda v: t.task.task_type == v,
            "attempt": lambda v: t.attempt == v,
            "duplicate": lambda v: t.duplicate is v,
            "include_broken": lambda v: v or not t.is_broken,
        }
        return all(asked[name](value) for name, value in where.items())

    world = [*SMALL_WORLD, replace(attempt(9, success=False), stop=Stop.ENVIRONMENT_ERROR, duplicate=True)]
    expected = sorted(filter(fits, world), key=key)
    with Store.open(tmp_path) as store:
        store.add_many(world)
        assert list(store.trajectories(**where)) == expected
        assert store.count(**where) == len(expected)
        assert [(r.round_index, r.stage.value, r.split, r.task_id, r.attempt) for r in store.rows(**where)] == list(
            map(key, expected)
        )
        assert sum(s.num for s in store.summary(**where)) == len(expected)


def test_rows_tell_what_the_trajectory_would(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add(FULL)
        (row,) = store.rows()
    assert (row.success, row.broken, row.duplicate, row.reward) == (True, True, True, 0.5)
    assert (row.num_steps, row.num_explored, row.cost, row.stage) == (2, 1, FULL.cost, Stage.EXPLORE)


def test_the_summary_adds_up_by_round_stage_split_and_type(tmp_path: Path) -> None:
    """Round 0: task a fails then succeeds, task b breaks; round 1: a succeeds."""
    broken = replace(attempt(0, task_id="b", success=False), stop=Stop.MODEL_ERROR)
    with Store.open(tmp_path) as store:
        store.add_many(
            [
                attempt(0, task_id="a", success=False),
                attempt(1, task_id="a", seconds=2.0),
                broken,
                attempt(0, task_id="a", round_index=1),
            ]
        )
        first, second = store.summary()
    assert (first.round_index, first.stage, first.split, first.task_type) == (0, Stage.COLLECT, "train", "pick")
    assert (first.num, first.num_successes, first.num_broken, first.num_tasks, first.num_tasks_solved) == (3, 1, 1, 2, 1)
    assert (first.mean_reward, first.num_steps, first.cost) == (0.5, 6, Cost(300, 30, 6, 2.0, 0.0))
    assert (second.round_index, second.num, second.mean_reward) == (1, 1, 1.0)


def test_what_is_added_while_reading_does_not_appear_half_way(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add_many([attempt(0), attempt(1)])
        reading = store.trajectories()
        first = next(reading)
        store.add(attempt(2))
        assert [first, *reading] == [attempt(0), attempt(1)]
        assert store.count() == 3


def test_a_resumed_stage_is_told_what_is_done(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add_many([attempt(0), attempt(1), attempt(0, round_index=1), attempt(0, stage=Stage.EXPLORE)])
        assert store.done(Stage.COLLECT, 0) == {Done("pick-1", "train", 0), ("pick-1", "train", 1)}
        assert store.done(Stage.REVISE, 0) == set()


# ---- adding twice ----------------------------------------------------------------------------------------------------------


def test_adding_again_changes_nothing_though_the_clock_differs(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        first = store.add(attempt(0, seconds=1.0))
        assert store.add(attempt(0, seconds=2.0)) == first
        assert list(store.trajectories()) == [attempt(0, seconds=1.0)]


def test_other_content_under_the_same_key_is_refused(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add(attempt(0))
        with pytest.raises(StoreError, match="collect of train/pick-1, round 0, attempt 0 is stored already, with other content"):
            store.add(attempt(0, success=False))
        assert list(store.trajectories()) == [attempt(0)]


def test_add_many_stores_all_or_none(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add(attempt(0))
        with pytest.raises(StoreError):
            store.add_many([attempt(1), attempt(0, success=False)])
        with pytest.raises(
            BadDataError, match=r"collect of train/pick-1, round 0, attempt 2: reward: expected a number in \[0, 1\]"
        ):
            store.add_many([attempt(1), replace(attempt(2), reward=float("nan"))])
        assert list(store.trajectories()) == [attempt(0)]


# ---- hostile text ----------------------------------------------------------------------------------------------------------

HOSTILE = ["'; DROP TABLE trajectories; --", '" OR 1=1', "%", "_", "*", "?", ":a", "a\x00b", "</s>", "[bold]", "../..", "\\", " "]


def test_text_that_looks_like_commands_stays_text(tmp_path: Path) -> None:
    world = [replace(with_task(attempt(0), text), observation=text, error=text) for text in HOSTILE]
    with Store.open(tmp_path) as store:
        store.add_many(world)
        for text, trajectory in zip(HOSTILE, world, strict=True):
            assert list(store.trajectories(task_id=text)) == [trajectory]
            store.set_meta(text, text)
            store.put_blob(text, text, text.encode())
            assert store.meta(text) == text and store.get_blob(text, text) == text.encode()
        assert store.count() == len(HOSTILE)


def test_a_huge_observation_is_kept_whole(tmp_path: Path) -> None:
    huge = replace(attempt(0), observation="a mug 😀\x00" * 500_000)
    with Store.open(tmp_path) as store:
        store.add(huge)
        assert list(store.trajectories()) == [huge]


# ---- test tasks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", TRAINING_STAGES)
def test_a_test_task_is_refused_in_every_training_stage(tmp_path: Path, stage: Stage) -> None:
    with Store.open(tmp_path) as store:
        store.protect([Task("pick-1", "unseen")], splits=["test"])
        for task_id, split in (("pick-1", "unseen"), ("any", "test")):
            with pytest.raises(TestTaskError, match=f"{split}/{task_id} is a test task, and came as a '{stage.value}'"):
                store.add_many([attempt(0), attempt(0, task_id=task_id, split=split, stage=stage)])
        store.add(attempt(0, task_id="pick-2", split="unseen", stage=stage))
        store.add(attempt(0, task_id="pick-1", split="train", stage=stage))
        assert store.count() == 2


def test_every_stage_but_trials_of_held_out_tasks_is_a_training_stage() -> None:
    assert set(Stage) - set(TRAINING_STAGES) == {Stage.EVALUATE, Stage.RECOVER}


def test_test_tasks_are_evaluated_and_stay_out_of_the_training_data(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.protect(splits=["test"])
        evaluated = attempt(0, split="test", stage=Stage.EVALUATE)
        broken = replace(attempt(1, success=False), stop=Stop.ENVIRONMENT_ERROR)
        store.add_many([evaluated, attempt(0), broken])
        assert list(store.trajectories(stages=[Stage.EVALUATE])) == [evaluated]
        assert list(store.training_trajectories()) == [attempt(0)]
        assert list(store.training_trajectories(stages=[Stage.EVALUATE])) == []


def test_protection_outlives_the_process_that_asked_for_it(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.protect([Task("pick-1", "unseen")])
    with Store.open(tmp_path) as store:
        assert store.is_protected(Task("pick-1", "unseen")) and not store.is_protected(Task("pick-1", "train"))
        with pytest.raises(TestTaskError):
            store.add(attempt(0, split="unseen"))


def test_protecting_a_task_that_was_trained_on_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add(attempt(0))
        for protect in ({"tasks": [Task("other", "test"), Task("pick-1", "train")]}, {"splits": ["train"]}):
            with pytest.raises(TestTaskError, match=r"train/pick-1 is a test task, and .* holds a 'collect' trajectory"):
                store.protect(**protect)
        assert not store.is_protected(Task("other", "test"))


@pytest.mark.parametrize("stage", TRAINING_STAGES)
def test_a_task_protected_in_every_split_is_refused_under_any_name(tmp_path: Path, stage: Stage) -> None:
    with Store.open(tmp_path) as store:
        store.protect([Task("0", "test")], in_every_split=True)
    with Store.open(tmp_path) as store:
        for split in ("test", "all", "train", ""):
            assert store.is_protected(Task("0", split))
            with pytest.raises(TestTaskError, match=f"{split}/0 is a test task"):
                store.add(attempt(0, task_id="0", split=split, stage=stage))
        store.add(attempt(0, task_id="1", split="all", stage=stage))
        assert len(list(store.training_trajectories())) == 1


def test_protecting_in_every_split_finds_what_was_trained_on_under_another_name(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.add(attempt(0, task_id="0", split="all"))
        store.protect([Task("0", "test")])
        with pytest.raises(TestTaskError, match=r"all/0 is a test task, and .* holds a 'collect' trajectory"):
            store.protect([Task("0", "test")], in_every_split=True)
        assert not store.is_protected(Task("0", "train"))


def test_a_test_task_smuggled_in_by_another_program_is_caught_when_training_reads(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.protect(splits=["test"])
        store.add(attempt(0))
    with sqlite3.connect(tmp_path / "a3t.sqlite") as other:
        other.execute("UPDATE trajectories SET split = 'test'")
    with Store.open(tmp_path) as store, pytest.raises(TestTaskError, match="test/pick-1"):
        list(store.training_trajectories())


# ---- rounds, provenance, cached answers ------------------------------------------------------------------------------------


def test_rounds_finish_in_order_and_once(tmp_path: Path) -> None:
    first = Round(0, "rounds/00", {"success": 0.5, "curve": [1.0, 0.5]})
    with Store.open(tmp_path) as store:
        assert store.next_round() == 0 and store.rounds() == []
        with pytest.raises(StoreError, match="expected round 0 to finish next, got round 1"):
            store.finish_round(Round(1, ""))
        store.finish_round(first)
        store.finish_round(first)
        with pytest.raises(StoreError, match="round 0 is finished already, with other results"):
            store.finish_round(replace(first, checkpoint="elsewhere"))
        with pytest.raises(BadDataError, match="metrics of round 1: expected values that JSON can hold"):
            store.finish_round(Round(1, "", {"loss": object()}))
        assert store.next_round() == 1
    with Store.open(tmp_path) as store:
        assert store.rounds() == [first] and store.next_round() == 1


def test_provenance_and_blobs_are_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:
        store.set_meta("tasks", {"train": "abc"})
        store.set_meta("tasks", {"train": "abd"})
        store.put_blob("answer", "k", b"\x00\xff")
    with Store.open(tmp_path) as store:
        assert store.meta("tasks") == {"train": "abd"} and store.meta("none", 5) == 5
        assert store.all_meta() == {"tasks": {"train": "abd"}}
        assert store.get_blob("answer", "k") == b"\x00\xff"
        assert store.get_blob("other", "k") is None
        with pytest.raises(BadDataError, match="meta 'x': expected values that JSON can hold"):
            store.set_meta("x", {1, 2})


def test_a_store_belongs_to_one_recipe(tmp_path: Path) -> None:
    run = RunInfo("aaa", name="household", seed=3, a3t_version="0.1.0")
    with Store.open(tmp_path, run=run) as store:
        assert store.run == run
    with Store.open(tmp_path, run=replace(run, a3t_version="0.2.0")) as store:
        assert store.run == run
    for read_only in (False, True):
        with pytest.raises(StoreError, match="belongs to the run 'household' with recipe aaa, not to recipe bbb"):
            Store.open(tmp_path, run=RunInfo("bbb"), read_only=read_only)
    with Store.open(tmp_path) as store:
        assert store.run == run


# ---- readers and threads ---------------------------------------------------------------------------------------------------


def test_readers_see_acknowledged_records_beside_the_owner_and_cannot_write(tmp_path: Path) -> None:
    with Store.open(tmp_path) as owner, Store.open(tmp_path, read_only=True) as reader:
        owner.add(attempt(0))
        assert list(reader.trajectories()) == [attempt(0)]
        for write in (lambda: reader.add(attempt(1)), lambda: reader.set_meta("a", 1), lambda: reader.protect(splits=["x"])):
            with pytest.raises(StoreError, match="was opened to read"):
                write()
        assert owner.count() == 1


READS_WHERE_IT_MAY_NOT_WRITE = """
import os, sys
from store_examples import attempt
from a3t.errors import StoreError
from a3t.store import Store
if os.geteuid() == 0:
    os.setuid(65534)  # root may write anywhere
with Store.open(sys.argv[1], read_only=True) as store:
    assert list(store.trajectories()) == [attempt(0)]
try:
    Store.open(sys.argv[1])
except StoreError as error:
    print(error)
"""


def test_a_store_in_a_folder_that_may_not_be_written_can_be_read() -> None:
    # Not tmp_path: its parents are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        with Store.open(folder) as store:
            store.add(attempt(0))
        Path(folder).chmod(0o555)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-c", READS_WHERE_IT_MAY_NOT_WRITE, folder]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        Path(folder).chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert "a3t.sqlite.lock for writing: Permission denied.\n  To look only, open it read-only." in done.stdout


def test_looking_for_a_store_makes_none(tmp_path: Path) -> None:
    for options in ({"read_only": True}, {"create": False}):
        with pytest.raises(MissingDataError, match="there is no store at"):
            Store.open(tmp_path / "run", **options)
    assert list(tmp_path.iterdir()) == []


def test_threads_may_share_a_store(tmp_path: Path) -> None:
    with Store.open(tmp_path) as store:

        def work(number: int) -> None:
            for index in range(25):
                store.add(attempt(index, task_id=f"pick-{number}"))
                assert store.count(task_id=f"pick-{number}") == index + 1

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.count() == 100
        assert len({content_hash(t) for t in store.trajectories()}) == 100


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.count()


def test_the_path_may_be_the_file_or_its_folder_even_one_with_a_dot(tmp_path: Path) -> None:
    for path in (tmp_path / "runs" / "v1.2", tmp_path / "other.sqlite", tmp_path / "odd #?%20 name"):
        with Store.open(path) as store:
            store.add(attempt(0))
            assert list(store.trajectories()) == [attempt(0)]
    assert (tmp_path / "runs" / "v1.2" / "a3t.sqlite").is_file() and (tmp_path / "other.sqlite").is_file()


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "run", tmp_path / "a\0b"):
        with pytest.raises(StoreError, match="cannot make the folder"):
            Store.open(path)
