"""When a game is won: the six goals, each nearly reached and then reached."""

import pytest
from small_games import kitchen, play

from a3t.envs.alfworld import Goal, TaskType, World, plan

MUG_TO_SHELF = ["go to countertop 1", "take mug 1 from countertop 1", "go to shelf 1", "move mug 1 to shelf 1"]
APPLE = ["go to countertop 1", "take apple 1 from countertop 1"]
APPLE_TO_SHELF = ["go to shelf 1", "move apple 1 to shelf 1"]


def won_after(goal, commands):
    """Whether the goal holds after each command, as one string of 0 and 1."""
    world = World(kitchen(goal))
    state, history = world.start, ""
    for command in commands:
        state, _ = play(world, [command], state)
        history += str(int(world.won(state)))
    return history


def test_pick_is_won_by_putting_it_there():
    assert won_after(Goal(TaskType.PICK, "Apple", "Shelf"), APPLE + APPLE_TO_SHELF) == "0001"


def test_pick_asks_for_the_type_of_the_receptacle_not_for_an_open_door():
    goal = Goal(TaskType.PICK, "Apple", "Fridge")
    assert won_after(goal, [*APPLE, "go to fridge 1", "open fridge 1", "move apple 1 to fridge 1", "close fridge 1"]) == "000011"


def test_a_win_can_be_undone():
    goal = Goal(TaskType.PICK, "Apple", "Shelf")
    assert won_after(goal, [*APPLE, *APPLE_TO_SHELF, "take apple 1 from shelf 1"]) == "00010"


@pytest.mark.parametrize(
    ("task_type", "change"),
    [
        (TaskType.CLEAN, ["go to sinkbasin 1", "clean apple 1 with sinkbasin 1"]),
        (TaskType.HEAT, ["go to microwave 1", "heat apple 1 with microwave 1"]),
        (TaskType.COOL, ["go to fridge 1", "cool apple 1 with fridge 1"]),
    ],
)
def test_the_object_must_be_changed_as_well_as_put(task_type, change):
    goal = Goal(task_type, "Apple", "Shelf")
    assert won_after(goal, APPLE + APPLE_TO_SHELF) == "0000"
    assert won_after(goal, APPLE + change + APPLE_TO_SHELF) == "000001"


def test_heating_a_cooled_object_loses_the_cold_again():
    goal = Goal(TaskType.COOL, "Apple", "Shelf")
    both = ["go to fridge 1", "cool apple 1 with fridge 1", "go to microwave 1", "heat apple 1 with microwave 1"]
    assert won_after(goal, APPLE + both + APPLE_TO_SHELF) == "00000000"


def test_two_are_needed_in_the_same_receptacle():
    """Mug 2 is on the shelf; one more there wins. Two cabinets with one mug each would not."""
    assert won_after(Goal(TaskType.TWO, "Mug", "Shelf"), MUG_TO_SHELF) == "0001"
    apart = ["go to shelf 1", "take mug 2 from shelf 1", "go to cabinet 1", "open cabinet 1", "move mug 2 to cabinet 1"]
    # Mug 1 is in cabinet 2 from the start, its second home.
    assert won_after(Goal(TaskType.TWO, "Mug", "Cabinet"), apart) == "00000"
    together = ["go to shelf 1", "take mug 2 from shelf 1", "go to cabinet 2", "open cabinet 2", "move mug 2 to cabinet 2"]
    assert won_after(Goal(TaskType.TWO, "Mug", "Cabinet"), together) == "00001"


def test_looking_asks_for_a_used_lamp_here_and_the_object_in_the_hand():
    goal = Goal(TaskType.LOOK, "Apple", lamp_type="DeskLamp")
    assert won_after(goal, [*APPLE, "go to sidetable 1", "use desklamp 1", "go to shelf 1", "go to sidetable 1"]) == "000101"
    assert (
        won_after(goal, ["go to sidetable 1", "use desklamp 1", *APPLE, "go to sidetable 1", "move apple 1 to sidetable 1"])
        == "000010"
    )


@pytest.mark.parametrize(
    "goal",
    [
        Goal(TaskType.PICK, "Apple", "Shelf"),
        Goal(TaskType.CLEAN, "Bowl", "Fridge"),
        Goal(TaskType.HEAT, "Egg", "Cabinet"),
        Goal(TaskType.COOL, "Apple", "Microwave"),
        Goal(TaskType.TWO, "Mug", "Fridge"),
        Goal(TaskType.LOOK, "Knife", lamp_type="DeskLamp"),
    ],
    ids=lambda goal: goal.task_type.name,
)
def test_the_expert_wins_every_kind_of_task(goal):
    world = World(kitchen(goal))
    commands = plan(world)
    assert commands is not None
    state, _ = play(world, commands)
    assert world.won(state)


def test_a_walkthrough_that_wins_is_the_plan_and_one_that_does_not_is_replaced():
    goal = Goal(TaskType.PICK, "Apple", "Shelf")
    longer = ["look", *APPLE, *APPLE_TO_SHELF]
    assert plan(World(kitchen(goal, walkthrough=tuple(longer)))) == longer
    assert plan(World(kitchen(goal, walkthrough=("fly",)))) == APPLE + APPLE_TO_SHELF


def test_there_is_no_plan_for_what_cannot_be_done():
    assert plan(World(kitchen(Goal(TaskType.HEAT, "Knife", "Shelf")))) is None
    assert plan(World(kitchen(Goal(TaskType.PICK, "Unicorn", "Shelf")))) is None
