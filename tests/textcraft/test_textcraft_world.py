"""Playing by the original's rules: each message as github.com/archiki/ADaPT words it, worked out on a small book."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_textcraft_book import PLANKS, WOOD, book

from a3t.envs.textcraft.book import item_id
from a3t.envs.textcraft.world import MAX_ACTION, MAX_FILLINGS, Game, State

BOOK = book(*WOOD, **PLANKS)
SIGN = Game(BOOK, item_id("sign"), BOOK.recipes)


def play(*actions, game=SIGN):
    """The last state and answer of a few commands."""
    state = State()
    for action in actions:
        state, text, valid = game.play(state, action)
    return state, text, valid


def test_the_task_is_told_as_the_original_tells_it():
    assert SIGN.intro == "Crafting commands:\n" + "\n".join(WOOD) + "\n\nGoal: craft sign."


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        (["get 4 oak log"], "Got 4 oak log"),
        (["get 4 oak_log"], "Got 4 oak_log"),
        (["get 0 oak log"], "Got 0 oak log"),
        (["get 2 oak logs"], "Could not find oak logs"),
        (["get 2 oak log "], "Could not find oak log "),
        (["get 1 minecraft:oak_log"], "Could not find minecraft:oak_log"),
        (["get 1 oak planks"], "Could not find oak planks"),
        (["get 1 planks"], "Could not find planks"),
        (["get 1 diamond"], "Could not find diamond"),
        (["get oak log"], "Could not execute get oak log"),
        (["get -1 oak log"], "Could not execute get -1 oak log"),
        (["get 1000001 oak log"], "Could not execute get 1000001 oak log"),
        (["Get 1 oak log"], "Could not execute Get 1 oak log"),
        ([" get 1 oak log"], "Could not execute  get 1 oak log"),
        (["look"], "Could not execute look"),
        ([""], "Could not execute "),
        (["inventory"], "Inventory: You are not carrying anything."),
        (["inventory:"], "Inventory: You are not carrying anything."),
        (["get 2 oak log", "get 1 coals", "get 1 oak log", "inventory"], "Inventory: [oak log] (3) [coals] (1) "),
        (["get 1 oak log", "craft 4 oak planks using 1 oak log"], "Crafted 4 minecraft:oak_planks"),
        (["get 1 oak log", "craft oak planks using 1 oak log"], "Crafted 4 minecraft:oak_planks"),
        (["get 1 oak log", "craft 99 oak planks using 1 oak log"], "Crafted 4 minecraft:oak_planks"),
        (["craft 4 oak planks using 1 oak log"], "Could not find enough items to craft minecraft:oak_planks"),
        (["get 1 oak log", "craft 4 planks using 2 oak log"], "Could not find enough items to craft None"),
        (["craft 4 oak planks using oak log"], "Wrong item format: oak log"),
        (["craft 4 oak planks using 1 oak log, stick"], "Wrong item format: stick"),
        (["craft 4 oak planks using 1 oak log,"], "Wrong item format: "),
        (["craft 4 oak planks"], "Could not execute craft 4 oak planks"),
        (
            ["get 1 oak log", "craft 1 chest using 1 oak log"],
            "Could not find a valid recipe for ItemTagWithCount(item_tag=ItemTag(tag=None, item_id='minecraft:chest'), count=1)",
        ),
        (
            ["get 1 oak log", "craft 4 planks using 1 oak log"],
            "Could not find a valid recipe for ItemTagWithCount(item_tag=ItemTag(tag='minecraft:planks', item_id=None), count=4)",
        ),
    ],
)
def test_answers_are_the_originals(actions, text):
    before, _, _ = play(*actions[:-1]) if actions[:-1] else (State(), "", True)
    after, answer, valid = play(*actions)
    assert answer == text
    assert valid is not answer.startswith(("Could not", "Wrong"))
    assert valid or after == before


def test_crafting_takes_exactly_what_it_says_and_what_is_used_up_is_gone():
    state, _, _ = play("get 3 oak log", "get 1 coals", *["craft 4 oak planks using 1 oak log"] * 3)
    assert play("inventory")[1].endswith("not carrying anything.")
    assert SIGN.play(state, "inventory").text == "Inventory: [coals] (1) [oak planks] (12) "
    state = SIGN.play(state, "craft 4 stick using 2 oak planks").state
    assert dict(state.inventory) == {item_id("coals"): 1, item_id("oak planks"): 10, item_id("stick"): 4}


def test_the_goal_is_won_by_crafting_it_and_by_nothing_else():
    commands = SIGN.plan.commands
    assert not play(*commands[:-1])[0].won
    assert play(*commands)[0].won
    torch, _, _ = play("get 1 oak log", "get 1 coals", WOOD[0], "craft 4 stick using 2 oak planks", WOOD[3])
    assert not torch.won


def test_an_item_named_twice_must_be_carried_twice():
    """Two ingredients may both be oak planks; the original lets one plank pass for both, and then breaks."""
    twice = book(*WOOD, "craft 1 frame using 1 planks, 1 oak planks", **PLANKS)
    game = Game(twice, item_id("frame"), twice.recipes)
    state = State(((item_id("oak planks"), 1),))
    answer = game.play(state, "craft 1 frame using 1 oak planks, 1 oak planks")
    assert answer == (state, "Could not find enough items to craft minecraft:frame", False)
    assert game.play(State(((item_id("oak planks"), 2),)), "craft 1 frame using 1 oak planks, 1 oak planks").state.won
    assert game.play(
        State(((item_id("oak planks"), 1), (item_id("birch planks"), 1))),
        game.plan.commands[-1].replace(game.plan.commands[-1].partition(" using ")[2], "1 oak planks, 1 birch planks"),
    ).state.won


def test_recipes_that_the_task_does_not_show_work_as_well():
    hidden = Game(BOOK, item_id("stick"), BOOK.recipes[2:3])
    assert "oak log" not in hidden.intro
    assert play("get 1 oak log", "craft 4 oak planks using 1 oak log", game=hidden)[2]


def test_actions_are_what_the_shown_recipes_name_and_the_inventory_allows():
    """Fetched: what a recipe takes of it, and what the plan needs of it (2 logs)."""
    fetch = ["get 1 birch log", "get 1 coals", "get 1 oak log", "get 2 birch log", "inventory"]
    assert SIGN.actions(State()) == fetch
    state, _, _ = play("get 1 oak log", "get 1 birch log", WOOD[0])
    crafts = ["craft 4 birch planks using 1 birch log", "craft 4 stick using 2 oak planks"]
    assert SIGN.actions(state) == sorted([*crafts, *fetch])
    assert SIGN.actions(State(won=True)) == []


def test_every_listed_action_is_valid():
    state = play("get 9 oak log", "get 9 birch log", "get 2 coals", *WOOD[:2] * 4, "craft 4 stick using 2 oak planks")[0]
    actions = SIGN.actions(state)
    assert "craft 2 sign using 6 birch planks, 1 stick" in actions
    assert all(SIGN.play(state, action).valid for action in actions)


def test_a_recipe_with_countless_fillings_lists_some():
    """Nine generics of nine members each: 9^9 ways, of which a list may hold a few."""
    members = {f"kind{kind}": [f"thing {kind} {number}" for number in range(9)] for kind in range(9)}
    made = [f"craft 1 {name} using 1 clay" for names in members.values() for name in names]
    many = book(*made, "craft 1 all using " + ", ".join(f"1 {name}" for name in members), **members)
    game = Game(many, item_id("all"), many.recipes)
    state = State(tuple((item_id(name), 1) for names in members.values() for name in names))
    crafts = [action for action in game.actions(state) if action.startswith("craft 1 all")]
    assert len(crafts) == MAX_FILLINGS
    assert all(game.play(state, action).state.won for action in crafts)


@given(st.text(st.characters(codec=None), max_size=60) | st.from_regex(r"(get|craft) [0-9]{1,40} .{0,20}( using .{0,40})?"))
def test_any_text_is_answered_in_one_printable_line(action):
    state, text, valid = SIGN.play(State(), action)
    assert text.isprintable()
    assert valid or state == State()


def test_a_command_as_long_as_a_book_is_refused_with_its_beginning():
    for action in ("get " + "9" * MAX_ACTION + " oak log", "craft 1 sign using " + "1 stick, " * 300, "inventory" * 1000):
        state, text, valid = SIGN.play(State(), action)
        assert not valid and state == State()
        assert text == f"Could not execute {action[:200]}..."


def test_numbers_of_two_thousand_digits_are_numbers():
    number = "9" * 1900
    assert SIGN.play(State(), f"get {number} oak log").text.startswith("Could not execute get 999")
    assert not SIGN.play(State(), f"craft 1 sign using {number} stick, 1 oak planks").valid


def test_lines_after_the_first_do_not_count():
    assert play("get 1 oak log\nget 5 coals")[0] == play("get 1 oak log")[0]
