"""The headline claims what the paired test carries, and no more."""

from __future__ import annotations

from a3t.evaluate import score
from a3t.report.story import main_split, tell
from a3t.report.view import RunView, view_run
from a3t.types import Round, Stage, Stop, Task, Trajectory


def run_of(*rounds: str, split: str = "valid_unseen") -> RunView:
    """`"1100"`: one letter a task, 1 is solved."""
    made = []
    for index, letters in enumerate(rounds):
        trials = [
            Trajectory(
                Task(str(i), split, "pick"),
                "",
                (),
                float(letter == "1"),
                letter == "1",
                Stop.SUCCESS if letter == "1" else Stop.TURN_LIMIT,
                Stage.EVALUATE,
                "toy",
                index,
            )
            for i, letter in enumerate(letters)
        ]
        made.append(Round(index, "", {"scores": {split: score(trials).to_json()}}))
    return view_run("x", made)


def test_a_gain_that_chance_explains_is_no_rise() -> None:
    """Three gained, none lost: p = 2/8."""
    story = tell(run_of("000000", "111000"))
    assert "0.0\u00a0→\u00a050.0\u00a0%, not beyond chance" in story.headline
    assert "3 gained, 0 lost" in story.sentence and "0.250" in story.sentence


def test_a_gain_beyond_chance_rose_and_a_loss_fell() -> None:
    """Eight gained, none lost: p = 2/256."""
    assert "rose: 0.0\u00a0→\u00a080.0\u00a0%" in tell(run_of("0" * 10, "1" * 8 + "00")).headline
    fell = tell(run_of("1" * 8 + "00", "0" * 10))
    assert "fell: 80.0\u00a0→\u00a00.0\u00a0%" in fell.headline
    assert fell.tiles[1].figure == "−80.0"


def test_first_is_compared_with_last_whatever_came_between() -> None:
    assert "0.0\u00a0→\u00a010.0\u00a0%" in tell(run_of("0" * 10, "1" * 10, "1" + "0" * 9)).headline


def test_unseen_is_the_split_that_counts() -> None:
    assert main_split(run_of("1")) == "valid_unseen"
    assert main_split(run_of("1", split="test")) == "test"
    assert main_split(view_run("x", [])) is None


def test_a_run_without_evaluation_says_so() -> None:
    story = tell(view_run("x", [Round(0, "", {"cost": {"collect": {"episodes": 3, "seconds": None}}})]))
    assert story.headline == "1 round finished, nothing evaluated."
    assert [tile.figure for tile in story.tiles] == ["3"]
