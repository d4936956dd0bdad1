"""The official games as they are on disk: how many, of which kinds, in which words; and every one of them can be won."""

import pytest

from a3t.envs.alfworld import WORDING_211, WORDING_212, AlfworldEnv, World, load_game, plan
from a3t.envs.alfworld.data import import_data

pytestmark = pytest.mark.data

VALID_SEEN = {
    "pick_and_place_simple": 35,
    "look_at_obj_in_light": 13,
    "pick_clean_then_place_in_recep": 27,
    "pick_heat_then_place_in_recep": 16,
    "pick_cool_then_place_in_recep": 25,
    "pick_two_obj_and_place": 24,
}


def count(tasks):
    types = [task.task_type for task in tasks]
    return {task_type: types.count(task_type) for task_type in VALID_SEEN}


@pytest.mark.parametrize("folder", ["212", "211"])
def test_valid_seen_has_its_140_tasks(official_data, folder):
    assert count(AlfworldEnv(official_data[folder]).tasks("valid_seen")) == VALID_SEEN


def test_the_instruction_in_the_list_is_the_one_that_reset_shows(official_data):
    env = AlfworldEnv(official_data["valid_train"])
    for task in env.tasks("valid_train"):
        observation, _ = env.reset(options={"task_id": task.task_id})
        assert observation.endswith(f"\n\nYour task is to: {task.instruction}")


def test_each_generation_is_told_in_its_own_words(official_data):
    """The files' grammars, read, are exactly the two that we carry for games of our own."""
    for folder, wording in (("212", WORDING_212), ("211", WORDING_211)):
        env = AlfworldEnv(official_data[folder])
        for task in env.tasks("valid_seen"):
            assert load_game(env.folder.find(task.task_id).path).wording == wording
        assert env.version == f"alfworld/{wording.version} a3t-engine 1"


def test_every_walkthrough_of_the_files_wins(official_data):
    env = AlfworldEnv(official_data["212"])
    for task in env.tasks("valid_seen"):
        world = World(load_game(env.folder.find(task.task_id).path))
        assert world.game.walkthrough
        assert plan(world) == list(world.game.walkthrough)


def test_the_expert_wins_where_the_files_tell_no_way(official_data):
    env = AlfworldEnv(official_data["valid_train"])
    won = [env.solution(task.task_id) is not None for task in env.tasks("valid_train")]
    assert sum(won) >= 0.95 * len(won)


@pytest.mark.slow
def test_train_has_its_3554_tasks(official_archives, tmp_path):
    got = import_data(official_archives / "train.tar.xz", tmp_path)
    assert got.games == {"train": 3554}
    assert list(count(AlfworldEnv(tmp_path).tasks("train")).values()) == [790, 308, 651, 459, 533, 813]
