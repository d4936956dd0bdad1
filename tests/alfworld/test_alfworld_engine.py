"""What each command asks for, does and answers, worked out on paper on the kitchen of `small_games`."""

import pytest
from small_games import CABINET_A, COUNTER, FRIDGE, ITEMS, RECEPTACLES, kitchen, play

from a3t.envs.alfworld import WORDING_211, Item, Receptacle, World
from a3t.errors import BadDataError


@pytest.fixture
def world():
    return World(kitchen())


def test_reset_shows_the_banner_the_room_and_the_task(world):
    assert world.intro == (
        "-= Welcome to TextWorld, ALFRED! =-\n\n"
        "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a cabinet 1, a countertop 1,"
        " a fridge 1, a microwave 1, a shelf 1, a sidetable 1, and a sinkbasin 1.\n\n"
        "Your task is to: put some mug in cabinet."
    )


def test_numbers_of_a_type_count_down_along_the_sorted_ids(world):
    assert world.names["mug_bar_2"] == "mug 2"
    assert world.names["mug_bar_6"] == "mug 1"
    assert world.names[CABINET_A.lower()] == "cabinet 2"


def test_a_basin_is_told_apart_from_its_sink(world):
    assert world.names["sink_bar_5_bar_sinkbasin"] == "sinkbasin 1"


def test_before_the_first_move_one_can_go_anywhere_and_ask(world):
    assert world.actions(world.start) == (
        "go to cabinet 1",
        "go to cabinet 2",
        "go to countertop 1",
        "go to fridge 1",
        "go to microwave 1",
        "go to shelf 1",
        "go to sidetable 1",
        "go to sinkbasin 1",
        "help",
        "inventory",
        "look",
    )


def test_arriving_tells_what_is_there(world):
    _, (counter, table, fridge) = play(world, "go to countertop 1; go to sidetable 1; go to fridge 1")
    assert counter == "You arrive at countertop 1. On the countertop 1, you see a apple 1, a knife 1, and a mug 1."
    assert table == "You arrive at sidetable 1. On the sidetable 1, you see a desklamp 1."
    assert fridge == "You arrive at fridge 1. The fridge 1 is closed."


def test_opening_tells_what_is_inside_and_closing_hides_it(world):
    state, answers = play(world, "go to fridge 1; open fridge 1; examine fridge 1; close fridge 1; examine fridge 1")
    assert answers[1:] == [
        "You open the fridge 1. The fridge 1 is open. In it, you see a egg 1.",
        "The fridge 1 is open. In it, you see a egg 1.",
        "You close the fridge 1.",
        "The fridge 1 is closed.",
    ]
    assert state.opened == 0


def test_an_empty_receptacle_shows_nothing(world):
    _, answers = play(world, "go to sinkbasin 1; go to microwave 1; open microwave 1")
    assert answers[0] == "You arrive at sinkbasin 1. On the sinkbasin 1, you see nothing."
    assert answers[2] == "You open the microwave 1. The microwave 1 is open. In it, you see nothing."


def test_what_can_be_done_at_a_receptacle_depends_on_its_door_and_on_the_hands(world):
    def here(state):
        return [action for action in world.actions(state) if "fridge 1" in action and not action.startswith("go")]

    state, _ = play(world, "go to fridge 1")
    assert here(state) == ["examine fridge 1", "open fridge 1"]
    state, _ = play(world, "open fridge 1", state)
    assert here(state) == ["close fridge 1", "examine fridge 1", "take egg 1 from fridge 1"]
    state, _ = play(world, "take egg 1 from fridge 1", state)
    assert here(state) == ["close fridge 1", "cool egg 1 with fridge 1", "examine fridge 1", "move egg 1 to fridge 1"]
    state, _ = play(world, "close fridge 1", state)
    assert here(state) == ["cool egg 1 with fridge 1", "examine fridge 1", "open fridge 1"]


def test_taking_and_moving(world):
    state, answers = play(world, "go to countertop 1; take apple 1 from countertop 1; inventory; go to sidetable 1")
    assert answers[1:3] == ["You pick up the apple 1 from the countertop 1.", "You are carrying: a apple 1."]
    state, answers = play(world, "move apple 1 to sidetable 1; inventory; examine sidetable 1", state)
    assert answers == [
        "You move the apple 1 to the sidetable 1.",
        "You are not carrying anything.",
        "On the sidetable 1, you see a apple 1, and a desklamp 1.",
    ]


def test_only_one_object_is_held(world):
    state, _ = play(world, "go to countertop 1; take apple 1 from countertop 1")
    assert not any(action.startswith("take") for action in world.actions(state))
    assert world.play(state, "take knife 1 from countertop 1") == (state, "Nothing happens.", False)


def test_what_cannot_be_picked_up_is_never_offered(world):
    state, _ = play(world, "go to sidetable 1")
    assert "take desklamp 1 from sidetable 1" not in world.actions(state)


def test_a_receptacle_takes_only_the_types_that_it_can_contain(world):
    state, _ = play(world, "go to countertop 1; take knife 1 from countertop 1; go to microwave 1; open microwave 1")
    assert not any(action.startswith("move") for action in world.actions(state))


def test_cleaning_heating_and_cooling_need_no_open_door(world):
    state, answers = play(
        world,
        "go to countertop 1; take apple 1 from countertop 1; go to sinkbasin 1; clean apple 1 with sinkbasin 1; "
        "go to microwave 1; heat apple 1 with microwave 1; go to fridge 1; cool apple 1 with fridge 1",
    )
    assert answers[3::2] == [
        "You clean the apple 1 using the sinkbasin 1.",
        "You heat the apple 1 using the microwave 1.",
        "You cool the apple 1 using the fridge 1.",
    ]
    assert state.opened == 0


def test_what_lacks_the_affordance_is_not_heated(world):
    state, _ = play(world, "go to countertop 1; take knife 1 from countertop 1; go to microwave 1")
    assert not any(action.startswith(("heat", "cool")) for action in world.actions(state))


def test_heating_undoes_cooling_and_the_reverse(world):
    state, _ = play(world, "go to countertop 1; take apple 1 from countertop 1; go to microwave 1")
    state, (_, hot) = play(world, "heat apple 1 with microwave 1; examine apple 1", state)
    assert hot == "This is a hot apple 1."
    state, (_, _, cold) = play(world, "go to fridge 1; cool apple 1 with fridge 1; examine apple 1", state)
    assert cold == "This is a cold apple 1."
    assert state.hot == 0


def test_examining_tells_every_change_in_the_order_of_the_grammar(world):
    told = []
    state, _ = play(world, "go to countertop 1; take apple 1 from countertop 1")
    told += play(world, "examine apple 1", state)[1]
    for flags in [
        "clean",
        "sliced",
        "clean sliced",
        "clean hot",
        "clean cool",
        "hot sliced",
        "cool sliced",
        "clean hot sliced",
        "clean cool sliced",
    ]:
        changed = state._replace(**dict.fromkeys(flags.split(), 1 << state.held))
        told.append(world.play(changed, "examine apple 1").answer)
    assert told == [
        "There's nothing special about apple 1.",
        "This is a clean apple 1.",
        "This is a sliced apple 1.",
        "This is a clean sliced apple 1.",
        "This is a hot and clean apple 1.",
        "This is a cool and clean apple 1.",
        "This is a hot sliced apple 1.",
        "This is a cool sliced apple 1.",
        "This is a hot and clean sliced apple 1.",
        "This is a cool and clean sliced apple 1.",
    ]


def test_a_bowl_is_normal_whatever_was_done_to_it_and_tells_its_contents(world):
    _, answers = play(
        world,
        "go to cabinet 2; open cabinet 2; take bowl 1 from cabinet 2; go to sinkbasin 1; "
        "clean bowl 1 with sinkbasin 1; examine bowl 1",
    )
    assert answers[-1] == "This is a normal bowl 1. In it, you see a plum 1."


def test_slicing_needs_a_knife_in_the_hand_and_the_object_at_this_place(world):
    state, _ = play(world, "go to countertop 1")
    assert not any(action.startswith("slice") for action in world.actions(state))
    state, (_, answer) = play(world, "take knife 1 from countertop 1; slice apple 1 with knife 1", state)
    assert answer == "You sliced the apple 1 with the knife 1."
    state, _ = play(world, "go to shelf 1", state)
    assert not any(action.startswith("slice") for action in world.actions(state))


def test_using_a_lamp_always_turns_it_on(world):
    _, answers = play(world, "go to sidetable 1; use desklamp 1; use desklamp 1")
    assert answers[1:] == ["You turn on the desklamp 1."] * 2


def test_a_lamp_in_a_closed_cabinet_can_be_used():
    lamp = Item("DeskLamp_bar_3", "DeskLamp", "loc_bar_2", (CABINET_A,), toggleable=True)
    world = World(kitchen(items=(lamp,)))
    state, _ = play(world, "go to cabinet 2; use desklamp 1")
    assert state.toggled == 1


def test_help_lists_the_commands_and_changes_nothing(world):
    state, (answer,) = play(world, "help")
    assert state == world.start
    assert answer.startswith("Available commands:\n  look:  ")
    assert answer.endswith("slice an object using a sharp object\n")


def test_the_older_words_tell_the_same_game():
    """2.1.1 puts, arrives at a place, and knows no help; places count down like everything else."""
    world = World(kitchen(wording=WORDING_211))
    state, answers = play(world, "go to countertop 1; take apple 1 from countertop 1; go to shelf 1; put apple 1 in/on shelf 1")
    assert answers == [
        "You arrive at loc 7. On the countertop 1, you see a apple 1, a knife 1, and a mug 1.",
        "You pick up the apple 1 from the countertop 1.",
        "You arrive at loc 1. On the shelf 1, you see a mug 2.",
        "You put the apple 1 in/on the shelf 1.",
    ]
    assert world.play(state, "help") == (state, "Nothing happens.", False)
    assert world.play(state, "move apple 1 to shelf 1").valid is False


NONSENSE = [
    *("", "   ", "LOOK", "Look", "look.", "go  to shelf 1", "go to", "go to shelf 2", "take", "examine", "\x00", "look\nlook"),
    *("ｌｏｏｋ", "go to shelf 1 " * 10_000, "{r.name}", "#look.feedback#", "go to loc 1", "examine apple 1", "close fridge 1"),
]


@pytest.mark.parametrize("command", NONSENSE)
def test_anything_but_an_admissible_command_is_refused_and_changes_nothing(world, command):
    assert world.play(world.start, command) == (world.start, "Nothing happens.", False)


def test_white_space_around_a_command_does_not_matter(world):
    assert world.play(world.start, " \tgo to shelf 1\n") == world.play(world.start, "go to shelf 1")


def test_every_admissible_command_is_accepted_and_they_are_sorted(world):
    state = world.start
    for command in ["go to countertop 1", "take knife 1 from countertop 1", "go to cabinet 2", "open cabinet 1"]:
        actions = world.actions(state)
        assert list(actions) == sorted(set(actions))
        assert all(world.play(state, action).valid for action in actions)
        state = world.play(state, command).state


def test_who_begins_in_front_of_a_receptacle_is_told_so():
    world = World(kitchen(start="loc_bar_2"))
    assert "You are facing the cabinet 2, and cabinet 1. Next to it, you see nothing." in world.intro
    assert "go to cabinet 1" not in world.actions(world.start)


def test_a_game_that_contradicts_itself_is_refused():
    """The message names what is wrong; a half-built world never comes to be."""
    with pytest.raises(BadDataError, match="apple_bar_1' twice"):
        World(kitchen(items=(*ITEMS, Item("apple_bar_1", "Apple"))))
    with pytest.raises(BadDataError, match="Pear_bar_1' is with the receptacle 'Nowhere_bar_1'"):
        World(kitchen(items=(Item("Pear_bar_1", "Pear", inside=("Nowhere_bar_1",)),)))
    with pytest.raises(BadDataError, match="'Bag_bar_1' is with the object 'Pip_bar_1'"):
        World(kitchen(items=(Item("Bag_bar_1", "Bag", contents=("Pip_bar_1",)),)))
    with pytest.raises(BadDataError, match="one id for two things"):
        World(kitchen(receptacles=(*RECEPTACLES, Receptacle("loc_bar_1", "Shelf", "loc_bar_9"))))


def test_ids_may_be_in_any_case():
    """PDDL does not mind case; neither do we, wherever an id stands."""
    items = (Item("APPLE_bar_1", "apple", "LOC_bar_1", (COUNTER.upper(),), pickupable=True),)
    world = World(kitchen(items=items))
    state, _ = play(world, "go to countertop 1; take apple 1 from countertop 1")
    assert FRIDGE.lower() in world.names
    assert world.names["apple_bar_1"] == "apple 1"
    assert state.held == 0
