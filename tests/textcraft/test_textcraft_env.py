"""The TextCraft environment: the contract, its tasks and its own quirks."""

import inspect
import re
from pathlib import Path

import pytest
from minecraft_folder import RECIPES, write

import a3t
from a3t.envs.conformance import check
from a3t.envs.textcraft import TextCraftEnv
from a3t.errors import EnvironmentFailure, MissingDataError, RecipeError, UnknownNameError, UnknownTaskError

PAGE = (Path(__file__).parents[2] / "docs" / "textcraft.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("minecraft"))


def test_textcraft_keeps_every_rule_of_the_suite():
    report = check(TextCraftEnv, num_sequences=400, num_malformed=4000)
    report.raise_if_broken()
    assert all(finding.verdict == "holds" for finding in report.findings)


def test_textcraft_over_a_recipe_folder_keeps_every_rule_of_the_suite(folder):
    report = check(lambda: TextCraftEnv(recipes=folder), num_sequences=200, num_malformed=2000)
    report.raise_if_broken()
    assert all(finding.verdict == "holds" for finding in report.findings)


def test_it_is_made_by_name_with_as_many_tasks_as_asked_for_and_longer_splits_go_on():
    env, few = a3t.make("textcraft"), a3t.make("textcraft", num_train=9, num_valid=4, num_test=6)
    assert env.splits == few.splits == ("train", "valid", "test")
    assert [len(env.tasks(split)) for split in env.splits] == [2000, 100, 200]
    assert [len(few.tasks(split)) for split in env.splits] == [9, 4, 6]
    assert env.tasks("train")[:9] == few.tasks("train")


def test_a_task_says_depth_and_goal_and_depths_are_dealt_in_turn():
    env = TextCraftEnv()
    tasks = env.tasks("test")[:8]
    assert [task.task_type for task in tasks] == ["depth-1", "depth-2", "depth-3", "depth-4"] * 2
    for task in tasks:
        text, info = env.reset(options={"task_id": task.task_id})
        assert text.startswith("Crafting commands:\ncraft ")
        assert text.endswith(f"\n\nGoal: {task.instruction}")
        assert info["valid"] and not info["success"]
    assert {task.task_type for task in TextCraftEnv(depths=3).tasks("train")} == {"depth-3"}


def test_winning_gives_reward_one_ends_the_episode_and_nothing_happens_after_it():
    env = TextCraftEnv()
    task = env.tasks("valid")[3]
    _, info = env.reset(options={"task_id": task.task_id})
    for action in env.solution(task.task_id):
        assert action in info["actions"]
        text, reward, terminated, truncated, info = env.step(action)
        assert (reward == 1) is terminated is info["success"]
        assert not truncated
    assert terminated and text.startswith("Crafted ")
    assert info["actions"] == env.actions == []
    assert env.step("inventory") == (text, 1.0, True, False, {"actions": [], "valid": False, "success": True})


def test_max_steps_truncates():
    env = TextCraftEnv(max_steps=2)
    env.reset(seed=0)
    assert env.step("inventory")[3] is False
    assert env.step("what")[1:4] == (0.0, False, True)


def test_a_snapshot_is_a_value_that_another_environment_takes():
    env, other = TextCraftEnv(), TextCraftEnv()
    task = env.tasks("train")[2]
    env.reset(options={"task_id": task.task_id})
    solution = env.solution(task.task_id)
    for action in solution[:-1]:
        env.step(action)
    state = env.snapshot()
    env.step(solution[-1])
    other.restore(state)
    assert other.actions == sorted(other.actions) and solution[-1] in other.actions
    assert other.step(solution[-1])[1] == 1
    with pytest.raises(EnvironmentFailure, match="its own snapshots, not a dict"):
        env.restore({})


def test_without_a_task_the_seed_chooses_one_of_the_split():
    env = TextCraftEnv(split="test")
    first = env.reset(seed=3)[0]
    assert env.reset(seed=3)[0] == first
    goals = {f"Goal: {task.instruction}" for task in env.tasks("valid")}
    assert env.reset(seed=3, options={"split": "valid"})[0].rpartition("\n")[2] in goals


def test_ids_of_other_worlds_are_refused_saying_why():
    env = TextCraftEnv(seed=1, num_train=20)
    mine = env.tasks("train")[3].task_id
    for task_id, why in (
        (TextCraftEnv(seed=0).tasks("train")[3].task_id, "seed=0, this world has seed=1"),
        (TextCraftEnv(seed=1).tasks("train")[30].task_id, r"train has 20 tasks \(num_train\)"),
        (TextCraftEnv(seed=1, depths=2).tasks("train")[3].task_id, "under these options"),
        (mine.replace("/", "/x"), "ids are like"),
        (mine.upper(), "ids are like"),
        (None, None),
    ):
        if why:
            with pytest.raises(UnknownTaskError, match=why):
                env.reset(options={"task_id": task_id})
            with pytest.raises(UnknownTaskError, match=why):
                env.solution(task_id)
    with pytest.raises(UnknownTaskError, match=f"Nearest: '{mine}'"):
        env.reset(options={"task_id": mine[1:]})


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seed": -1}, "seed = -1"),
        ({"seed": True}, "seed = True"),
        ({"depths": []}, r"depths = \[\] does not fit: expected a list of depths from 1 to 4"),
        ({"depths": [0]}, "depths"),
        ({"depths": 5}, "depths"),
        ({"depths": "12"}, "depths"),
        ({"depths": [1.5]}, "depths"),
        ({"distractors": [5, 2]}, r"distractors = \[5, 2\] does not fit: expected \[least, most\] between 0 and 30"),
        ({"distractors": [1, 2, 3]}, "distractors"),
        ({"distractors": "many"}, "distractors"),
        ({"num_train": 0}, "num_train = 0"),
        ({"num_test": "all"}, "num_test"),
        ({"max_steps": 0}, "max_steps"),
        ({"deepness": 3}, "options it does not take"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, says):
    with pytest.raises(RecipeError, match=says):
        a3t.make("textcraft", **options)


def test_unknown_splits_are_refused():
    with pytest.raises(UnknownNameError, match="'dev'"):
        TextCraftEnv(split="dev")
    with pytest.raises(UnknownNameError, match="'dev'"):
        TextCraftEnv().tasks("dev")


def test_over_a_folder_the_tasks_are_its_items_and_the_seed_draws_what_is_shown(folder):
    env, other = TextCraftEnv(recipes=folder), TextCraftEnv(1, recipes=str(folder))
    ids = {task.task_id for split in env.splits for task in env.tasks(split)}
    assert ids == {
        *("oak_planks-d1", "birch_planks-d1", "iron_ingot-d1", "stick-d2", "chest-d2", "oak_boat-d2"),
        *("torch-d3", "ladder-d3", "fishing_rod-d3", "jack-d4"),
    }
    one, two = (it.reset(options={"task_id": "torch-d3"})[0] for it in (env, other))
    assert one != two
    assert one.endswith("Goal: craft torch.")
    with pytest.raises(UnknownTaskError, match="Nearest"):
        env.reset(options={"task_id": "torch-d2"})


def test_a_small_folder_has_only_the_splits_that_have_a_task(tmp_path):
    env = TextCraftEnv(recipes=write(tmp_path, {"stick": RECIPES["stick"]}))
    assert len(env.splits) == 1
    assert len(env.tasks(env.splits[0])) == 1
    with pytest.raises(MissingDataError, match=r"nothing under .* is crafted in 3 to 4 steps"):
        TextCraftEnv(recipes=tmp_path, depths=[3, 4])


def test_num_of_a_split_keeps_its_first_tasks_of_a_folder(folder):
    env, few = TextCraftEnv(recipes=folder), TextCraftEnv(recipes=folder, num_train=2)
    assert few.tasks("train") == env.tasks("train")[:2]
    with pytest.raises(UnknownTaskError):
        few.reset(options={"task_id": env.tasks("train")[2].task_id})


def test_records_name_engine_and_recipes(folder):
    assert TextCraftEnv().version == "textcraft/generated 1 a3t-crafting 1"
    assert re.fullmatch(r"textcraft/recipes [0-9a-f]{8} a3t-crafting 1", TextCraftEnv(recipes=folder).version)


def test_the_page_names_every_option_and_its_default():
    named = dict(re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]+) \|", PAGE, re.MULTILINE))
    documented = {name for names in named for name in re.findall(r"`([a-z_]+)`", names)}
    assert documented == set(inspect.signature(TextCraftEnv).parameters)
    assert named["`distractors`"] == "`[4, 10]`"
    assert named["`depths`"] == "`[1, 2, 3, 4]`"


def test_the_pages_example_is_what_the_world_says():
    env = TextCraftEnv()
    example = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL).group(1)
    intro, *turns = example.split("\n> ")
    task_id = re.search(r"`([a-z_]+-d\d/s0-t\d+)`", PAGE).group(1)
    assert env.reset(options={"task_id": task_id})[0] == intro.strip()
    for turn in turns:
        action, _, answer = turn.partition("\n")
        assert env.step(action)[0].rstrip() == answer.rstrip()
    assert env.actions == []
