"""Several worlds in one run: each task keeps its own world's words, prompt, rewards and place in the tables."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import a3t as program
from a3t.agents.react import ReactPolicy
from a3t.cli.speaking import header_of, lesson_of, own_prompt, speech_of
from a3t.config import Recipe
from a3t.envs.conformance import check
from a3t.envs.joint import JointEnv
from a3t.episode import Worlds, policy_mover, rollout
from a3t.errors import BadDataError, RecipeError, UnknownNameError, UnknownTaskError
from a3t.evaluate import score
from a3t.exchange.chats import said
from a3t.exchange.item import Item
from a3t.models.scripted import ScriptedModel
from a3t.report.agent_r import agent_r_tables
from a3t.report.tables import scores_table, validation
from a3t.report.view import view_run
from a3t.text.joint import HeaderByWorld, SpeechByWorld, joined, own_task
from a3t.text.prompting import SameForAll
from a3t.text.react import HOUSEHOLD, WEBSHOP
from a3t.types import Round, Stage, Stop, Task, Trajectory, prompt_text
from plugin_world import Corridor
from toy_world import finish, terms

SMALL = {"receptacles": [6, 7], "distractors": [4, 5]}
WORLDS = {
    "home": {"name": "household", "options": SMALL, "num": {"train": 12, "test": 6}},
    "craft": {"name": "textcraft", "options": {"depths": [1]}, "num": {"train": 5}},
    "walk": {"name": "plugin_world:Corridor"},
}


class Bare(Corridor):
    """Keeps no snapshots, and tells no solution."""

    def __getattribute__(self, name):
        if name in ("snapshot", "restore", "solution"):
            raise AttributeError(name)
        return super().__getattribute__(name)


def recipe(**changes):
    data = {
        "environment": {"name": "joint", "options": {"worlds": {**WORLDS, "shop": {"name": "webshop", "num": {"train": 2}}}}},
        **changes,
    }
    return Recipe.model_validate(data)


def test_several_worlds_keep_every_rule_that_each_keeps():
    report = check(lambda: JointEnv(WORLDS), num_sequences=120, num_malformed=800)
    report.raise_if_broken()
    assert all(finding.verdict == "holds" for finding in report.findings)


def test_a_world_without_snapshots_is_replayed_and_the_others_are_not():
    env = JointEnv({"bare": {"name": "test_joint:Bare"}, "walk": {"name": "plugin_world:Corridor"}})
    env.reset(options={"task_id": "bare/train-2"})
    assert not hasattr(env, "snapshot") and env.solution("bare/train-2") is None
    env.reset(options={"task_id": "walk/train-2"})
    env.step("east")
    state = env.snapshot()
    env.step("west")
    env.restore(state)
    assert env.step("east")[0] == "You are in room 2."


def test_tasks_carry_the_name_of_their_world_and_splits_are_what_each_world_calls_so():
    env = program.make("joint", worlds=WORLDS)
    assert env.splits == ("train", "validation", "test")
    by_world = {
        split: {world: sum(task.task_id.startswith(f"{world}/") for task in env.tasks(split)) for world in WORLDS}
        for split in env.splits
    }
    assert by_world == {
        "train": {"home": 12, "craft": 5, "walk": 5},
        "validation": {"home": 200, "craft": 100, "walk": 0},  # the corridor has no such split
        "test": {"home": 6, "craft": 200, "walk": 5},
    }
    task = env.tasks("test")[0]
    own = own_task(task)
    assert task.split == "test" and task.task_type == f"home: {own.task_type}"
    unseen = {one.task_id for one in program.make("household", **SMALL).tasks("valid_unseen")}
    assert own.task_id in unseen, "what a joint run tests on is what the world tests on"
    assert len({one.task_type for one in env.tasks("test") if one.task_id.startswith("home/")}) == 6, "stratified by type"


def test_an_episode_is_the_worlds_own_and_records_name_it():
    env, plain = JointEnv(WORLDS), program.make("household", **SMALL)
    assert env.version.startswith("joint home = household/2.1.2") and "craft = textcraft/generated" in env.version
    task = env.tasks("test")[0]
    text, info = env.reset(options={"task_id": task.task_id, "split": "test"})
    assert (text, info) == plain.reset(options={"task_id": own_task(task).task_id})
    assert env.version == plain.version, "a record says what was played"
    for action in env.solution(task.task_id):
        answer = env.step(action)
        assert answer == plain.step(action)
    assert answer[1] == 1.0


@pytest.mark.parametrize(
    ("worlds", "told"),
    [
        (None, r"worlds = None does not fit: expected a table for each world"),
        ({}, r"expected a table for each world"),
        ({"a b": {}}, r"'a b' is no name of a world"),
        ({"x": 3}, r"the world 'x' does not fit: expected a table"),
        ({"x": {"nam": "household"}}, r"unknown key 'nam': did you mean 'name'"),
        ({"home": {"name": "household", "num": {"train": 0}}}, r"num.train = 0 does not fit: expected at least 1"),
        ({"household": {"options": {"seeed": 1}}}, r"household has no option 'seeed'"),
        ({"joint": {}}, r"is joint itself"),
        (
            {"home": {"name": "household", "splits": {"test": "train"}}},
            r"two of train, validation and test are its split 'train'",
        ),
        ({"home": {"name": "household", "splits": {"test": "valid_seen"}}}, r"are its split 'valid_seen'"),
    ],
)
def test_worlds_that_make_no_sense_are_refused_in_one_message(worlds, told):
    with pytest.raises(RecipeError, match=told):
        program.make("joint", worlds=worlds)


def test_a_shops_overlapping_splits_are_refused_and_a_world_that_must_have_a_split_has_it():
    with pytest.raises(RecipeError, match=r"splits 'all' and 'test' of the world 'shop' share 500 tasks"):
        env = JointEnv({"shop": {"name": "webshop", "splits": {"train": "all"}}})
        assert env.tasks("train")
        env.tasks("test")
    counted = JointEnv({"walk": {"name": "plugin_world:Corridor", "num": {"validation": 3}}})
    with pytest.raises(UnknownNameError, match="corridor has no split 'validation'"):
        counted.tasks("validation")
    assert not JointEnv(WORLDS | {"shop": {"name": "webshop"}}).one_task_per_id, "not all of them promise it"
    assert JointEnv({"shop": {"name": "webshop"}}).one_task_per_id


def test_a_task_of_no_world_of_the_run_is_refused_by_name():
    stray = Task("demo-0", "train")
    with pytest.raises(BadDataError, match=r"'demo-0' is of none of this run's worlds \(home\)"):
        SpeechByWorld({"home": HOUSEHOLD}).of(stray)
    with pytest.raises(BadDataError, match="demo-0"):
        HeaderByWorld({"home": SameForAll("")})(stray, "")


def test_names_that_nobody_knows_are_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no environment named 'house'.\n  Nearest: 'household'"):
        JointEnv({"house": {}})
    with pytest.raises(UnknownNameError, match="Nearest: 'textcraft'"):
        JointEnv({"x": {"name": "household", "format": "textkraft"}})
    with pytest.raises(UnknownNameError, match="Nearest: 'test'"):
        JointEnv({"textcraft": {"splits": {"test": "tset"}}}).tasks("test")
    env = JointEnv(WORLDS)
    with pytest.raises(UnknownTaskError, match="Nearest world: 'home'"):
        env.reset(options={"task_id": "hom/t1"})
    with pytest.raises(UnknownTaskError, match="household has no task 't1'"):
        env.reset(options={"task_id": "home/t1"})
    with pytest.raises(UnknownNameError, match="no split of joint named 'valid'"):
        env.tasks("valid")


def test_the_recipe_speaks_each_world_in_its_own_format_and_no_other_world_may_be_joint():
    told = recipe()
    assert told.agent.format == "joint", "unsaid, it follows the environment"
    speech = speech_of(told)
    names = {world: speech.of(Task(f"{world}/t1", "train")).name for world in ("home", "craft", "walk", "shop")}
    assert names == {"home": "household", "craft": "textcraft", "walk": "household", "shop": "webshop"}
    with pytest.raises(RecipeError, match=r"agent.format = 'joint' with environment.name = 'household'"):
        speech_of(Recipe.model_validate({"agent": {"format": "joint"}}))


def test_one_policy_plays_each_world_in_its_own_words():
    env = JointEnv(WORLDS | {"shop": {"name": "webshop", "num": {"train": 2}}})
    worlds = Worlds(lambda: env, 30.0)
    speech = SpeechByWorld({"home": HOUSEHOLD, "shop": WEBSHOP})
    header = HeaderByWorld({"home": SameForAll("At home.\n"), "shop": SameForAll("In the shop.\n")})
    model = ScriptedModel(
        lambda request: " search[red shoes]\n" if prompt_text(request.prompt).endswith("Action:") else " look\n"
    )
    agent = ReactPolicy(model, speech, header, name="01")
    played = {}
    for world in ("home", "shop"):
        task = next(task for task in env.tasks("train") if task.task_id.startswith(f"{world}/"))
        mover = policy_mover(agent, temperature=0.0, seed=0, session=world)
        played[world] = finish(rollout(worlds, task, mover, terms(max_turns=2, environment="joint"), seed=0))
    assert played["shop"].actions[0] == "search[red shoes]" and played["shop"].steps[0].valid
    assert played["home"].actions == ("look", "look")
    assert [played[world].environment.split("/")[0].split("-")[0] for world in played] == ["household", "webshop"]
    asked = [prompt_text(call.prompt) for call in model.calls]
    assert asked[0].startswith("At home.\n") and asked[0].endswith("\n>")
    assert asked[2].startswith("In the shop.\n") and asked[2].endswith("Action:")
    chat = said(Item(played["shop"]), speech)
    assert chat[1].content == "search[red shoes]"


def test_prompts_are_each_worlds_own_by_type_or_from_a_folder_by_world(tmp_path: Path):
    told = recipe(agent={"prompt": "few-shot", "num_examples": 1})
    env = JointEnv(told.environment.options["worlds"])
    header = header_of(told, "few-shot", env.version)
    task = next(task for task in env.tasks("train") if "pick_heat" in task.task_type)
    plain = header_of(Recipe.model_validate({"agent": {"num_examples": 1}}), "few-shot", "household/2.1.2")
    assert header(task, "") == plain(own_task(task), ""), "the example is that of the task's own type"
    (tmp_path / "home.txt").write_text("At home.", encoding="utf-8")
    (tmp_path / "craft").mkdir()
    (tmp_path / "craft" / "default.txt").write_text("> get 1 log", encoding="utf-8")
    assert own_prompt(str(tmp_path), "home") == str(tmp_path / "home.txt")
    assert own_prompt(str(tmp_path), "craft") == str(tmp_path / "craft")
    judged = lesson_of(told, "few-shot", "judge")
    assert len({judged(Task(f"{world}/t", "train")) for world in ("home", "craft", "shop")}) == 3


def tried(task: Task, reward: float, round_index: int = 0) -> Trajectory:
    stop = Stop.SUCCESS if reward == 1 else Stop.FAILURE
    return Trajectory(task, "o", (), reward, reward == 1, stop, Stage.EVALUATE, "w", round_index)


def trials() -> list[Trajectory]:
    kinds = [("craft", "depth-1", 1.0), ("craft", "depth-2", 0.0), ("home", "pick_and_place_simple", 1.0), ("home", "x", 1.0)]
    return [tried(joined(world, Task(f"t{i}", "own", kind), "test"), reward) for i, (world, kind, reward) in enumerate(kinds)]


def test_scores_are_told_by_world_and_by_type_and_tables_have_room_for_the_worlds():
    scores = score(trials())
    told = {name: (one.successes, one.n) for name, one in scores.by_type.items()}
    assert told == {
        "craft": (1, 2), "craft: depth-1": (1, 1), "craft: depth-2": (0, 1),
        "home": (2, 2), "home: pick_and_place_simple": (1, 1), "home: x": (1, 1),
    }  # fmt: skip
    assert [row.label for row in scores_table(scores).rows] == [
        "craft", "craft: depth-1", "craft: depth-2", "home", "home: Pick", "home: x", "Total",
    ]  # fmt: skip
    run = view_run("r", [Round(0, "p", {"scores": {"test": scores.to_json()}, "validation": scores.to_json()})])
    assert validation(run).columns == ("craft", "home", "Total")


def test_a_plug_ins_own_colon_makes_no_world_of_it():
    scores = score([tried(Task("t1", "test", "level: hard"), 1.0), tried(Task("t2", "test", "level: soft"), 1.0)])
    assert set(scores.by_type) == {"level: hard", "level: soft"}


def test_agent_rs_table_gives_each_world_its_column_and_averages_them():
    metrics = {"scores": {"test": score(trials()).to_json()}, "revise": {"alpha": 0.5}, "recovery": {"rate": 0.25}}
    version = "joint craft = textcraft/generated 1 a3t-crafting 1; home = household/2.1.2 a3t-engine 1"
    run = view_run("r", [Round(0, "p", metrics)], provenance={"environment": version}, environment=version)
    table = agent_r_tables(run)[0]
    assert table.columns == ("WebShop", "ScienceWorld", "TextCraft", "home", "Average", "Recovery")
    assert [cell.text for cell in table.rows[0].cells] == ["–", "–", "50.00", "100.00", "75.00", "25.00"]
    alike = "joint craft = textcraft/generated 1 a3t-crafting 1; home = textcraft/generated 1 a3t-crafting 1"
    table = agent_r_tables(view_run("r", [Round(0, "p", metrics)], provenance={"environment": alike}, environment=alike))[0]
    assert table.columns[3:5] == ("craft", "home"), "two worlds of one kind have columns of their own"
    assert [cell.text for cell in table.rows[0].cells][2:] == ["–", "50.00", "100.00", "75.00", "25.00"]


RUN = f"""
name = "both"
num_threads = 1
num_rounds = 2
[environment]
name = "joint"
num_train_tasks = 8
num_validation_tasks = 0
test_splits = ["test"]
num_test_tasks = 4
[environment.options.worlds.home]
name = "household"
options = {json.dumps(SMALL).replace(":", " =").replace('"', "")}
num = {{ train = 6, test = 2 }}
[environment.options.worlds.craft]
name = "textcraft"
options = {{ depths = [1], max_steps = 3 }}
num = {{ train = 2, test = 2 }}
[agent]
max_turns = 12
max_tokens = 24
[annotator]
max_tokens = 24
[explore]
num_compositions = 1
min_compositions = 1
probability = 0.2
[objective]
name = "sft"
selection = "supervised-1.0"
[train]
epochs_first = 1
epochs = 1
observation_loss = false
"""


def test_a_run_in_two_worlds_closes_its_loop_and_resumes_to_the_same_tasks(a3t, tmp_path: Path):
    (tmp_path / "both.toml").write_text(RUN, encoding="utf-8")
    code, out, err = a3t("run", tmp_path / "both.toml", "--out", tmp_path / "run")
    assert code == 0, err
    assert "craft" in out and "home" in out
    code, out, err = a3t("export", tmp_path / "run", tmp_path / "chats.jsonl", "--to", "openai")
    assert code == 0, err
    from a3t.cli.telling import reading

    with reading(tmp_path / "run") as store:
        seen = {(t.task.task_id.split("/")[0], t.environment.split("/")[0]) for t in store.trajectories()}
    assert seen == {("home", "household"), ("craft", "textcraft")}
    stray = {"messages": [{"role": "user", "content": "A room."}, {"role": "assistant", "content": "look"}]}
    (tmp_path / "stray.jsonl").write_text(json.dumps(stray) + "\n", encoding="utf-8")
    code, out, err = a3t("import", tmp_path / "stray.jsonl", tmp_path / "run", "--from", "openai", "--reward", "1")
    assert code == 2 and "is of none of this run's worlds (home, craft)" in err
    assert a3t("resume", tmp_path / "run")[0] == 0


def test_replacing_a_task_keeps_what_is_the_worlds_own():
    task = Task("a/b", "valid_unseen", "", "do it")
    longer = joined("w", task, "test")
    assert (longer.task_id, longer.task_type, longer.split) == ("w/a/b", "w", "test")
    assert own_task(longer) == replace(task, split="test")
