"""A state is a value: kept, compared, hashed, replayed and pickled; and what the engine remembers changes no answer."""

import pickle
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from small_games import kitchen

from a3t.envs.alfworld import World
from a3t.envs.alfworld import world as engine

WORLD = World(kitchen())

choices = st.lists(st.integers(0, 10**6), max_size=40)


def walk(world, numbers, state=None):
    """Follows admissible commands by number; states, answers and commands on the way."""
    state = state or world.start
    steps = []
    for number in numbers:
        actions = world.actions(state)
        command = actions[number % len(actions)]
        state, answer, valid = world.play(state, command)
        assert valid
        steps.append((command, answer, world.actions(state), world.won(state)))
    return state, steps


@given(choices, choices)
def test_going_on_from_a_kept_state_equals_replaying_from_the_start(before, after):
    kept, played = walk(WORLD, before)
    walk(WORLD, [*before, 7, 7, 7])
    _, resumed = walk(WORLD, after, kept)
    _, replayed = walk(World(kitchen()), before + after)
    assert played + resumed == replayed


@given(choices)
def test_a_state_survives_pickling_and_hashing(numbers):
    state, _ = walk(WORLD, numbers)
    copy = pickle.loads(pickle.dumps(state))
    assert copy == state
    assert hash(copy) == hash(state)
    assert WORLD.actions(copy) == WORLD.actions(state)


@given(choices, st.text(max_size=60))
def test_no_text_crashes_and_only_admissible_text_is_accepted(numbers, text):
    state, _ = walk(WORLD, numbers)
    turn = WORLD.play(state, text)
    assert turn.valid == (text.strip() in WORLD.actions(state))
    if not turn.valid:
        assert turn == (state, "Nothing happens.", False)


@settings(max_examples=25)
@given(choices)
def test_remembered_scenes_answer_as_fresh_ones_do(numbers):
    """A world that has seen much against one that forgets after every step."""
    fresh, state, other = World(kitchen()), WORLD.start, WORLD.start
    for number in numbers:
        fresh._scenes.clear()
        actions = WORLD.actions(state)
        assert fresh.actions(other) == actions
        state, answer, _ = WORLD.play(state, actions[number % len(actions)])
        other, again, _ = fresh.play(other, actions[number % len(actions)])
        assert (again, other) == (answer, state)


def test_memory_of_scenes_is_bounded(monkeypatch):
    monkeypatch.setattr(engine, "MAX_SCENES", 5)
    world, rng = World(kitchen()), random.Random(0)
    walk(world, [rng.randrange(10**6) for _ in range(300)])
    assert len(world._scenes) <= 5


def test_a_world_is_pickled_as_its_game():
    """Workers in other processes get the game, not what this one has seen of it."""
    world = World(kitchen())
    walk(world, range(50))
    copy = pickle.loads(pickle.dumps(world))
    assert copy.game == world.game
    assert walk(copy, range(50)) == walk(world, range(50))
    assert len(pickle.dumps(world)) < 2 * len(pickle.dumps(world.game))
