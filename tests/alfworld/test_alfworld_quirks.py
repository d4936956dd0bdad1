"""What the official engine does and nobody would expect: one test each, on the kitchen of `small_games`.

`test_alfworld_oracle.py` plays the same commands on the official engine.
"""

import pytest
from small_games import CABINET_A, CABINET_B, COUNTER, ITEMS, RECEPTACLES, kitchen, play, without

from a3t.envs.alfworld import Goal, Item, Receptacle, Rules, TaskType, World


@pytest.fixture
def world():
    return World(kitchen())


def test_only_a_held_object_can_be_examined(world):
    """The domain means to allow it for all within reach; a comma in a list of types forbids it."""
    state, _ = play(world, "go to countertop 1")
    assert "examine apple 1" not in world.actions(state)
    state, _ = play(world, "take apple 1 from countertop 1", state)
    assert "examine apple 1" in world.actions(state)
    assert "examine knife 1" not in world.actions(state)


def test_without_that_comma_all_within_reach_could_be_examined():
    world = World(kitchen(rules=Rules(examine_in_reach=True)))
    state, _ = play(world, "go to countertop 1; examine apple 1")
    assert "examine window 1" not in world.actions(state)
    state, _ = play(world, "go to fridge 1", state)
    assert "examine egg 1" not in world.actions(state)
    play(world, "open fridge 1; examine egg 1", state)


def test_look_before_the_first_move_sees_nothing(world):
    _, (answer,) = play(world, "look")
    assert answer == "You are in the middle of a room. Looking quickly around you, you see nothing."


def test_receptacles_of_one_place_block_going_to_one_another(world):
    state, _ = play(world, "go to cabinet 2")
    assert not {"go to cabinet 1", "go to cabinet 2"} & set(world.actions(state))
    state, (answer, _) = play(world, "open cabinet 1; look", state)
    assert answer == "You open the cabinet 1. The cabinet 1 is open. In it, you see nothing."


def test_looking_at_a_shared_place_faces_all_that_stand_there(world):
    _, (_, answer) = play(world, "go to cabinet 1; look")
    assert answer == "You are facing the cabinet 2, and cabinet 1. Next to it, you see nothing."


def test_an_object_in_two_receptacles_is_listed_in_both_and_stays_in_the_other_when_taken(world):
    state, answers = play(world, "go to countertop 1; take mug 1 from countertop 1; go to cabinet 2; open cabinet 2")
    assert "a mug 1" in answers[0]
    assert answers[-1] == "You open the cabinet 2. The cabinet 2 is open. In it, you see a bowl 1, and a mug 1."
    state, answers = play(world, "inventory", state)
    assert answers == ["You are carrying: a mug 1."]


def test_what_stays_behind_counts_for_the_goal():
    """The goal asks where the object is, and it is in the cabinet all the time: won by doing nothing more."""
    world = World(kitchen(Goal(TaskType.PICK, "Mug", "Cabinet")))
    assert world.won(world.start)


def test_putting_it_where_it_already_is_frees_the_hands_and_changes_nothing_else(world):
    before, _ = play(world, "go to countertop 1; take mug 1 from countertop 1; go to cabinet 2; open cabinet 2")
    after, _ = play(world, "move mug 1 to cabinet 2", before)
    assert after.inside == before.inside
    assert after.held == -1
    again, _ = play(world, "take mug 1 from cabinet 2", after)
    assert not any(again.held in members for members in again.inside)


def test_next_to_it_lies_what_was_taken_from_a_receptacle_here_and_put_into_its_neighbour(world):
    state, answers = play(
        world,
        "go to cabinet 2; open cabinet 2; open cabinet 1; take bowl 1 from cabinet 2; look; move bowl 1 to cabinet 1; look",
    )
    assert answers[4] == "You are facing the cabinet 2, and cabinet 1. Next to it, you see nothing."
    assert answers[6] == "You are facing the cabinet 2, and cabinet 1. Next to it, you see a bowl 1."
    _, answers = play(world, "take bowl 1 from cabinet 1; move bowl 1 to cabinet 2; look", state)
    assert answers[-1] == "You are facing the cabinet 2, and cabinet 1. Next to it, you see a bowl 1."


def test_next_to_it_names_an_object_once_for_each_receptacle_it_was_taken_from():
    third = Receptacle("Cabinet_bar__plus_03_dot_00", "Cabinet", "loc_bar_2", openable=True, opened=True)
    world = World(kitchen(receptacles=(*RECEPTACLES, third)))
    _, answers = play(
        world,
        "go to cabinet 3; open cabinet 3; open cabinet 2; take bowl 1 from cabinet 3; move bowl 1 to cabinet 2; "
        "take bowl 1 from cabinet 2; move bowl 1 to cabinet 1; look",
    )
    assert answers[-1] == "You are facing the cabinet 3, cabinet 2, and cabinet 1. Next to it, you see a bowl 1, and a bowl 1."


def test_what_only_stands_beside_a_receptacle_is_not_seen(world):
    """The window has a place and no receptacle: no fact says of it that it is *not* in something."""
    _, (_, answer) = play(world, "go to countertop 1; look")
    assert answer == "You are facing the countertop 1. Next to it, you see nothing."


def test_some_objects_are_cold_from_the_start(world):
    state, answers = play(world, "go to fridge 1; open fridge 1; take egg 1 from fridge 1; examine egg 1")
    assert answers[-1] == "This is a cold egg 1."
    _, answers = play(world, "go to microwave 1; heat egg 1 with microwave 1; examine egg 1", state)
    assert answers[-1] == "This is a hot egg 1."


def test_what_is_cold_from_the_start_only_has_to_be_put_in_its_place():
    world = World(kitchen(Goal(TaskType.COOL, "Egg", "Shelf")))
    state, _ = play(world, "go to fridge 1; open fridge 1; take egg 1 from fridge 1; go to shelf 1; move egg 1 to shelf 1")
    assert world.won(state)


def test_slicing_goes_by_the_recorded_place_not_by_the_receptacle():
    """The apple is in the fridge, yet recorded at the counter: there it is sliced, through the closed door."""
    apple = Item("Apple_bar_1", "Apple", "loc_bar_1", (CABINET_B,), sliceable=True)
    world = World(kitchen(items=(*without("Apple_bar_1"), apple)))
    state, _ = play(world, "go to countertop 1; take knife 1 from countertop 1; slice apple 1 with knife 1")
    state, _ = play(world, "go to cabinet 2", state)
    assert not any(action.startswith("slice") for action in world.actions(state))


def test_taking_forgets_the_recorded_place_only_where_the_agent_stands():
    apple = Item("Apple_bar_1", "Apple", "loc_bar_7", (COUNTER,), pickupable=True, sliceable=True)
    world = World(kitchen(items=(*without("Apple_bar_1"), apple)))
    state, _ = play(world, "go to countertop 1; take apple 1 from countertop 1; move apple 1 to countertop 1")
    state, _ = play(world, "take knife 1 from countertop 1; slice apple 1 with knife 1; go to shelf 1", state)
    assert "slice apple 1 with knife 1" in world.actions(state)


def test_an_object_that_cannot_be_reached_is_there_all_the_same():
    """Objects behind a closed door are listed nowhere, cannot be taken, and are still in their receptacle."""
    world = World(kitchen())
    state, answers = play(world, "go to cabinet 2")
    assert answers == ["You arrive at cabinet 2. The cabinet 2 is closed."]
    assert not any(action.startswith("take") for action in world.actions(state))
    assert list(state.inside[0]) == sorted(
        number for number, item in enumerate(sorted(ITEMS, key=lambda item: item.id.lower())) if CABINET_A in item.inside
    )
