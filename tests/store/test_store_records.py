"""Records: what is written is what is read, and nonsense is refused by name."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from store_examples import FULL, any_text, attempt, file_text, trajectories

from a3t.errors import BadDataError, MissingDataError
from a3t.store import content_hash, from_json, read_jsonl, to_json, write_jsonl
from a3t.store.packing import compress, decompress, pack, unpack
from a3t.types import Author, Gate, Stage, Step, Stop, Task, Tokens, Trajectory

patient = settings(deadline=None)
"""How fast a machine is decides nothing here."""

MINIMAL = {
    "task_id": "pick-1",
    "split": "train",
    "observation": "You are in a room.",
    "steps": [{"action": "look", "observation": "A room."}],
    "reward": 1.0,
}


def test_the_full_example_has_no_field_at_its_default() -> None:
    for record in (FULL, FULL.steps[1], FULL.cost):
        for field in dataclasses.fields(record):
            assert getattr(record, field.name) not in (field.default, None, ""), field.name


def test_every_field_survives_json() -> None:
    assert from_json(json.loads(json.dumps(to_json(FULL)))) == FULL


@patient
@given(trajectories())
def test_any_trajectory_survives_json(trajectory: Trajectory) -> None:
    assert from_json(to_json(trajectory)) == trajectory


@patient
@given(trajectories(any_text))
def test_any_trajectory_survives_packing(trajectory: Trajectory) -> None:
    packed = pack(trajectory)
    assert unpack(decompress(compress(packed)), trajectory.cost.seconds) == trajectory


@patient
@given(trajectories())
def test_what_was_read_packs_to_the_same_bytes(trajectory: Trajectory) -> None:
    packed = pack(trajectory)
    assert pack(unpack(packed)) == packed


def test_logprobs_that_single_precision_holds_take_four_bytes_and_others_eight() -> None:
    def size(logprob: float) -> int:
        tokens = Tokens((1,) * 100, (logprob,) * 100)
        return len(pack(replace(FULL, steps=(Step("", "look", "", action_tokens=tokens),))))

    assert size(-0.1) - size(-0.5) == 400


def test_numbers_that_json_lacks_survive() -> None:
    step = Step("", "look", "", action_tokens=Tokens((1, 2), (-math.inf, math.nan)), gate=Gate(math.nan, -math.inf))
    for read in (
        from_json(json.loads(json.dumps(to_json(replace(FULL, steps=(step,)))))),
        unpack(pack(replace(FULL, steps=(step,)))),
    ):
        first, second = read.steps[0].action_tokens.logprobs
        assert first == -math.inf and math.isnan(second)
        assert math.isnan(read.steps[0].gate.logprob_with) and read.steps[0].gate.logprob_without == -math.inf


def test_the_content_hash_ignores_seconds_and_nothing_else() -> None:
    same = replace(FULL, cost=replace(FULL.cost, seconds=99.0))
    assert content_hash(same) == content_hash(FULL)
    for change in (
        {"reward": 0.25},
        {"seed": 8},
        {"error": ""},
        {"cost": replace(FULL.cost, usd=0.75)},
        {"steps": FULL.steps[:1]},
    ):
        assert content_hash(replace(FULL, **change)) != content_hash(FULL), change


def test_a_token_id_beyond_64_bits_is_refused() -> None:
    with pytest.raises(BadDataError, match="64 bits, got one of 101 bits"):
        pack(replace(FULL, steps=(Step("", "look", "", action_tokens=Tokens((2**100,), ())),)))


@pytest.mark.parametrize("cut", [0, 1, 20, 27, -1])
def test_a_record_cut_off_is_called_damaged(cut: int) -> None:
    with pytest.raises(BadDataError, match="the record"):
        unpack(pack(FULL)[:cut])
    with pytest.raises(BadDataError, match="the record is damaged"):
        decompress(compress(pack(FULL))[:cut])


def test_every_flipped_byte_in_a_compressed_record_is_noticed() -> None:
    whole = compress(pack(FULL))
    for position in range(len(whole)):
        flipped = bytearray(whole)
        flipped[position] ^= 0x40
        with contextlib.suppress(BadDataError):
            assert decompress(bytes(flipped)) == pack(FULL), position


def test_a_record_of_a_newer_version_says_so() -> None:
    with pytest.raises(BadDataError, match=r"version 99; this a3t reads version 1"):
        unpack(bytes([99]) + pack(FULL)[1:])
    with pytest.raises(BadDataError, match=r"version 1, got 99"):
        from_json({**MINIMAL, "version": 99})


# ---- other people's logs ---------------------------------------------------------------------------------------------------


def test_the_least_that_a_stranger_must_write_is_enough() -> None:
    assert from_json(MINIMAL) == Trajectory(
        task=Task("pick-1", "train"),
        observation="You are in a room.",
        steps=(Step("", "look", "A room.", thought_by=Author.HUMAN, action_by=Author.HUMAN),),
        reward=1.0,
        success=True,
        stop=Stop.SUCCESS,
        stage=Stage.IMPORT,
        environment="",
    )


def test_success_follows_from_reward_where_it_is_left_out() -> None:
    read = from_json({**MINIMAL, "reward": 0.99})
    assert not read.success and read.stop is Stop.FAILURE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task_id": None}, "task_id: expected a string, got null"),
        ({"task_id": ""}, "task_id: expected a name, got an empty string"),
        ({"task_id": "\ud800"}, "task_id: expected text that UTF-8 can hold"),
        ({"reward": "1"}, "reward: expected a number, got '1'"),
        ({"reward": True}, "reward: expected a number, got True"),
        ({"reward": 1.01}, r"reward: expected a number in \[0, 1\], got 1.01"),
        ({"reward": "NaN"}, r"reward: expected a number in \[0, 1\], got nan"),
        ({"reward": 10**400}, r"reward: expected a number, got 10+…"),
        ({"stop": "won"}, "stop: expected one of success, failure, .*got 'won'"),
        ({"stage": ["collect"]}, "stage: expected one of .*got a list"),
        ({"success": 1}, "success: expected true or false, got 1"),
        ({"round_index": -2}, "round_index: expected a whole number from -1, got -2"),
        ({"attempt": -1}, "attempt: expected a whole number from 0, got -1"),
        ({"attempt": 1.0}, "attempt: expected a whole number, got 1.0"),
        ({"steps": {}}, "steps: expected a list, got an object"),
        ({"steps": ["look"]}, r"steps\[0\]: expected an object, got 'look'"),
        ({"steps": [{"action": "look"}]}, r"steps\[0\].observation: expected a string, got nothing: the field is missing"),
        ({"steps": [{**MINIMAL["steps"][0], "thougth": ""}]}, r"steps\[0\].thougth: unknown field; did you mean 'thought'\?"),
        ({"steps": [{**MINIMAL["steps"][0], "action_by": "me"}]}, r"steps\[0\].action_by: expected one of policy, .*got 'me'"),
        ({"steps": [{**MINIMAL["steps"][0], "gate": {}}]}, r"steps\[0\].gate.logprob_with: expected a number, got nothing"),
        ({"steps": [{**MINIMAL["steps"][0], "action_tokens": {"ids": [1, "2"]}}]}, r"action_tokens.ids: .*got '2'"),
        (
            {"steps": [{**MINIMAL["steps"][0], "action_tokens": {"ids": [1], "logprobs": [0, 0]}}]},
            r"steps\[0\].action_tokens: expected one logprob per id or none, got 2 to 1",
        ),
        ({"cost": {"seconds": "Infinity"}}, "cost.seconds: expected a finite number, got inf"),
        ({"cost": {"prompt_tokens": 2**63}}, "cost.prompt_tokens: expected a number of at most 63 bits"),
        ({"acton": 1}, "acton: unknown field; "),
        ({"\x1b[2J\ud800": 1}, r"\\x1b\[2J\\ud800: unknown field; known here: "),
        ({"task_id": "x", "seed": 1 << 200}, "seed: expected a whole number of at most 128 bits, got one of 201"),
        ({"reward": 1 << 40_000}, "reward: expected a number, got a number of 40001 bits"),
    ],
)
def test_a_field_that_does_not_fit_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(BadDataError, match=message):
        from_json({**MINIMAL, **change})


@pytest.mark.parametrize("nonsense", [None, 1, "x", [], [MINIMAL]])
def test_a_record_that_is_no_object_is_refused(nonsense: object) -> None:
    with pytest.raises(BadDataError, match="the record: expected an object"):
        from_json(nonsense)


# ---- files -----------------------------------------------------------------------------------------------------------------


@patient
@given(trajectories(file_text))
def test_any_trajectory_survives_a_file(tmp_path_factory: pytest.TempPathFactory, trajectory: Trajectory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.jsonl"
    assert write_jsonl(path, [trajectory, FULL]) == 2
    assert list(read_jsonl(path)) == [trajectory, FULL]


def test_a_file_is_plain_utf8_whatever_the_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [replace(FULL, error="é \\ \udcff \u2028 \x00")])
    line = path.read_bytes().decode("utf-8")
    assert line.count("\n") == 1 and "é" in line
    assert next(read_jsonl(path)).error == "é \\ \udcff \u2028 \x00"


def test_two_halves_of_one_character_become_the_character_in_a_file(tmp_path: Path) -> None:
    """The one loss of the text form, and it is JSON's: the store itself keeps both halves."""
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [replace(FULL, error="\ud83d\ude00")])
    assert next(read_jsonl(path)).error == "\N{GRINNING FACE}"
    assert unpack(pack(replace(FULL, error="\ud83d\ude00"))).error == "\ud83d\ude00"


def test_lines_without_attempt_are_numbered(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [MINIMAL, {**MINIMAL, "attempt": 4}, MINIMAL, {**MINIMAL, "task_id": "other"}, {**MINIMAL, "round_index": 1}]
    path.write_text("\n".join(map(json.dumps, lines)))
    assert [t.attempt for t in read_jsonl(path)] == [0, 4, 5, 0, 0]


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(MINIMAL).encode() + b"\r\n\r\n  \n" + json.dumps(MINIMAL).encode() + b"\r\n")
    assert len(list(read_jsonl(path))) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"task_id": "pick-1", "spl', "is not JSON: .*\n.*cut off"),
        (b"task,action,reward", "is not JSON: Expecting value at column 1"),
        (b'{"task_id": "caf\xe9"}', "is not UTF-8"),
        (b'{"reward": NaN}', 'NaN is not a JSON number .* string "NaN"'),
        (b"[" * 100_000, "is not JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "is not JSON that a3t reads"),
        (b"[]", "the record: expected an object, got a list"),
        (b'{"task_id": 5}', "reward: expected a number, got nothing"),
        (b'{"task_id": 5, "reward": 1}', "task_id: expected a string, got 5"),
    ],
)
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(json.dumps(MINIMAL).encode() + b"\n\n" + line + b"\n")
    lines = read_jsonl(path)
    assert next(lines).task.task_id == "pick-1"
    with pytest.raises(BadDataError, match=f"log.jsonl, line 3: {message}"):
        next(lines)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="there is no file"):
        list(read_jsonl(tmp_path / "none.jsonl"))
    with pytest.raises(BadDataError, match="cannot read"):
        list(read_jsonl(tmp_path))


def test_a_file_whose_writing_fails_leaves_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [attempt(0)])

    def breaks_off():
        yield attempt(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_jsonl(path, breaks_off())
    assert list(read_jsonl(path)) == [attempt(0)]
    assert [p.name for p in tmp_path.iterdir()] == ["a.jsonl"]
