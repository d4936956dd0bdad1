"""Recipe books and plans: depth, what stands for what, and which things together are a recipe."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t.envs.textcraft import Book, Ingredient, Recipe, plan
from a3t.envs.textcraft.book import item_id, words
from a3t.errors import BadDataError


def recipe(command):
    """A recipe from the line that shows it."""
    made, _, used = command.removeprefix("craft ").partition(" using ")
    count, _, output = made.partition(" ")
    parts = (part.partition(" ") for part in used.split(", "))
    return Recipe(item_id(output), int(count), tuple(Ingredient(item_id(name), int(number)) for number, _, name in parts))


def book(*commands, **members):
    return Book(map(recipe, commands), {item_id(name): [item_id(item) for item in items] for name, items in members.items()})


WOOD = (
    "craft 4 oak planks using 1 oak log",
    "craft 4 birch planks using 1 birch log",
    "craft 4 stick using 2 planks",
    "craft 1 torch using 1 stick, 1 coals",
    "craft 2 sign using 6 planks, 1 stick",
)
PLANKS = {"planks": ["oak planks", "birch planks"]}


def test_a_recipe_reads_as_the_command_that_carries_it_out():
    for command in WOOD:
        assert recipe(command).command == command


def test_names_of_other_namespaces_keep_them_and_minecraft_is_never_typed():
    assert words("minecraft:dark_oak_sign") == "dark oak sign"
    assert item_id("dark oak sign") == item_id("dark_oak sign") == "minecraft:dark_oak_sign"
    assert item_id(words("create:brass_gear")) == "create:brass_gear"
    assert item_id("minecraft:oak log") == "minecraft:minecraft:oak_log"


def test_depth_counts_crafting_steps_by_the_shallowest_recipe_and_the_deepest_ingredient():
    """log 0, planks 1, stick 2 (planks), torch 3 (stick); with a stick of bamboo, 1 and 2."""
    plain = book(*WOOD, **PLANKS)
    depths = {name: plain.depth(item_id(name)) for name in ("oak log", "oak planks", "planks", "stick", "torch", "sign", "coals")}
    assert depths == {"oak log": 0, "oak planks": 1, "planks": 1, "stick": 2, "torch": 3, "sign": 3, "coals": 0}
    bamboo = book(*WOOD, "craft 1 stick using 2 bamboo", **PLANKS)
    assert [bamboo.depth(item_id(name)) for name in ("stick", "torch", "sign")] == [1, 2, 2]


def test_what_can_be_got_is_what_is_known_and_not_crafted():
    wood = book(*WOOD, **PLANKS)
    gettable = {words(item) for item in wood.items if wood.can_get(item)}
    assert gettable == {"oak log", "birch log", "coals"}
    for name in ("planks", "oak planks", "diamond"):
        assert not wood.can_get(item_id(name))


def test_a_generic_none_of_whose_members_is_crafted_is_got_by_its_own_name_and_its_members_do_too():
    coals = book(*WOOD, coals=["coal", "charcoal"], **PLANKS)
    assert all(coals.can_get(item_id(name)) for name in ("coals", "coal", "charcoal"))
    assert coals.crafts(item_id("torch"), [Ingredient(item_id("charcoal"), 1), Ingredient(item_id("stick"), 1)])


@pytest.mark.parametrize(
    ("given_things", "is_recipe"),
    [
        ("6 oak planks, 1 stick", True),
        ("1 stick, 6 birch planks", True),
        ("3 oak planks, 3 birch planks, 1 stick", False),
        ("5 oak planks, 1 stick", False),
        ("7 oak planks, 1 stick", False),
        ("6 oak planks", False),
        ("6 oak planks, 1 stick, 1 coals", False),
        ("6 oak planks, 1 stick, 1 stick", False),
        ("6 planks, 1 stick", False),
        ("6 oak log, 1 stick", False),
    ],
)
def test_counts_are_exact_and_one_material_fills_a_generic(given_things, is_recipe):
    things = recipe(f"craft 1 x using {given_things}").ingredients
    assert (book(*WOOD, **PLANKS).crafts(item_id("sign"), things) is not None) is is_recipe


def test_what_has_no_recipe_is_not_crafted():
    assert book(*WOOD, **PLANKS).crafts(item_id("oak log"), [Ingredient(item_id("stick"), 1)]) is None


names = st.sampled_from([item_id(name) for name in ("a", "b", "c", "ab", "bc", "d")])
counted = st.lists(st.builds(Ingredient, names, st.integers(1, 2)), min_size=1, max_size=4)


@given(wanted=counted.filter(lambda them: len({one.name for one in them}) == len(them)), things=counted)
def test_pairing_off_agrees_with_trying_every_order(wanted, things):
    members = {item_id("ab"): [item_id("a"), item_id("b")], item_id("bc"): [item_id("b"), item_id("c")]}
    made = [Recipe(item_id(name), 1, (Ingredient(item_id("d"), 1),)) for name in "abc"]
    known = Book([*made, Recipe(item_id("goal"), 1, tuple(wanted))], members)
    tried = (
        all(
            one.number == want.number and one.name in members.get(want.name, [want.name])
            for one, want in zip(order, wanted, strict=True)
        )
        for order in permutations(things)
        if len(things) == len(wanted)
    )
    assert (known.crafts(item_id("goal"), things) is not None) == any(tried)


def test_a_circle_is_refused_and_shown():
    with pytest.raises(BadDataError, match=r"goes round: (a → b → a|b → a → b)"):
        book("craft 1 a using 1 b", "craft 1 b using 1 a")
    with pytest.raises(BadDataError, match="goes round"):
        book("craft 1 oak planks using 1 planks", planks=["oak planks"])


def test_everything_that_an_item_may_take_is_needed_for_it():
    wood = book(*WOOD, "craft 1 stick using 2 bamboo", **PLANKS)
    needed = {needed.command for needed in wood.needed_for(item_id("torch"))}
    assert needed == {*WOOD[:4], "craft 1 stick using 2 bamboo"}


def test_a_plan_uses_leftovers_before_it_makes_more():
    """A sign: 6 planks and 1 stick; the stick: 2 planks. 8 planks are 2 logs, not 2 for the sign and 1 for the stick."""
    wood = book(*WOOD, **PLANKS)
    assert plan(wood, item_id("sign")).commands == [
        "get 2 birch log",
        "craft 4 birch planks using 1 birch log",
        "craft 4 birch planks using 1 birch log",
        "craft 4 stick using 2 birch planks",
        "craft 2 sign using 6 birch planks, 1 stick",
    ]


def test_a_plan_takes_the_shallowest_way():
    wood = book(*WOOD, "craft 1 stick using 2 bamboo", **PLANKS)
    assert plan(wood, item_id("torch")).commands == [
        "get 2 bamboo",
        "get 1 coals",
        "craft 1 stick using 2 bamboo",
        "craft 1 torch using 1 stick, 1 coals",
    ]


def test_a_plan_that_explodes_is_counted_without_being_written_out():
    """Each step takes 9 of the one below: 1 + 9 + 81 + … + 9^39 craftings."""
    tower = book(*(f"craft 1 x{level} using 9 x{level - 1}" for level in range(1, 41)))
    assert plan(tower, item_id("x40")).num_commands == 1 + (9**40 - 1) // 8


def test_a_long_chain_of_recipes_is_no_trouble():
    chain = book(*(f"craft 1 x{level} using 1 x{level - 1}" for level in range(1, 3001)))
    assert chain.depth(item_id("x3000")) == 3000
    assert len(chain.needed_for(item_id("x3000"))) == 3000
