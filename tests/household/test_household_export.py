"""Generated games as files: our own loader reads back the same game, and the official engine answers it alike."""

import importlib.util
import json
import os
import random
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from a3t.envs.alfworld.game import TaskType
from a3t.envs.alfworld.pddl import load_game
from a3t.envs.alfworld.world import World
from a3t.envs.household import generate, write_tw_pddl
from a3t.envs.household.difficulty import difficulty
from a3t.errors import BadDataError

SMALL = difficulty(receptacles=(6, 10), distractors=(2, 10))


def lower(value):
    """A game as the loader sees it: PDDL does not mind case, nor the order of facts."""
    if isinstance(value, str) and not isinstance(value, TaskType):
        return value.lower()
    if isinstance(value, tuple):
        return tuple(map(lower, value))
    return frozenset(map(lower, value)) if isinstance(value, frozenset) else value


def normal(thing):
    return replace(thing, **{field.name: lower(getattr(thing, field.name)) for field in fields(thing)})


def by_id(things):
    return sorted(map(normal, things), key=lambda thing: thing.id)


@pytest.mark.parametrize("text", ["2.1.2", "2.1.1"])
def test_a_written_game_is_read_back_as_it_was(tmp_path, text):
    for index in range(36):
        game = generate(0, "valid_unseen", index, text=text)
        read = load_game(write_tw_pddl(game, tmp_path / str(index) / "game.tw-pddl"))
        assert by_id(read.items) == by_id(game.items)
        assert by_id(read.receptacles) == by_id(game.receptacles)
        assert normal(read.goal) == normal(game.goal)
        assert read.start == game.start.lower()
        assert read.can_contain == lower(game.can_contain)
        assert (read.task, normal(read.rules), read.walkthrough) == (game.task, normal(game.rules), game.walkthrough)
        assert read.wording == game.wording


def test_a_game_read_back_plays_word_for_word_alike(tmp_path):
    rng = random.Random(0)
    for index in range(24):
        game = generate(1, "train", index)
        one, two = World(game), World(load_game(write_tw_pddl(game, tmp_path / f"{index}.tw-pddl")))
        assert one.intro == two.intro
        here, there = one.start, two.start
        for _ in range(40):
            assert one.actions(here) == two.actions(there)
            action = rng.choice(one.actions(here))
            here, first, _ = one.play(here, action)
            there, second, _ = two.play(there, action)
            assert first == second


def test_the_record_beside_the_game_says_what_alfworld_asks_of_it(tmp_path):
    game = generate(0, "train", 1)
    write_tw_pddl(game, tmp_path / "trial_1" / "game.tw-pddl")
    data = json.loads((tmp_path / "trial_1" / "traj_data.json").read_text())
    assert data["task_type"] == "look_at_obj_in_light"
    assert data["pddl_params"]["object_target"] == game.goal.object_type
    assert data["pddl_params"]["toggle_target"] == "DeskLamp"
    assert data["task_id"] == "trial_1"


def test_a_game_with_other_rules_is_not_written_as_if_it_had_the_usual_ones(tmp_path):
    game = generate(0, "train", 0)
    with pytest.raises(BadDataError, match="only games with the rules of ALFWorld"):
        write_tw_pddl(replace(game, rules=replace(game.rules, heat_in=("Toaster",))), tmp_path / "game.tw-pddl")
    assert not (tmp_path / "game.tw-pddl").exists()


def official_python():
    """A Python that has alfworld and textworld: this one, or $A3T_ORACLE_PYTHON."""
    if os.environ.get("A3T_ORACLE_PYTHON"):
        return os.environ["A3T_ORACLE_PYTHON"]
    if importlib.util.find_spec("textworld") and importlib.util.find_spec("alfworld"):
        return sys.executable
    return pytest.skip(
        "the official engine is not here: pip install 'a3t[oracle]', or set A3T_ORACLE_PYTHON to a Python that has it"
    )


def plan(world, rng, num):
    """A wander, then as far as it still works the solution; some of it refused."""
    state, actions = world.start, []

    def act(action):
        nonlocal state
        actions.append(action)
        state = world.play(state, action).state

    for _ in range(num):
        act("fly to the moon" if rng.random() < 0.1 else rng.choice(world.actions(state)))
    for action in [
        "look",
        *[a for a in world.actions(state) if a.startswith(("move ", "put "))][:1],
        *world.game.walkthrough,
        "look",
    ]:
        act(action)
    return actions


@pytest.mark.oracle
@pytest.mark.slow
@pytest.mark.parametrize("text", ["2.1.2", "2.1.1"])
def test_the_official_engine_loads_generated_games_and_answers_alike(tmp_path, text):
    """Every feedback, every list of admissible commands, every `won`, over a wander and a win in each kind of task."""
    python, rng, plays = official_python(), random.Random(5), []
    for index in range(6):
        world = World(generate(2, "valid_unseen", index, SMALL, text))
        path = write_tw_pddl(world.game, tmp_path / str(index) / "game.tw-pddl")
        plays.append((world, path, plan(world, rng, 12)))
        plays.append((world, path, list(world.game.walkthrough)))
    requests = "".join(json.dumps({"game": str(path), "actions": actions}) + "\n" for _, path, actions in plays)
    script = Path(__file__).with_name("play_official.py")
    done = subprocess.run([python, str(script)], input=requests, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(answers) == len(plays)
    won = set()
    for (world, _, actions), official in zip(plays, answers, strict=True):
        state = world.start
        ours = [[world.intro, list(world.actions(state)), world.won(state)]]
        for action in actions:
            state, answer, _ = world.play(state, action)
            ours.append([answer, list(world.actions(state)), world.won(state)])
        for action, mine, theirs in zip(["reset", *actions], ours, official, strict=True):
            assert mine[0].strip() == theirs[0].strip(), action
            assert mine[1:] == theirs[1:], action
        if world.won(state):
            won.add(world.game.task_type)
    assert won == set(TaskType)
