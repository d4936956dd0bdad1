"""A person plays: piped lines and a real terminal, nonsense and hostile text, and the record that comes of it."""

import io
import os
import pty
import select
import subprocess
import sys
import time

import pytest

from a3t.envs.household import HouseholdEnv
from a3t.envs.play import list_actions, play, visible, wrap
from a3t.errors import UnknownTaskError
from a3t.types import Author, Stage, Stop
from plugin_world import Corridor


def piped(env, lines, task=None):
    sink = io.StringIO()
    record = play(env, task, source=io.StringIO("".join(f"{line}\n" for line in lines)), sink=sink, environment="here")
    return record, sink.getvalue()


def test_a_piped_session_is_played_to_success_and_recorded():
    env = HouseholdEnv()
    task = env.tasks("train")[3]
    record, shown = piped(env, ["", "think: the mug is hidden", *env.solution(task.task_id), "never read"], task)
    assert record.success and record.stop is Stop.SUCCESS and record.reward == 1
    assert record.task == task and record.environment == "here"
    assert record.stage is Stage.IMPORT
    assert [step.action for step in record.steps] == ["", *env.solution(task.task_id)]
    assert record.steps[0].thought == "the mug is hidden" and record.steps[0].observation == "OK."
    assert {step.action_by for step in record.steps} == {step.thought_by for step in record.steps} == {Author.HUMAN}
    assert all(step.valid for step in record.steps)
    assert "Solved in 7 actions." in shown


def test_a_question_mark_lists_what_can_be_done_and_is_no_action():
    record, shown = piped(Corridor(), ["?", "west", "quit"])
    assert "\neast\n" in shown
    assert [(step.action, step.valid) for step in record.steps] == [("west", False)]


@pytest.mark.parametrize(
    "lines", [["east", "quit"], ["east", " EXIT "], ["east", ":q"], ["east"]], ids=["quit", "exit", ":q", "end of input"]
)
def test_leaving_ends_the_session_without_harm(lines):
    record, shown = piped(Corridor(), lines)
    assert record.stop is Stop.TURN_LIMIT and not record.success
    assert record.actions == ("east",)
    assert shown.endswith("You leave.\n")


def test_an_interrupt_ends_the_session_without_harm():
    class Interrupted(io.StringIO):
        def readline(self, *_):
            raise KeyboardInterrupt

    sink = io.StringIO()
    assert play(Corridor(), source=Interrupted(), sink=sink).stop is Stop.TURN_LIMIT
    assert "You leave." in sink.getvalue()


def test_an_unknown_task_is_said_at_once():
    with pytest.raises(UnknownTaskError, match="corridor has no task 'train-9'"):
        piped(Corridor(), [], "train-9")


def test_a_task_named_by_its_id_is_recorded_with_its_split():
    record, _ = piped(Corridor(), ["east"], "test-2")
    assert (record.task.task_id, record.task.split) == ("test-2", "test")
    assert piped(Corridor(), [])[0].task.task_id == "train-1"


def test_the_world_is_told_the_split_of_the_task_that_is_played():
    class Listening(Corridor):
        def reset(self, *, seed=None, options=None):
            self.told = options
            return super().reset(seed=seed, options=options)

    env = Listening()
    piped(env, [], "test-2")
    assert env.told == {"task_id": "test-2", "split": "test"}


def test_text_fits_eighty_columns():
    env = HouseholdEnv(receptacles=60)
    _, shown = piped(env, ["?", "x" * 300, "look"], env.tasks("train")[0])
    assert max(map(len, shown.splitlines())) <= 80
    assert wrap("a " * 100).count("\n") == 2


def test_nothing_the_world_says_steers_the_terminal():
    class Hostile(Corridor):
        def step(self, action):
            return "\x1b[2J\x07\u202egnp.exe\rover\ud800", *super().step(action)[1:]

    _, shown = piped(Hostile(), ["east"])
    assert "\\x1b[2J\\x07\\u202egnp.exe\\rover\\ud800" in shown
    assert not any(ord(c) < 32 and c != "\n" for c in shown)
    assert visible("two\nlines é 中 \t") == "two\nlines é 中 \\t"


def test_actions_are_listed_in_columns_and_absent_lists_are_said():
    assert list_actions(["go to a", "look"]) == "go to a  look"
    assert list_actions(None) == "The actions of this world cannot be listed."
    assert list_actions([]) == "There is nothing left to do."
    assert max(map(len, list_actions([f"go to cabinet {n}" for n in range(40)]).splitlines())) <= 80


SCRIPT = """
from a3t.envs.household import HouseholdEnv
from a3t.envs.play import play
record = play(HouseholdEnv())
print("RECORDED", record.actions)
"""


PROMPT = "\x1b[?2004h"
"""What prompt_toolkit tells the terminal when it begins to read a line."""


def test_at_a_terminal_tab_completes_an_admissible_action_and_control_d_leaves():
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "40", "PROMPT_TOOLKIT_NO_CPR": "1"}
    child = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    try:
        os.close(theirs)
        assert "Your task is to: " in read(ours, until=PROMPT)
        os.write(ours, b"inven")
        read(ours, until="inventory")
        os.write(ours, b"\t\r")
        assert "You are not carrying anything." in read(ours, until=PROMPT)
        os.write(ours, b"\x04")
        assert "You leave." in read(ours, until="RECORDED ('inventory',)")
        assert child.wait(timeout=120) == 0
    finally:
        child.kill()
        child.wait()
        os.close(ours)


def read(terminal, until, timeout_s=120):
    """What the terminal shows, up to the wanted text."""
    shown, deadline = "", time.monotonic() + timeout_s
    while until not in shown:
        assert time.monotonic() < deadline, f"waited for {until!r}, saw {shown!r}"
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                break
    return shown
