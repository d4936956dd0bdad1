"""`a3t evaluate --strategy`: one table, figures and every try in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a3t.cli import strategies
from a3t.cli.console import PlainProgress, StopRequest
from a3t.cli.standalone import Asked
from a3t.errors import Interrupted, UnknownNameError
from a3t.store import read_jsonl

RECIPE = """
[policy]
kind = "scripted"
[environment]
name = "toy_world:Corridor"
test_splits = ["train"]
"""


def test_strategies_share_a_table_and_leave_their_tries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe, figures, records = tmp_path / "recipe.toml", tmp_path / "out" / "figures.json", tmp_path / "out" / "tried.jsonl"
    recipe.write_text(RECIPE, encoding="utf-8")
    asked = Asked("scripted_walk:walk", "toy_world:Corridor", recipe=recipe, json_out=figures, records=records)
    strategies.evaluate(["react", "best-of-n", "react"], 3, asked)
    shown = capsys.readouterr().out
    assert "strategies at test time" in shown and "best-of-n" in shown
    told = json.loads(figures.read_text(encoding="utf-8"))["strategies"]
    assert {name: [one["scores"]["total"]["successes"] for one in its] for name, its in told.items()} == {
        "react": [0],
        "best-of-n": [0, 1],
    }
    assert told["best-of-n"][1]["model_calls"] == 4
    tried = list(read_jsonl(records))
    assert [(t.attempt, t.success) for t in tried] == [(0, False), (0, False), (1, True)]


@pytest.mark.parametrize("whole", [["react"], []])
def test_whole_strategies_are_told_and_kept_when_the_next_one_is_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, whole: list[str]
) -> None:
    recipe, figures, records = tmp_path / "recipe.toml", tmp_path / "figures.json", tmp_path / "tried.jsonl"
    recipe.write_text(RECIPE, encoding="utf-8")

    class Stop(StopRequest):
        """As if somebody pressed Ctrl-C in the middle of the last strategy that is begun."""

        begun = 0

        def __call__(self) -> bool:
            return Stop.begun > len(whole)

    begin = PlainProgress.begin

    def counted(self: PlainProgress, what: str, total: int) -> None:
        Stop.begun += 1
        begin(self, what, total)

    monkeypatch.setattr("a3t.cli.console.StopRequest", Stop)
    monkeypatch.setattr(PlainProgress, "begin", counted)
    asked = Asked("scripted_walk:walk", "toy_world:Corridor", recipe=recipe, json_out=figures, records=records)
    with pytest.raises(Interrupted, match="a part is no score"):
        strategies.evaluate(["react", "best-of-n"], 3, asked)
    assert figures.exists() == records.exists() == bool(whole)
    assert ("strategies at test time" in capsys.readouterr().out) == bool(whole)
    if whole:
        assert list(json.loads(figures.read_text(encoding="utf-8"))["strategies"]) == whole
        assert len(list(read_jsonl(records))) == 1


def test_an_unknown_strategy_costs_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no strategy named 'reflexive'"):
        strategies.evaluate(["reflexive"], 3, Asked("nowhere", "household", json_out=tmp_path / "x" / "y.json"))
    assert not (tmp_path / "x").exists()
