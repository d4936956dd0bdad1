"""Side by side with the official engine (alfworld 0.4.2, textworld 1.7.0): every answer, every list, every win is the same.

Needs a Python with both packages: `pip install 'a3t[oracle]'` here, or anywhere and $A3T_ORACLE_PYTHON naming it.
$A3T_ORACLE_PLAYS sets the number of plays on official games.
"""

import os
import random
import re
from collections import Counter
from dataclasses import replace

import pytest
from official import official_answers
from small_games import SCRIPTS, kitchen
from wandering import wander

from a3t.envs.alfworld import WORDING_211, AlfworldEnv, Goal, Item, Receptacle, Rules, TaskType, World, load_game, plan
from a3t.envs.household.export import write_tw_pddl

pytestmark = [pytest.mark.oracle, pytest.mark.slow]

NUM_PLAYS = int(os.environ.get("A3T_ORACLE_PLAYS", "210"))

SHELF, COUNTER, BURNER = "Shelf_bar_7", "CounterTop_bar__plus_00_dot_10", "StoveBurner_bar_1"

CROWDED = kitchen(
    Goal(TaskType.TWO, "Mug", "Cabinet"),
    receptacles=(
        *kitchen().receptacles,
        Receptacle("Cabinet_bar__plus_03_dot_00", "Cabinet", "loc_bar_2", openable=True, opened=True),
        Receptacle(BURNER, "StoveBurner", "loc_bar_1"),
    ),
    items=(
        *kitchen().items,
        Item("ButterKnife_bar_1", "ButterKnife", "loc_bar_7", (SHELF,), pickupable=True, cleanable=True, clean=True),
        Item("Bread_bar_1", "Bread", "loc_bar_7", (COUNTER, SHELF), pickupable=True, sliceable=True),
        Item("Candle_bar_1", "Candle", "loc_bar_7", (SHELF,), pickupable=True, toggleable=True),
        Item("Pot_bar_1", "Pot", "loc_bar_1", (BURNER,), ("Egg_bar_4", "Apple_bar_1"), pickupable=True, is_receptacle=True),
        Item("Potato_bar_1", "Potato", "loc_bar_6", ("SideTable_bar_6",), pickupable=True, heatable=True, hot=True, sliced=True),
    ),
    can_contain=kitchen().can_contain | {(r, o) for r in ("Cabinet", "StoveBurner", "Shelf") for o in ("Pot", "Bread", "Candle")},
)
"""Three cabinets at one place, two receptacles at the counter, states of every kind at the start."""


def compare(path, commands, answers):
    """The first difference as a sentence, or the number of wins."""
    world = World(load_game(path))
    state, said, wins = world.start, world.intro, 0
    for number, (official, admissible, won) in enumerate(answers):
        if number:
            state, said, _ = world.play(state, commands[number - 1])
        where = f"{path}, after {commands[:number]!r}"
        assert said == official, where
        assert list(world.actions(state)) == admissible, where
        assert world.won(state) == won, where
        wins += won
    return wins


@pytest.mark.parametrize("words", ["2.1.2", "2.1.1"])
def test_hand_made_games_with_every_quirk_are_answered_alike(tmp_path, words):
    old = {"wording": WORDING_211, "rules": Rules(has_help=False)} if words == "2.1.1" else {}
    games = [kitchen(), kitchen(start="loc_bar_2"), kitchen(Goal(TaskType.PICK, "Mug", "Cabinet")), CROWDED]
    rng, plays = random.Random(3), []
    for number, game in enumerate(games):
        path = write_tw_pddl(replace(game, **old), tmp_path / str(number) / "game.tw-pddl")
        plays += [(path, _in(words, script).split("; ")) for script in SCRIPTS]
        world = World(load_game(path))
        plays += [(path, wander(world, rng, free=10**6, num_steps=60, corners=number % 2 == 1)) for _ in range(5)]
    for (path, commands), answers in zip(plays, official_answers(plays), strict=True):
        compare(path, commands, answers)


def _in(words, script):
    """The same commands in the older words."""
    return re.sub(r"move (\w+ \d+) to ", r"put \1 in/on ", script) if words == "2.1.1" else script


@pytest.mark.data
def test_official_games_are_answered_alike(official_data):
    """Plans with detours, wandering and crowded corners over both generations of text; wins in every kind of task."""
    rng, plays = random.Random(11), []
    pools = []
    for folder in official_data.values():
        env = AlfworldEnv(folder)
        pools += [(env, split, task) for split in env.splits for task in env.tasks(split)]
    rng.shuffle(pools)
    by_type = {}
    for env, split, task in pools:
        by_type.setdefault(task.task_type, []).append(env.folder.find(task.task_id, split).path)
    for number in range(NUM_PLAYS):
        paths = by_type[sorted(by_type)[number % len(by_type)]]
        world = World(load_game(path := paths[number // len(by_type) % len(paths)]))
        how = number // len(by_type) % 3
        commands = plan(world) or []
        plays.append(
            (path, wander(world, rng, plan=commands, free=(0, 10, 10**6)[how], num_steps=(35, 50, 60)[how], corners=how == 2))
        )
    wins = Counter()
    for (path, commands), answers in zip(plays, official_answers(plays), strict=True):
        wins[path.parts[-3].partition("-")[0]] += compare(path, commands, answers) > 0
    assert NUM_PLAYS < 60 or set(wins) == {task_type.value for task_type in TaskType}


@pytest.mark.data
def test_the_official_engine_without_our_shortcuts_answers_the_same(official_data):
    """What `official_player.py` keeps between steps changes nothing: one play without it."""
    env = AlfworldEnv(official_data["211"])
    path = next(env.folder.every_game()).path
    commands = wander(World(load_game(path)), random.Random(1), free=10**6, num_steps=8)
    ((kept,), (plain,)) = (list(official_answers([(path, commands)], plain=plain)) for plain in (False, True))
    assert kept == plain
    compare(path, commands, plain)
