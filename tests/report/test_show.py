"""All tries of a task, as a terminal shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console

from a3t.report.show import show
from a3t.types import Author, Gate, Round, Stage, Step, Stop, Task, Trajectory

TASK = Task("put-mug-1", "train", "pick", "put a mug on the shelf.")
OWN = Step("Where is it?", "go to desk 1", "You arrive at desk 1.")
EXPLAINED = Step("A mug may be here.", "open drawer 2", "It is empty.", Author.ANNOTATOR, Author.EXPLORER, gate=Gate(-1.0, -2.5))
REFUSED = Step("", "fly", "Nothing happens.", valid=False)


def tried(
    *steps: Step, stage: Stage = Stage.COLLECT, success: bool = False, round_index: int = 0, attempt: int = 0
) -> Trajectory:
    stop = Stop.SUCCESS if success else Stop.TURN_LIMIT
    return Trajectory(TASK, "A room.", steps, float(success), success, stop, stage, "toy", round_index, attempt)


def printed(trajectories: Sequence[Trajectory], **options: bool) -> str:
    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(show(trajectories, **options))
    return capture.get()


def test_every_turn_says_who_chose_and_who_explained() -> None:
    text = printed([tried(OWN, REFUSED), tried(EXPLAINED, stage=Stage.EXPLORE, success=True, round_index=1)])
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "1 policy Where is it?" in lines
    assert "policy > go to desk 1" in lines
    assert "2 policy > fly refused" in lines
    assert "1 ActRe A mug may be here. gate +1.50 nats" in lines
    assert "explorer > open drawer 2" in lines
    assert "It is empty." in lines


def test_tries_come_in_the_order_in_which_they_were_made() -> None:
    tries = [
        tried(OWN, round_index=1, stage=Stage.EXPLORE, success=True, attempt=1),
        tried(OWN, round_index=1),
        tried(OWN, round_index=0, success=True),
    ]
    text = printed(tries)
    assert text.index("Round 0 · collect") < text.index("Round 1 · collect") < text.index("Round 1 · explore")


def test_trials_of_the_base_are_called_so() -> None:
    assert "Base · evaluate · try 0" in printed([tried(OWN, stage=Stage.EVALUATE, round_index=-1)])


def test_failed_compositions_are_counted_and_told_on_request() -> None:
    tries = [tried(EXPLAINED, stage=Stage.EXPLORE, attempt=i, round_index=1) for i in range(3)]
    assert "3 failed compositions not told turn by turn." in printed(tries)
    assert "open drawer 2" not in printed(tries)
    assert printed(tries, failed_compositions=True).count("open drawer 2") == 3


def test_control_characters_and_markup_stay_text_and_lines_stay_short() -> None:
    evil = Step("[bold]\x1b[2J", "\u202e[/]", "x" * 300 + "\x07", Author.REVISER, Author.SEARCH)
    trajectory = replace(tried(evil), error="\x1b]0;pwned\x07", agent="\x1b[1m")
    text = printed([replace(trajectory, observation="\x1b[31mred")])
    assert "\x1b" not in text and "\x07" not in text and "\u202e" not in text
    assert "[bold]\\x1b[2J" in text and "\\u202e[/]" in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_thought_without_an_action_has_no_action_line() -> None:
    text = printed([tried(Step("Let me think.", "", "OK."))])
    assert "Let me think." in text and ">" not in text


def test_a_task_nobody_tried_says_so() -> None:
    assert "No try at this task is recorded." in printed([])


def test_a_made_up_task_is_shown_whole(records: tuple[list[Round], list[Trajectory]]) -> None:
    _rounds, trajectories = records
    chosen = next(t.task for t in trajectories if t.stage is Stage.EXPLORE)
    tries = [t for t in trajectories if t.task == chosen]
    text = printed(tries, failed_compositions=True)
    assert text.count("· explore · try") == sum(t.stage is Stage.EXPLORE for t in tries)
    assert max(map(cell_len, text.splitlines())) <= 80
