"""`a3t export` and `a3t import` on a real run directory: there, back, and into another run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from a3t.config import parse_recipe
from a3t.models import folder as model_folder
from a3t.models.loading import load_tokenizer
from a3t.store import RunInfo, Store, read_jsonl
from a3t.types import Author, Round, Stage, Step, Stop, Task, Trajectory


def trajectory(task, *, success=True, stage=Stage.COLLECT, round_index=0, split="train"):
    steps = (Step("because", f"look {stage}", "A desk.", Author.POLICY, Author.POLICY),)
    return Trajectory(
        Task(task, split, "pick"),
        "A room.",
        steps,
        float(success),
        success,
        Stop.SUCCESS if success else Stop.FAILURE,
        stage,
        "household",
        round_index,
    )


@pytest.fixture
def run(tmp_path):
    def make(name, trajectories, recipe=None, num_rounds=2):
        folder = tmp_path / name
        folder.mkdir()
        recipe = parse_recipe({"objective": {"selection": "binarized"}} | (recipe or {}))
        (folder / "recipe.toml").write_text(recipe.to_toml())
        with Store.open(folder, run=RunInfo(recipe_hash=recipe.hash)) as store:
            store.protect([Task("test-1", "valid_unseen")])
            store.add_many(trajectories)
            for index in range(num_rounds):
                store.finish_round(Round(index, f"rounds/{index:02d}/policy", {}))
        return folder

    return make


@pytest.fixture
def a3t(a3t):
    """Exit code, and all that was said."""

    def call(*arguments):
        code, out, err = a3t(*arguments)
        return code, out + err

    return call


GATHERED = [
    trajectory("a"),
    trajectory("b", success=False, stage=Stage.COLLECT, round_index=1),
    trajectory("b", stage=Stage.EXPLORE, round_index=1),
    trajectory("test-1", stage=Stage.EVALUATE, split="valid_unseen"),
]


@pytest.mark.parametrize("form", ["jsonl", "atif", "parquet"])
def test_everything_comes_back_from_formats_of_record(form, a3t, run, tmp_path):
    folder = run("one", GATHERED)
    out = tmp_path / f"x.{'parquet' if form == 'parquet' else 'jsonl'}"
    assert a3t("export", folder, out, "--to", form)[0] == 0
    assert a3t("import", out, tmp_path / "back.jsonl", "--from", form)[0] == 0
    with Store.open(folder, read_only=True) as store:
        assert list(read_jsonl(tmp_path / "back.jsonl")) == list(store.trajectories())


def test_training_formats_get_the_training_set_and_no_test_task(a3t, run, tmp_path):
    code, said = a3t("export", run("one", GATHERED), tmp_path / "x.jsonl", "--to", "openai")
    assert code == 0
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 2
    assert "1 × left out: a weight of 0 or less" in said
    assert "test-1" not in (tmp_path / "x.jsonl.a3t").read_text()


def test_weights_travel_in_our_own_lines(a3t, run, tmp_path):
    a3t("export", run("one", GATHERED), tmp_path / "x.jsonl", "--training")
    assert [json.loads(line)["weight"] for line in (tmp_path / "x.jsonl").read_text().splitlines()] == [1.0, -1.0, 1.0]


def partial(task, reward, stage):
    return replace(trajectory(task, success=False, stage=stage, round_index=1), reward=reward)


def test_the_training_set_is_what_the_last_finished_round_was_trained_on(a3t, run, tmp_path):
    """Good by α of that round; plain trajectories by their share; one's own chat, in its own words; nothing gathered since."""
    chat = tmp_path / "chat.jsonl"
    hello = {"messages": [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hello you."}]}
    chat.write_text(json.dumps(hello))
    thought = Step("I was wrong.", "", "OK.", Author.REVISER)
    revised = replace(partial("r", 0.8, Stage.REVISE), steps=(thought, *trajectory("r").steps))
    gathered = [
        trajectory("a"),
        trajectory("b"),
        revised,
        partial("s", 0.6, Stage.SEARCH),
        trajectory("later", stage=Stage.COLLECT, round_index=2),
    ]
    recipe = {
        "revise": {"source": "search", "alpha": [0.7, 1.0], "first_round": 1},
        "mixture": {"plain_share": 0.5, "chat": str(chat), "chat_share": 0.34},
    }
    folder = run("one", gathered, recipe)
    code, said = a3t("export", folder, tmp_path / "x.jsonl", "--training")
    assert code == 0 and "3 trajectories of the training set of round 1" in said
    written = [json.loads(line)["task_id"] for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert written in (["a", "r", "chat-1"], ["b", "r", "chat-1"])
    a3t("export", folder, tmp_path / "x.openai", "--to", "openai")
    assert json.loads((tmp_path / "x.openai").read_text().splitlines()[-1]) == hello
    code, _said = a3t("export", folder, tmp_path / "x.trl", "--to", "trl", "--tokenizer", "builtin:tiny")
    last = json.loads((tmp_path / "x.trl").read_text().splitlines()[-1])
    tokenizer = load_tokenizer(model_folder("builtin:tiny"))
    trained = [i for i, mask in zip(last["input_ids"], last["completion_mask"], strict=True) if mask]
    assert code == 0 and tokenizer.decode(trained).split() == ["Hello", "you."]


def test_before_a_round_is_finished_the_training_set_is_that_of_round_0(a3t, run, tmp_path):
    code, said = a3t("export", run("one", GATHERED, num_rounds=0), tmp_path / "x.jsonl", "--training")
    assert code == 0 and "1 trajectories of the training set of round 0" in said


def test_token_ids_and_masks_are_those_of_our_own_trainer(a3t, run, tmp_path):
    """Labels are the ids where the trainer trains and -100 elsewhere; imported again, the record is equal."""
    masked = replace(trajectory("a"), steps=(Step("why", "look", "A desk.", trained=False), Step("", "take mug 1", "Yours.")))
    folder = run("one", [masked])
    code, _said = a3t("export", folder, tmp_path / "x.jsonl", "--to", "trl", "--tokenizer", "builtin:tiny")
    assert code == 0
    (row,) = map(json.loads, (tmp_path / "x.jsonl").read_text().splitlines())
    tokenizer = load_tokenizer(model_folder("builtin:tiny"))
    trained = [i for i, label in zip(row["input_ids"], row["labels"], strict=True) if label != -100]
    assert [label for label in row["labels"] if label != -100] == trained
    assert row["completion_mask"] == [int(label != -100) for label in row["labels"]]
    said = tokenizer.decode(trained)
    assert "take mug 1" in said and "room" in said.lower()
    assert "look" not in said and "why" not in said
    assert "look" in tokenizer.decode(row["input_ids"])
    assert a3t("import", tmp_path / "x.jsonl", tmp_path / "back.jsonl", "--from", "trl")[0] == 0
    assert list(read_jsonl(tmp_path / "back.jsonl")) == [masked]


def test_token_ids_go_to_trl_alone(a3t, run, tmp_path):
    code, said = a3t("export", run("one", GATHERED), tmp_path / "x.jsonl", "--to", "openai", "--tokenizer", "builtin:tiny")
    assert code == 2 and "takes no token ids" in said


def test_another_run_takes_demonstrations_in_and_trains_on_them(a3t, run, tmp_path):
    a3t("export", run("one", GATHERED), tmp_path / "x.jsonl")
    other = run("two", [])
    code, said = a3t("import", tmp_path / "x.jsonl", other)
    assert code == 0 and "3 trajectories taken in" in said and "1 × left out: a trial" in said
    code, _said = a3t("import", tmp_path / "x.jsonl", other)
    assert code == 0
    with Store.open(other, read_only=True) as store:
        taken = list(store.training_trajectories())
    assert {t.stage for t in taken} == {Stage.IMPORT}
    assert sorted((t.task.task_id, t.attempt) for t in taken) == [("a", 0), ("a", 1), ("b", 0), ("b", 1), ("b", 2), ("b", 3)]


def test_a_test_task_is_refused_whoever_brings_it(a3t, run, tmp_path):
    demo = {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}], "task_id": "test-1"}
    (tmp_path / "demo.jsonl").write_text(json.dumps({**demo, "split": "valid_unseen"}))
    other = run("two", [])
    code, said = a3t("import", tmp_path / "demo.jsonl", other, "--from", "openai", "--reward", 1)
    assert code == 2
    assert "TestTaskError" in said
    with Store.open(other, read_only=True) as store:
        assert list(store.trajectories()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["import", "absent.jsonl", "out.jsonl"], "MissingDataError: there is no file absent.jsonl."),
        (["import", "absent.jsonl", "out.jsonl", "--from", "trl"], "MissingDataError: there is no file absent.jsonl."),
        (["import", "absent.jsonl", "no-run"], "is not a run directory"),
        (["import", "absent.jsonl", "out.jsonl", "--from", "xml"], "no format named 'xml'"),
        (["import", "absent.jsonl", "out.jsonl", "--reward", "7"], "a number in [0, 1]"),
        (["export", "no-run", "out.jsonl", "--to", "xml"], "no export format named 'xml'"),
    ],
)
def test_nonsense_is_one_message(arguments, says, a3t, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code, said = a3t(*arguments)
    assert code == 2
    assert says in said
    assert not (tmp_path / "out.jsonl").exists()
