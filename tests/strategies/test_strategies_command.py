"""`a3t evaluate --strategy`: one table, figures and every try in files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a3t.cli import strategies
from a3t.cli.console import PlainProgress, StopRequest
from a3t.cli.standalone import Asked
from a3t.config import load_recipe
from a3t.errors import Interrupted, UnknownNameError
from a3t.store import RunInfo, Store, read_jsonl
from a3t.tasksets import choose_tasks
from a3t.types import Round
from plugin_world import Corridor

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


RUN = """
seed = 3
[policy]
kind = "scripted"
path = "scripted_walk:walk"
[agent]
max_turns = 7
[environment]
name = "plugin_world:Corridor"
num_train_tasks = 1
num_validation_tasks = 0
test_splits = ["test"]
num_test_tasks = 2
"""


def run_directory(folder: Path, recipe: str = RUN, num_rounds: int = 2) -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
    with Store.open(folder, run=RunInfo(recipe_hash="x")) as store:
        for index in range(num_rounds):
            store.finish_round(Round(index, f"rounds/{index:02d}/policy", {}))
    return folder


def test_a_runs_last_policy_is_tried_on_the_runs_own_test_tasks_as_its_recipe_says(tmp_path: Path, a3t) -> None:
    folder, records = run_directory(tmp_path / "run"), tmp_path / "tried.jsonl"
    code, out, err = a3t("evaluate", folder, "--strategy", "react", "--strategy", "best-of-n", "--tries", 2, "--records", records)
    assert code == 0, err
    assert "strategies at test time" in out
    tried = list(read_jsonl(records))
    recipe = load_recipe(folder / "recipe.toml")
    own = choose_tasks(Corridor(), recipe.environment, recipe.seed).test["test"]
    assert {t.task for t in tried} == set(own) and len(own) == 2
    assert {t.agent for t in tried} == {"01/policy"} and max(t.num_steps for t in tried) <= 7
    code, _out, _err = a3t("evaluate", folder, "--strategy", "react", "--split", "train", "--num-tasks", 1, "--records", records)
    assert code == 0 and {t.task.split for t in read_jsonl(records)} == {"train"}


def test_what_a_run_directory_cannot_be_tried_with_is_said(tmp_path: Path, a3t) -> None:
    folder = run_directory(tmp_path / "run")
    code, _out, err = a3t("evaluate", folder, "--strategy", "react", "--env", "household")
    assert code == 2 and "a3t evaluate --model FOLDER" in err
    code, _out, err = a3t("evaluate", run_directory(tmp_path / "new", num_rounds=0), "--strategy", "react")
    assert code == 2 and "no finished round" in err
    served = RUN.replace('"scripted"', '"openai"')
    code, _out, err = a3t("evaluate", run_directory(tmp_path / "served", served), "--strategy", "react")
    assert code == 2 and "--model" in err
    untested = RUN.replace('["test"]', "[]").replace("num_test_tasks = 2", "")
    code, _out, err = a3t("evaluate", run_directory(tmp_path / "untested", untested), "--strategy", "react")
    assert code == 2 and "environment.test_splits names no split" in err
    code, _out, err = a3t("evaluate", folder, "--tries", 2)
    assert code == 2 and "no other options go with it" in err


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
