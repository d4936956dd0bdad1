"""The environment by its contract: tasks, reset, step, snapshots, and an answer to every wrong data folder."""

import json
import pickle
import shutil
from dataclasses import replace

import gymnasium
import pytest
from small_folder import APPLE, BOWL, LAMP, MOVABLE, MUGS, SLICED, UNSOLVABLE
from small_games import kitchen

from a3t.envs import make
from a3t.envs.alfworld import WORDING_211, AlfworldEnv, Goal, TaskType
from a3t.envs.conformance import check
from a3t.envs.household.export import write_tw_pddl
from a3t.episode import Move, Worlds, rollout
from a3t.errors import (
    BadDataError,
    EnvironmentFailure,
    MissingDataError,
    RecipeError,
    UnknownNameError,
    UnknownTaskError,
)
from a3t.types import Task
from toy_world import finish, terms

WIN = ["go to countertop 1", "take apple 1 from countertop 1", "go to shelf 1", "move apple 1 to shelf 1"]


@pytest.fixture
def env(small_data):
    return AlfworldEnv(small_data)


def test_it_keeps_every_rule_for_environments(small_data):
    report = check(lambda: AlfworldEnv(small_data), num_sequences=200, num_malformed=2000)
    report.raise_if_broken()
    assert [finding.rule for finding in report.findings if finding.verdict == "skipped"] == []


def test_make_knows_it_by_name(small_data):
    assert isinstance(make("alfworld", data=str(small_data)), AlfworldEnv)


def test_tasks_are_sorted_and_tell_type_and_instruction(env):
    assert env.tasks("train") == (
        Task(APPLE, "train", "pick_and_place_simple", "put a apple on shelf."),
        Task(BOWL, "train", "pick_clean_then_place_in_recep", "put a clean bowl in fridge."),
    )
    assert [task.task_id for task in env.tasks("valid_seen")] == [LAMP, MUGS]


def test_unsolvable_movable_and_sliced_games_are_no_tasks(env):
    listed = {task.task_id for split in env.splits for task in env.tasks(split)}
    assert not listed & {UNSOLVABLE, MOVABLE, SLICED}
    for task_id in (MOVABLE, SLICED):
        with pytest.raises(UnknownTaskError):
            env.reset(options={"task_id": task_id})


def test_tasks_are_found_in_files_of_any_size_and_order(small_data, tmp_path):
    """The list looks at both ends of a file first; a verdict in the middle of a long one is found all the same."""
    shutil.copytree(small_data, tmp_path / "data")
    env = AlfworldEnv(tmp_path / "data")
    for task_id, solvable in ((APPLE, True), (BOWL, False)):
        path = tmp_path / "data" / "json_2.1.1" / "train" / task_id / "game.tw-pddl"
        game = json.loads(path.read_text())
        long = {"note": "x" * 50_000, "pddl_domain": game["pddl_domain"], "solvable": solvable, "more": "y" * 50_000}
        path.write_text(
            json.dumps(long | {"grammar": game["grammar"], "pddl_problem": game["pddl_problem"], "rest": "z" * 50_000})
        )
    assert env.tasks("train") == (Task(APPLE, "train", "pick_and_place_simple", "put a apple on shelf."),)


def test_an_episode_from_reset_to_success(env):
    observation, info = env.reset(options={"task_id": APPLE})
    assert observation.startswith("-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room.")
    assert info["valid"] is True
    assert info["success"] is False
    results = [env.step(command) for command in WIN]
    assert [result[1:4] for result in results] == [(0.0, False, False)] * 3 + [(1.0, True, False)]
    assert results[-1][0] == "You move the apple 1 to the shelf 1."
    assert results[-1][4]["success"] is True


def test_a_refused_command_says_so_and_costs_nothing_but_the_step(env):
    _, info = env.reset(options={"task_id": APPLE})
    answer, reward, terminated, truncated, after = env.step("fly to the moon")
    assert (answer, reward, terminated, truncated) == ("Nothing happens.", 0.0, False, False)
    assert after == {"actions": info["actions"], "valid": False, "success": False}


def test_after_the_end_the_last_answer_is_repeated(env):
    """As in the official environment, where a step after the end does not reach the game."""
    env.reset(options={"task_id": APPLE})
    for command in WIN:
        last = env.step(command)
    again = env.step("take apple 1 from shelf 1")
    assert again[:4] == last[:4]
    assert again[4] == {**last[4], "valid": False}


def test_what_is_no_text_is_refused(env):
    env.reset(options={"task_id": APPLE})
    for action in (None, 7, b"look", ["look"]):
        assert env.step(action)[0] == "Nothing happens."


def test_the_list_of_actions_belongs_to_the_caller(env):
    _, info = env.reset(options={"task_id": APPLE})
    info["actions"].clear()
    assert env.step("look")[4]["actions"]
    assert env.actions


def test_max_steps_truncates_and_success_goes_before(small_data):
    env = AlfworldEnv(small_data, max_steps=4)
    env.reset(options={"task_id": APPLE})
    assert [env.step("look")[3] for _ in range(4)] == [False, False, False, True]
    env.reset(options={"task_id": APPLE})
    assert [env.step(command)[2:4] for command in WIN][-1] == (True, False)
    with pytest.raises(RecipeError, match="max_steps = 0"):
        AlfworldEnv(small_data, max_steps=0)


def test_without_a_task_the_seed_draws_one(env):
    drawn = {env.reset(seed=seed)[0] for seed in range(20)}
    assert len(drawn) == 2
    assert env.reset(seed=3)[0] == env.reset(seed=3)[0]
    elsewhere = {env.reset(seed=seed, options={"split": "valid_seen"})[0] for seed in range(20)}
    assert len(elsewhere) == 2
    assert not drawn & elsewhere


def test_a_snapshot_is_true_across_tasks_environments_and_processes(env, small_data):
    env.reset(options={"task_id": APPLE})
    env.step(WIN[0])
    kept = env.snapshot()
    for command in WIN[1:]:
        last = env.step(command)
    env.reset(options={"task_id": LAMP})
    other = AlfworldEnv(small_data)
    other.restore(pickle.loads(pickle.dumps(kept)))
    for command in WIN[1:]:
        assert other.step(command)[0] != "Nothing happens."
    env.restore(kept)
    assert [env.step(command) for command in WIN[1:]][-1] == last


def test_only_snapshots_are_restored_and_playing_needs_a_reset(env):
    with pytest.raises(EnvironmentFailure, match="not a dict"):
        env.restore({})
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step("look")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.snapshot()


def test_the_version_names_the_words_and_the_engine(env):
    assert env.version == "alfworld/2.1.2 a3t-engine 1"


def test_an_unknown_task_is_answered_with_the_nearest(env):
    with pytest.raises(UnknownTaskError) as caught:
        env.reset(options={"task_id": APPLE[:-1] + "9", "split": "train"})
    assert str(caught.value) == (
        f"alfworld/train has no task '{APPLE[:-1]}9'.\n"
        f"  Nearest: '{APPLE}', '{BOWL}'. `a3t tasks alfworld --split train` lists all 2."
    )


@pytest.mark.parametrize(
    "task_id",
    [
        "",
        "/",
        "..",
        "../x",
        "a/../b",
        "/etc/passwd",
        "x" * 100_000,
        "\ud800/\x00",
        7,
        ["a"],
        "../train/" + APPLE,
        APPLE + "/",
        "a/b/c",
    ],
)
def test_no_task_id_leads_out_of_the_folder(env, task_id):
    with pytest.raises(UnknownTaskError):
        env.reset(options={"task_id": task_id})


def test_an_unknown_split_is_answered_with_those_there_are(env):
    with pytest.raises(UnknownNameError, match="valid_seen"):
        env.tasks("valid_sen")
    with pytest.raises(UnknownNameError):
        env.reset(options={"task_id": APPLE, "split": "../train"})


def test_an_official_split_that_is_not_there_is_missing_data(env):
    with pytest.raises(MissingDataError, match=r"no split 'valid_unseen'.*\n.*a3t data fetch alfworld"):
        env.tasks("valid_unseen")


def test_without_a_folder_the_error_says_where_it_looked_and_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("ALFWORLD_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingDataError, match=r"neither `data=` nor \$ALFWORLD_DATA.*\.cache/alfworld.*\n.*a3t data fetch"):
        AlfworldEnv()
    monkeypatch.setenv("ALFWORLD_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(MissingDataError, match=r"\$ALFWORLD_DATA says.*nowhere"):
        AlfworldEnv()
    with pytest.raises(MissingDataError, match=r"`data=` says.*elsewhere"):
        AlfworldEnv(tmp_path / "elsewhere")


def test_the_variable_names_the_folder_and_so_may_its_inner_folder(small_data, monkeypatch):
    monkeypatch.setenv("ALFWORLD_DATA", str(small_data / "json_2.1.1"))
    assert len(AlfworldEnv().tasks("train")) == 2


def test_a_folder_without_games_is_missing_data(tmp_path):
    (tmp_path / "detectors").mkdir()
    with pytest.raises(MissingDataError, match=r"holds no ALFWorld games: looked for json_2\.1\.1"):
        AlfworldEnv(tmp_path)


def test_an_empty_split_is_missing_data(tmp_path):
    (tmp_path / "json_2.1.1" / "train").mkdir(parents=True)
    env = AlfworldEnv(tmp_path)
    with pytest.raises(MissingDataError, match=r"'train'.* is empty"):
        env.tasks("train")
    with pytest.raises(MissingDataError):
        env.reset(seed=0)


def test_half_the_archives_are_missing_data(small_data, tmp_path):
    """Trajectories without games: what remains when the second download never came."""
    shutil.copytree(small_data, tmp_path / "half")
    for game in (tmp_path / "half").rglob("game.tw-pddl"):
        game.unlink()
    with pytest.raises(MissingDataError, match=r"trial folders, but none holds a playable game\.tw-pddl.*not been unpacked"):
        AlfworldEnv(tmp_path / "half").tasks("train")


def test_a_damaged_game_fails_its_own_reset_only(small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "damaged")
    (tmp_path / "damaged" / "json_2.1.1" / "train" / APPLE / "game.tw-pddl").write_text('{"pddl_domain": ')
    env = AlfworldEnv(tmp_path / "damaged")
    with pytest.raises(BadDataError, match="000001"):
        env.reset(options={"task_id": APPLE})
    env.reset(options={"task_id": BOWL})
    assert env.step("look")[4]["valid"]


@pytest.mark.parametrize("content", [b"", b"{", b"noise", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_game_at_all_is_not_listed(small_data, tmp_path, content):
    shutil.copytree(small_data, tmp_path / "damaged")
    (tmp_path / "damaged" / "json_2.1.1" / "train" / APPLE / "game.tw-pddl").write_bytes(content)
    env = AlfworldEnv(tmp_path / "damaged")
    assert [task.task_id for task in env.tasks("train")] == [BOWL]
    with pytest.raises(BadDataError, match="000001"):
        env.reset(options={"task_id": APPLE})


def test_a_game_cut_short_is_not_listed(small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "damaged")
    path = tmp_path / "damaged" / "json_2.1.1" / "train" / APPLE / "game.tw-pddl"
    path.write_bytes(path.read_bytes()[:-100])
    assert [task.task_id for task in AlfworldEnv(tmp_path / "damaged").tasks("train")] == [BOWL]


def damage(path):
    path.write_text('{"pddl_domain": ')


def test_a_damaged_first_game_does_not_refuse_the_folder(small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "damaged")
    games = sorted((tmp_path / "damaged").rglob("game.tw-pddl"))
    first = next(AlfworldEnv(tmp_path / "damaged").folder.every_game())
    damage(first.path)
    assert AlfworldEnv(tmp_path / "damaged").version == "alfworld/2.1.2 a3t-engine 1"
    for path in games:
        damage(path)
    with pytest.raises(BadDataError, match="is not valid JSON"):
        _ = AlfworldEnv(tmp_path / "damaged").version


def test_an_episode_is_recorded_under_the_generation_of_its_own_game(small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "mixed")
    rules = replace(kitchen().rules, has_help=False)
    old = kitchen(Goal(TaskType.PICK, "Apple", "Shelf"), wording=WORDING_211, rules=rules)
    path = tmp_path / "mixed" / "json_2.1.1" / "train" / APPLE / "game.tw-pddl"
    path.unlink()
    write_tw_pddl(old, path)
    worlds = Worlds(lambda: AlfworldEnv(tmp_path / "mixed"))
    made = {
        task_id: finish(rollout(worlds, Task(task_id, "train"), nobody, terms(environment="alfworld"), seed=0)).environment
        for task_id in (BOWL, APPLE, BOWL)
    }
    assert made == {BOWL: "alfworld/2.1.2 a3t-engine 1", APPLE: "alfworld/2.1.1 a3t-engine 1"}


def nobody(_situation):
    """Asks nothing and looks around for ever."""
    return Move("", "look")
    yield


def test_a_changed_file_is_read_again(small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "changed")
    train = tmp_path / "changed" / "json_2.1.1" / "train"
    env = AlfworldEnv(tmp_path / "changed")
    first, _ = env.reset(options={"task_id": APPLE})
    (train / APPLE / "game.tw-pddl").write_bytes((train / BOWL / "game.tw-pddl").read_bytes())
    second, _ = env.reset(options={"task_id": APPLE})
    assert first.endswith("put a apple on shelf.")
    assert second.endswith("put a clean bowl in fridge.")
