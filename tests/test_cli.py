"""The command line, in this process: nonsense gets one message and exit code 2, and no stage sees half of the one before it."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from a3t import loop
from a3t.agents.asking import run as real_run
from a3t.cli.console import PlainProgress
from a3t.cli.failures import explain_os_error
from a3t.config import load_recipe
from a3t.envs.conformance import check_named
from a3t.errors import nearest
from a3t.models import TINY as TINY_BASE
from a3t.store import RunInfo, Store
from a3t.store.jsonl import write_jsonl
from a3t.types import Round, Stage, Step, Stop, Trajectory
from toy_world import TASK

TINY = ["environment.num_train_tasks=4", "environment.num_test_tasks=2", "environment.num_validation_tasks=0", "num_rounds=1"]

WORLD = '''
class Corridor:
    """Two rooms."""

    def tasks(self, split):
        from a3t.types import Task

        return [Task(f"{split}-{i}", split) for i in range(3)] if split in ("train", "test") else []

    def reset(self, *, seed=None, options=None):
        return "You are in room 1.", {"actions": ["east"], "valid": True, "success": False}

    def step(self, action):
        return "You are in room 2.", 1.0, True, False, {"actions": [], "valid": True, "success": True}
'''


@pytest.fixture
def a3t(a3t, monkeypatch, tmp_path):
    """In an empty folder."""
    monkeypatch.chdir(tmp_path)
    return a3t


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["run", "nope.toml"], "there is no recipe at nope.toml"),
        (["run", "torn.toml"], "is not valid TOML"),
        (["run", "binary.toml"], "cannot read the recipe binary.toml"),
        (["run", "typo.toml"], "did you mean 'name'?"),
        (["run", "train.lr=fast"], "the command line: train.lr = 'fast' does not fit: expected a number."),
        (["run", "seed=one"], "the command line: seed = 'one' does not fit: expected a whole number."),
        (["run", "train.method=lara"], "train.method = 'lara' does not fit: expected 'full', 'lora', 'qlora' or 'hosted'."),
        (["run", "environment.test_splits=test"], "environment.test_splits = 'test' does not fit: expected a list"),
        (["run", "explore.probability=2"], "explore.probability = 2 does not fit: expected at most 1."),
        (["run", "train.lr=inf"], "train.lr = inf does not fit: expected a finite number."),
        (["run", "train.lr=1e3"], "train.lr = 1000.0 does not fit: expected at most 1."),
        (["run", "train.epochs=1e300"], "train.epochs = 1e+300 does not fit: expected at most 1000."),
        (["run", "num_threads=100000"], "num_threads = 100000 does not fit: expected at most 1024."),
        (["run", "revise.vote_temperature=1e9"], "does not fit: expected at most 100."),
        (["run", "search.temperature=nan"], "search.temperature = nan does not fit: expected a finite number."),
        (["run", "annotator.gate_threshold=-inf"], "expected a finite number."),
        (["run", "objective.options.beta=nan"], "objective.options.beta = nan does not fit: expected a finite number."),
        (["run", "name=.."], "a recipe's name is a line of printable characters"),
        (["run", "name=."], "a recipe's name is a line of printable characters"),
        (["run", 'name="a\\u001b[2J"'], "a recipe's name is a line of printable characters"),
        (["run", "train..lr=1"], "cannot read the override 'train..lr=1': expected key.sub=value"),
        (["run", ".lr=1"], "cannot read the override '.lr=1'"),
        (["run", "train.lr=0.1\nseed=3"], "expected one line; each key is an override of its own"),
        (["run", "deep.toml"], "deep.toml is nested too deeply"),
        (["run", f"environment.options.a={'[' * 40}{']' * 40}"], "with the overrides is nested too deeply"),
        (["run", f"environment.options.a={'[' * 5000}"], "cannot read the override of 'environment.options.a': expected tables"),
        (["run", f"environment.options{'.a' * 2000}=1"], "with the overrides is nested too deeply"),
        (["run", "policy.pth=m"], "the command line has an unknown key 'policy.pth': did you mean 'policy.path'?"),
        (["run", "typo.toml", "seed=1"], "typo.toml has an unknown key 'nme': did you mean 'name'?"),
        (["run", "train.hosted.url=x"], "the command line: train.hosted.url = … does not fit: a base URL looks like"),
        (["run", "train.hosted.poll_s=1"], "the command line lacks 'train.hosted.model', which has no default."),
        (["export", "empty", "file/x.jsonl"], "a file stands where a folder is needed (file)"),
        (["run", "--out", "file"], "file is a file; a run needs a folder of its own."),
        (["run", "seed=1", "nonsense"], "expected key.sub=value"),
        (["run", "environment.name=nope"], "no environment named 'nope'"),
        (["run", "environment.name=os:path"], "expected a class"),
        (["run", "environment.name=gym:Nope-v0"], "Gymnasium does not make 'Nope-v0'"),
        (["run", "environment.train_split=nope"], "no split of household named 'nope'"),
        (["run", "policy.path=/nope"], "/nope"),
        (["run", "annotator.prompt=/nope", "--dry-run"], "there is nothing at /nope"),
        (["run", "policy.kind=nope"], "no kind of model named 'nope'"),
        (["run", "annotator.model.path=/nope"], "there is no model folder at '/nope'"),
        (["run", "annotator.prompt=/nope"], "there is nothing at /nope"),
        (["run", "objective.name=nope"], "no objective named 'nope'"),
        (["run", "objective.selection=nope"], "no selection named 'nope'"),
        (["run", "explore.sampler=nope"], "no action sampler named 'nope'"),
        (["run", *TINY, "--out", "file/below"], "file"),
        (["resume", "nope"], "is not a run directory"),
        (["resume", "empty"], "is not a run directory"),
        (["collect", "empty"], "is not a run directory"),
        (["evaluate"], "nothing to evaluate"),
        (["evaluate", "--model", "/nope"], "there is no model folder at '/nope'"),
        (["evaluate", "empty", "--split", "train"], "no other options go with it"),
        (["evaluate", "empty", "--env", "webshop"], "no other options go with it"),
        (["evaluate", "--model", "builtin:tiny", "--tries", "2"], "--tries belongs to a strategy"),
        (["evaluate", "--model", "builtin:tiny", "--json", "empty"], "empty is a folder; expected the name of a file"),
        (["evaluate", "--model", "builtin:tiny", "--records", "empty"], "empty is a folder; expected the name of a file"),
        (["evaluate", "--model", "builtin:tiny", "--strategy", "react", "--json", "empty"], "empty is a folder"),
        (["annotate", "file", "empty"], "empty is a folder; expected the name of a file"),
        (["data", "import", "alfworld", "empty", "--to", "file/x"], "Choose another place with --to."),
        (["pretrain", "nope.toml", "--out", "x"], "there is no pretraining recipe at nope.toml"),
        (["pretrain", "torn.toml", "--out", "x"], "cannot read the pretraining recipe torn.toml"),
        (["pretrain", "--set", "seed=x", "--out", "x"], "seed = 'x' does not fit: expected a whole number"),
        (["report", "nope"], "there is no run directory nope"),
        (["report", "empty"], "there is no store at"),
        (["show", "empty", "x"], "there is no store at"),
        (["export", "empty", "x.jsonl"], "there is no store at"),
        (["export", "empty", "x.csv", "--to", "csv"], "no export format named 'csv'"),
        (["annotate", "nope.jsonl", "out.jsonl"], "there is no file nope.jsonl"),
        (["annotate", "blank.jsonl", "out.jsonl"], "blank.jsonl holds no trajectory: there is nothing to annotate."),
        (["play", "household", "--task", "nope"], "household has no task 'nope'"),
        (["play", "alfworld", "--data", "/nope"], "there is no folder /nope"),
        (["tasks", "household", "--split", "nope"], "no split of household named 'nope'"),
        (["tasks", "gym:CartPole-v1"], "has no `tasks(split)`"),
        (["env", "check", "os:path"], "expected a class"),
        (["data", "fetch", "nope"], "'nope'"),
        (["data", "fetch", "alfworld", "--edition", "2.1.9"], "no edition of ALFWorld's games named '2.1.9'"),
        (["data", "import", "webshop", "/nope"], "there is no folder /nope"),
        (["compare", "empty", "--variants", "binary.toml"], "cannot read the variants"),
        (["tasks", "household", "--limit", "-1"], "--limit"),
        (["compare", "empty"], "is not a run directory"),
        (["bench", "env", "nope"], "no environment named 'nope'"),
    ],
    ids=lambda value: " ".join(value)[:100] if isinstance(value, list) else None,
)
def test_nonsense_is_answered_with_one_message_and_code_2(a3t, tmp_path, arguments, says):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("a file")
    (tmp_path / "blank.jsonl").write_text("\n\n")
    (tmp_path / "torn.toml").write_text("x = [")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "deep.toml").write_text(f"[environment.options]\na = {'[' * 5000}{']' * 5000}")
    (tmp_path / "typo.toml").write_text('nme = "a"')
    code, out, err = a3t(*arguments)
    assert code == 2
    assert says in err
    assert "Traceback" not in err
    assert not out, "nothing was begun"
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_says_which_model_is_not_there(a3t):
    """Recipes for models that are still to be fetched have a plan all the same."""
    code, out, err = a3t("run", "policy.path=/nope", "--dry-run")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "# The run would be refused as things stand: there is no model folder at '/nope'."
    assert "The run would be refused" not in a3t("run", "--dry-run")[1]


def test_a_broken_pipe_that_is_not_the_readers_is_no_silent_end(a3t, monkeypatch):
    def broken(*_given):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr("a3t.cli.worlds.list_tasks", broken)
    with pytest.raises(RuntimeError, match="not that of standard output"):
        a3t("tasks", "household")


def test_a_command_that_is_stopped_at_once_says_so(a3t, monkeypatch):
    def stopped(*_given):
        raise KeyboardInterrupt

    monkeypatch.setattr("a3t.cli.worlds.list_tasks", stopped)
    assert a3t("tasks", "household") == (130, "", "Interrupted: stopped at once. What was acknowledged is saved.\n")


@pytest.mark.parametrize("split", ["train", "valid_seen"])
def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path, split):
    command = f"{sys.executable} -m a3t tasks household --split {split} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_help_that_nobody_reads_to_its_end_is_no_failure(tmp_path):
    # `true` is gone before anything is written.
    command = f"{sys.executable} -m a3t --help | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("number", "command", "says"),
    [
        (
            errno.EISDIR,
            ["run"],
            "IsADirectoryError: a folder stands where a file is needed (x).\n  Choose another place with --out.",
        ),
        (errno.EACCES, ["data", "fetch"], "PermissionError: may not write or read (x).\n  Choose another place with --to."),
        (errno.EACCES, ["export", "run"], "PermissionError: may not write or read (x).\n  Name another file or folder."),
        (errno.EROFS, ["resume", "run"], "PermissionError: may not write or read (x).\n  Name another file or folder."),
        (errno.EFBIG, ["data", "import"], "DiskFullError: no space is left (x)."),
        (errno.ENOENT, [], "FileNotFoundError: No such file or directory (x)."),
    ],
)
def test_what_the_system_refuses_is_said_with_an_option_that_the_command_has(number, command, says):
    assert str(explain_os_error(OSError(number, os.strerror(number), "x"), command)).startswith(says)


def test_the_command_alone_shows_its_help(a3t):
    code, out, err = a3t()
    assert code == 2
    assert out.startswith("Usage:")
    assert "resume" in out
    assert not err


def test_a_check_that_fails_says_so_in_its_exit_code(a3t, tmp_path):
    (tmp_path / "brokenworld.py").write_text("class World:\n    pass\n")
    code, out, _err = a3t("env", "check", "brokenworld:World")
    assert code == 1
    assert out


def test_a_check_may_try_less_of_a_slow_world_and_tells_each_finding_as_it_comes(a3t, tmp_path, monkeypatch):
    code, out, _err = a3t("env", "check", "textcraft", "-o", "num_train=20", "--sequences", 3, "--malformed", 20)
    assert code == 0, out
    assert "3 random sequences" in out and "20 actions" in out
    assert out.rstrip().splitlines()[-1].startswith("textcraft: 10 rules, 0 broken")
    told = []

    def reached(_suite):
        """Reached."""
        told.append("reached")

    monkeypatch.setattr("a3t.envs.conformance._Suite.malformed", reached)
    check_named("textcraft", {"num_train": 20}, num_sequences=1, tell=lambda finding: told.append(finding.rule))
    assert told.index("reached") > 5, "the rules before it had been told"
    assert a3t("env", "check", "textcraft", "--sequences", 0)[0] == 2


def test_a_world_in_a_file_of_the_current_folder_is_found_and_the_default_recipes_options_are_not_its_own(a3t, tmp_path):
    (tmp_path / "cliworld.py").write_text(WORLD)
    code, out, err = a3t("run", "environment.name=cliworld:Corridor", 'environment.test_splits=["test"]', "--dry-run")
    assert (code, err) == (0, "")
    assert "# Tasks: 2 to train on, 1 to validate, 3 to test." in out


BROKEN_WORLDS = {
    "syntax": (
        "class World:\n    def",
        "the module '{name}' was imported: SyntaxError: invalid syntax ({name}.py, line 2).",
    ),
    "imports": (
        "import nothing_of_that_name",
        "No module named 'nothing_of_that_name' ({name}.py, line 1).",
    ),
    "raises": ("raise SystemExit(3)", "broke while the module '{name}' was imported: SystemExit: 3 ({name}.py, line 1)."),
    "attribute": ("import os\nos.nope", "AttributeError: module 'os' has no attribute 'nope' ({name}.py, line 2)."),
    "init": (
        "class World:\n def __init__(self):\n  raise ValueError('no door')",
        "broke while it was made: ValueError: no door",
    ),
    "tasks": ("class World:\n def tasks(self, split):\n  return 1 / 0", "broke while its tasks were listed: ZeroDivisionError:"),
    "nothing": ("class World:\n def tasks(self, split): pass", "Expected: tasks(split) gives a sequence of a3t.types.Task."),
    "unnamed": ("x = 1", "cannot find 'World' in module '{name}'"),
}


@pytest.mark.parametrize("command", ["run", "dry", "tasks", "evaluate"])
@pytest.mark.parametrize("kind", BROKEN_WORLDS)
def test_a_world_of_ones_own_that_breaks_before_it_is_played_is_named(a3t, tmp_path, kind, command):
    code, says = BROKEN_WORLDS[kind]
    name = f"broken_{kind}_{command}"
    (tmp_path / f"{name}.py").write_text(code)
    arguments = {
        "run": ["run", f"environment.name={name}:World"],
        "dry": ["run", f"environment.name={name}:World", "--dry-run"],
        "tasks": ["tasks", f"{name}:World"],
        "evaluate": ["evaluate", "--model", "builtin:tiny", "--env", f"{name}:World"],
    }
    code, out, err = a3t(*arguments[command])
    assert (code, out) == (2, "")
    assert says.format(name=name) in err
    assert f"{name}:World" in err
    assert "Traceback" not in err


def test_a_bug_in_a_world_of_ours_keeps_its_traceback(monkeypatch):
    from a3t.envs import make

    monkeypatch.setattr("a3t.envs.household.HouseholdEnv.__init__", lambda _self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make("household")


def test_options_stay_where_the_world_stays(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[environment]\nname = "household"\noptions = { receptacles = [6, 8] }')
    assert load_recipe(recipe, ['environment.name="household"']).environment.options == {"receptacles": [6, 8]}
    assert load_recipe(recipe, ["environment.name=alfworld"]).environment.options == {}
    assert load_recipe(recipe, ["environment.name=x:Y", "environment.options.a=1"]).environment.options == {"a": 1}


def test_tasks_are_those_that_the_options_make(a3t):
    code, out, err = a3t("tasks", "textcraft", "-o", "depths=[2]", "-o", "num_train=3")
    assert (code, err) == (0, "")
    assert [line.split("/")[0][-2:] for line in out.splitlines()] == ["d2"] * 3


def test_what_is_no_run_directory_is_said_without_a_model_library(tmp_path):
    """A word of refusal should not take as long as loading torch."""
    told = "import sys; from a3t.cli.assemble import recipe_of; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_directory_of_another_recipe_is_left_alone(a3t, tmp_path):
    Store.open(tmp_path / "other", run=RunInfo(recipe_hash="0" * 12, name="other")).close()
    code, _out, err = a3t("run", *TINY, "--out", "other")
    assert code == 2
    assert "belongs to the run 'other'" in err
    assert not (tmp_path / "other" / "recipe.toml").exists()


def broken_base(folder):
    """All files of a model, and weights that are none."""
    shutil.copytree(TINY_BASE, folder)
    (folder / "model.safetensors").write_bytes(b"no weights")


def test_a_run_that_cannot_load_its_model_leaves_the_folder_to_the_corrected_recipe(a3t, tmp_path):
    broken_base(tmp_path / "base")
    code, _out, err = a3t("run", *TINY, f"policy.path={tmp_path}/base", "--out", "here")
    assert code == 2
    assert "cannot load the model in" in err
    assert not list((tmp_path / "here").glob("a3t.sqlite*"))
    assert not (tmp_path / "here" / "recipe.toml").exists()


def test_a_resumed_run_that_cannot_load_its_model_keeps_its_recipe(a3t, tmp_path):
    from a3t.cli.assemble import open_run

    shutil.copytree(TINY_BASE, tmp_path / "base")
    open_run(load_recipe(None, [*TINY, f"policy.path={tmp_path}/base"]), tmp_path / "here", PlainProgress()).store.close()
    shutil.rmtree(tmp_path / "base")
    broken_base(tmp_path / "base")
    code, _out, err = a3t("resume", "here")
    assert code == 2
    assert "cannot load the model" in err
    assert (tmp_path / "here" / "recipe.toml").exists()


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_of_every_model_is_refused_before_anything_is_made(a3t, tmp_path, missing):
    shutil.copytree(TINY_BASE, tmp_path / "base")
    (tmp_path / "base" / missing).unlink()
    code, out, err = a3t("run", *TINY, "annotator.model.path=base", "--out", "here")
    assert (code, out) == (2, "")
    assert "base " in err
    assert not (tmp_path / "here").exists()


def test_a_leftover_recipe_is_not_taken_for_this_runs(a3t, tmp_path):
    """Else the run would be found to be of another recipe when it is resumed."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "recipe.toml").write_text(load_recipe(None, ["seed=5"]).to_toml())
    code, out, err = a3t("run", *TINY, "--out", "here")
    assert (code, out) == (2, "")
    assert "no run belongs to it" in err
    assert not (tmp_path / "here" / "a3t.sqlite").exists()


def test_a_recipe_that_lies_in_its_own_run_directory_is_this_runs(tmp_path):
    from a3t.cli.assemble import open_run

    recipe = load_recipe(None, TINY)
    (tmp_path / "recipe.toml").write_text(f"# Mine.\n{recipe.to_toml()}")
    open_run(recipe, tmp_path, PlainProgress()).store.close()
    assert (tmp_path / "recipe.toml").read_text().startswith("# Mine.")


def test_a_name_that_is_spelled_alike_comes_before_one_that_holds_its_letters():
    assert nearest("nme", ["environment", "name"])[0] == "name"
    assert nearest("nope", ["webshop", "household"]) == []
    assert nearest("household", ["webshop", "household-small"]) == ["household-small"]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A run directory in which nothing has been done."""
    from a3t.cli.assemble import open_run

    folder = tmp_path_factory.mktemp("runs") / "started"
    open_run(load_recipe(None, [*TINY, "agent.max_turns=2"]), folder, PlainProgress()).store.close()
    return folder


def test_a_stage_does_what_is_missing_before_it(a3t, started, monkeypatch):
    """Exploring after half of the tries would compose on half of the failures and call it done."""
    done = []
    for name in ("collect", "explore", "train", "evaluate", "finish"):
        monkeypatch.setattr(loop, name, lambda parts, round_index, *_rest, name=name: done.append(name))
    for stage, expected in {
        "collect": ["collect"],
        "explore": ["collect", "explore"],
        "train": ["collect", "explore", "train"],
        "evaluate": ["collect", "explore", "train", "evaluate", "finish"],
    }.items():
        done.clear()
        code, out, _err = a3t(stage, started)
        assert (code, done) == (0, expected)
        assert f"Round 0: {stage} is done." in out


def test_a_report_of_nothing_says_how_to_go_on(a3t, started):
    code, _out, err = a3t("report", started)
    assert code == 0
    assert f"a3t resume {started}" in err


@pytest.mark.parametrize("form", ["--markdown", "--json", "--paper"])
def test_a_run_without_test_tasks_has_a_report_and_no_curve(a3t, tmp_path, form):
    with Store.open(tmp_path / "here", run=RunInfo(recipe_hash="0" * 12, name="here")) as store:
        store.finish_round(Round(0, "rounds/00/policy", {"scores": {}, "accumulated": {}, "cost": {}}))
    code, _out, err = a3t("report", "here", form)
    assert code == 0
    assert "no curve is drawn" in err
    assert (tmp_path / "here" / "report.html").exists()
    assert not (tmp_path / "here" / "curve.svg").exists()


def test_an_unknown_task_names_what_there_is(a3t, started):
    code, _out, err = a3t("show", started, "nope")
    assert code == 2
    assert "no task matches 'nope'" in err


def test_a_comparison_needs_a_finished_round(a3t, started):
    code, _out, err = a3t("compare", started)
    assert code == 2
    assert "has no finished round" in err


def test_where_there_is_no_terminal_a_line_says_how_far_how_fast_and_how_long_still(capsys, monkeypatch):
    now = 0.0
    monkeypatch.setattr("a3t.cli.console.time.monotonic", lambda: now)
    progress = PlainProgress()
    progress.begin("collect", 40)
    now = 20.0
    progress.advance(10, solved=True)
    assert capsys.readouterr().out.split() == [
        "collect",
        "10/40",
        "solved",
        "100%",
        "·",
        "0.5/s",
        "20",
        "s,",
        "about",
        "60",
        "s",
        "left",
    ]


EVALUATE = ["evaluate", "--model", "builtin:tiny", "--num-tasks", "2", "--recipe", "short.toml"]


def test_any_model_is_evaluated_and_its_scores_written_where_asked(a3t, tmp_path):
    (tmp_path / "short.toml").write_text("[agent]\nmax_turns = 2")
    code, out, _err = a3t(*EVALUATE, "--json", "new/folder/scores.json")
    assert code == 0
    assert "builtin:tiny on valid_unseen" in out
    assert json.loads(Path("new/folder/scores.json").read_text())["scores"]["valid_unseen"]["total"]["n"] == 2


def test_an_evaluation_that_was_stopped_gives_no_score(a3t, tmp_path, monkeypatch):
    (tmp_path / "short.toml").write_text("[agent]\nmax_turns = 2")
    monkeypatch.setattr("a3t.agents.asking.run", lambda episodes, width, _stop: real_run(episodes, width, lambda: True))
    code, out, err = a3t(*EVALUATE, "--json", "scores.json")
    assert code == 130
    assert "stopped after 0 of 2 trials" in err
    assert "Solved" not in out
    assert not Path("scores.json").exists()


def logged(environment, action):
    step = Step("", action, "You did.", valid=True)
    return Trajectory(TASK, "A room.", (step,), 1.0, True, Stop.SUCCESS, Stage.IMPORT, environment)


@pytest.mark.parametrize(
    ("environment", "action", "words"),
    [
        ("alfworld/2.1.1 a3t-engine 1", "look", "put"),
        ("alfworld/2.1.2 a3t-engine 1", "put mug 1 in/on shelf 1", "move"),
        ("somebody's log", "put mug 1 in/on shelf 1", "put"),
        ("somebody's log", "move mug 1 to shelf 1", "move"),
        ("somebody's log", "look", "move"),
    ],
)
def test_what_is_annotated_is_explained_with_examples_in_its_own_words(a3t, tmp_path, monkeypatch, environment, action, words):
    write_jsonl(tmp_path / "log.jsonl", [logged(environment, "inventory"), logged(environment, action)])
    headers = []
    monkeypatch.setattr("a3t.annotate.annotate_file", lambda *given, **_: headers.append(given[2].header(TASK, "")))
    code, _out, err = a3t("annotate", "log.jsonl", "out.jsonl", "--prompt", "few-shot")
    assert (code, err) == (0, "")
    (header,) = headers
    assert (" in/on " in header) == (words == "put")
