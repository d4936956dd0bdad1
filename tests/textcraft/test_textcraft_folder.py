"""Minecraft's recipe files: all their formats, tags, circles, and files that are broken."""

import os

import pytest
from minecraft_folder import RECIPES, write

from a3t.envs.textcraft import load
from a3t.envs.textcraft.book import item_id, words
from a3t.envs.textcraft.shelf import game_of, split_of_item, targets
from a3t.envs.textcraft.world import State
from a3t.errors import BadDataError, MissingDataError, RecipeError


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return load(write(tmp_path_factory.mktemp("minecraft"))).book


def lines(book):
    return {recipe.command for recipe in book.recipes}


def test_every_format_of_recipe_is_read(book):
    assert lines(book) == {
        "craft 4 oak planks using 1 oak log",
        "craft 4 birch planks using 1 birch log",
        "craft 1 chest using 8 planks",
        "craft 1 iron ingot using 9 iron nugget",
        "craft 4 stick using 2 planks",
        "craft 4 torch using 1 stick, 1 coals",
        "craft 1 oak boat using 5 oak planks",
        "craft 3 ladder using 7 stick",
        "craft 1 fishing rod using 3 stick, 2 string",
        "craft 1 jack using 1 torch, 1 chest",
    }


def test_depths_are_those_worked_out_on_paper(book):
    depths = {words(item): book.depth(item) for item in book.by_output}
    assert depths == (
        {"oak planks": 1, "birch planks": 1, "iron ingot": 1, "stick": 2, "chest": 2, "oak boat": 2}
        | {"torch": 3, "ladder": 3, "fishing rod": 3, "jack": 4}
    )


def test_a_group_is_the_tag_of_what_it_makes(book):
    assert book.generic == {item_id("planks"), item_id("sticks"), item_id("boat")}
    assert not any(book.can_get(name) for name in book.generic)
    assert book.options(item_id("planks")) == (item_id("birch planks"), item_id("oak planks"))


def test_a_tag_of_nothing_craftable_is_got_by_its_own_name(book):
    assert book.can_get(item_id("coals"))


def test_a_recipe_that_closes_a_circle_is_left_out_and_its_item_got(book):
    assert book.can_get(item_id("iron nugget"))


def test_unpacking_a_block_and_other_kinds_of_recipe_are_left_out(book):
    assert not {item_id("coal"), item_id("glass"), item_id("sand")} & book.items


def test_tag_files_add_to_the_groups_and_lead_to_other_tags(tmp_path):
    tags = {
        "coals": {"values": ["minecraft:coal", {"id": "#minecraft:burnt", "required": False}]},
        "burnt": {"values": ["charcoal", "#minecraft:coals"]},
        "planks": {"values": ["minecraft:warped_planks"]},
    }
    book = load(write(tmp_path, tags=tags)).book
    assert [words(item) for item in book.options(item_id("coals"))] == ["charcoal", "coal", "coals"]
    assert [words(item) for item in book.options(item_id("planks"))] == ["birch planks", "oak planks", "warped planks"]
    assert book.can_get(item_id("warped planks"))


@pytest.mark.parametrize("place", ["", "recipes", "recipe", "data/minecraft/recipes", "minecraft/recipe"])
def test_the_folder_may_be_given_from_several_heights(tmp_path, place):
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    write(tmp_path / "made")
    for path in (tmp_path / "made" / "recipes").iterdir():
        path.rename(folder / path.name)
    assert len(load(tmp_path).book.recipes) == 10


def test_tags_are_found_beside_a_recipes_folder_that_is_itself_given(tmp_path):
    write(tmp_path, tags={"coals": {"values": ["minecraft:charcoal"]}})
    assert item_id("charcoal") in load(tmp_path / "recipes").book.options(item_id("coals"))


def test_the_same_ingredient_under_two_symbols_is_one(tmp_path):
    both = {"type": "crafting_shaped", "pattern": ["AB", "BB"], "key": {"A": "a", "B": {"item": "a"}}, "result": "b"}
    assert lines(load(write(tmp_path, {"b": both})).book) == {"craft 1 b using 4 a"}


def test_a_changed_file_is_read_again_and_the_digest_tells(tmp_path):
    before = load(write(tmp_path))
    assert load(tmp_path) is before
    write(tmp_path, {"stick": RECIPES["stick"] | {"result": {"item": "minecraft:stick", "count": 16}}})
    os.utime(tmp_path / "recipes" / "stick.json", ns=(1, 1))
    after = load(tmp_path)
    assert "craft 16 stick using 2 planks" in lines(after.book)
    assert after.digest != before.digest


def test_the_digest_does_not_depend_on_where_the_files_are(tmp_path):
    assert load(write(tmp_path / "one")).digest == load(write(tmp_path / "two")).digest


@pytest.mark.parametrize("place", ["recipes", "tags/items"])
def test_a_link_that_leads_nowhere_is_named(tmp_path, place):
    write(tmp_path, tags={"planks": {"values": []}})
    (tmp_path / place / "lost.json").symlink_to("/nowhere.json")
    with pytest.raises(BadDataError, match=r"lost\.json: expected a recipe or a tag, found a link to '/nowhere\.json'"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("~nosuchuser/x", "in the home of a user that is not there"),
        ("x" * 5000, "no path that this system takes"),
        ("x/" * 5000, "no path that this system takes"),
        ("a\0b", "not there|no path"),
        ("/nope", "not there"),
    ],
)
def test_a_folder_that_cannot_be_is_missing_data(folder, said):
    with pytest.raises(MissingDataError, match=said) as raised:
        load(folder)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("folder", [3, True, ["a"], {}, 1.5, b"/x"])
def test_recipes_that_are_no_path_are_said_to_be_none(folder):
    with pytest.raises(RecipeError, match="is no path"):
        load(folder)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("[]", "a recipe, a JSON object, found"),
        ("null", "a recipe, a JSON object, found None"),
        ('{"type": 7}', "a recipe with 'type', found 7"),
        ("{}", "a recipe with 'type', found 'none'"),
        ({"type": "crafting_shaped"}, "a shaped recipe with 'pattern'"),
        ({"type": "crafting_shaped", "pattern": ["#"]}, "a shaped recipe with 'key'"),
        ({"type": "crafting_shaped", "pattern": ["####"], "key": {}}, "up to 3 rows of up to 3 symbols"),
        ({"type": "crafting_shaped", "pattern": [7], "key": {}}, "up to 3 rows of up to 3 symbols"),
        ({"type": "crafting_shaped", "pattern": [" "], "key": {}}, "a pattern with something in it"),
        ({"type": "crafting_shaped", "pattern": ["#"], "key": {}}, "the pattern's symbol '#' in the key"),
        ({"type": "crafting_shaped", "pattern": ["#"], "key": {"#": "a", "X": "b"}}, "the key's symbol 'X' in the pattern"),
        ({"type": "crafting_shaped", "pattern": ["#"], "key": {"#": "a", "": "b"}}, "one character for each symbol of the key"),
        (
            {"type": "crafting_shaped", "pattern": ["##"], "key": {"#": "a", "##": "b"}},
            "one character for each symbol of the key",
        ),
        ({"type": "crafting_shaped", "pattern": ["#"], "key": {"#": {}}}, "an ingredient: "),
        ({"type": "crafting_shapeless", "ingredients": []}, "1 to 9 ingredients"),
        ({"type": "crafting_shapeless", "ingredients": ["a"] * 10}, "1 to 9 ingredients"),
        ({"type": "crafting_shapeless", "ingredients": [[]]}, "an ingredient: "),
        ({"type": "crafting_shapeless", "ingredients": ["Oak Log"]}, "a name such as minecraft:oak_planks"),
        ({"type": "crafting_shapeless", "ingredients": ["#../../../etc/passwd"]}, "a name such as minecraft:oak_planks"),
        ({"type": "crafting_shapeless", "ingredients": [{"item": 3}]}, "a name such as minecraft:oak_planks, found 3"),
        ({"type": "crafting_shapeless", "ingredients": ["tea_using_milk"]}, "a name that a command can hold"),
        ({"type": "crafting_shapeless", "ingredients": ["a"]}, "a result: "),
        ({"type": "crafting_shapeless", "ingredients": ["a"], "result": {"item": "b", "count": 0}}, "a count from 1 to 99"),
        ({"type": "crafting_shapeless", "ingredients": ["a"], "result": {"item": "b", "count": True}}, "a count from 1 to 99"),
        ({"type": "crafting_shapeless", "ingredients": ["a"], "result": "b", "group": 7}, "text for the group"),
        (" " * (1 << 20) + "{}", "at most 1,048,576 bytes"),
    ],
)
def test_a_broken_file_is_named_and_what_is_wrong_with_it_said(tmp_path, content, expected):
    write(tmp_path, RECIPES | {"broken": content})
    with pytest.raises(BadDataError) as caught:
        load(tmp_path)
    assert str(tmp_path / "recipes" / "broken.json") in str(caught.value)
    assert expected in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))


def test_a_file_that_is_not_text_is_named(tmp_path):
    (write(tmp_path) / "recipes" / "broken.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataError, match=r"broken\.json: expected JSON"):
        load(tmp_path)


@pytest.mark.parametrize("content", [[], {"values": 3}, {"values": [3]}, {"values": ["Not A Name"]}, {"values": [{}]}, "{"])
def test_a_broken_tag_is_named(tmp_path, content):
    write(tmp_path, tags={"coals": content})
    with pytest.raises(BadDataError, match=r"coals\.json: expected"):
        load(tmp_path)


def test_files_of_the_modding_tools_are_passed_over(tmp_path):
    write(tmp_path, RECIPES | {"_constants": [], "_all": "{"})
    assert len(load(tmp_path).book.recipes) == 10


def test_a_missing_or_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(MissingDataError, match="is not there"):
        load(tmp_path / "nowhere")
    (tmp_path / "file").write_text("x")
    with pytest.raises(MissingDataError, match="is no folder"):
        load(tmp_path / "file")
    with pytest.raises(MissingDataError, match=r"no crafting recipe in .* \(0 JSON files\)"):
        load(tmp_path)
    with pytest.raises(MissingDataError, match=r"no crafting recipe in .* \(1 JSON files\)"):
        load(write(tmp_path / "smelting", {"glass": RECIPES["glass"]}))
    itself = {"type": "crafting_shapeless", "ingredients": ["a"], "result": "a"}
    with pytest.raises(MissingDataError, match="needs what it makes"):
        load(write(tmp_path / "itself", {"a": itself}))


def test_a_folder_without_a_telling_name_is_not_searched_to_its_depths(tmp_path):
    write(tmp_path / "deep" / "below")
    with pytest.raises(MissingDataError, match="0 JSON files"):
        load(tmp_path / "deep")


def test_tasks_are_the_items_of_the_depths_asked_for_each_in_one_split(book):
    asked = targets(book, (2, 3, 4))
    items = [item for its in asked.values() for item in its]
    assert sorted(map(words, items)) == ["chest", "fishing rod", "jack", "ladder", "oak boat", "stick", "torch"]
    assert all(split_of_item(item) == split for split, its in asked.items() for item in its)


def test_seven_tenths_of_a_large_book_are_for_training():
    splits = [split_of_item(f"minecraft:thing_{number}") for number in range(2000)]
    shares = [splits.count(split) / 2000 for split in ("train", "valid", "test")]
    assert [round(share, 1) for share in shares] == [0.7, 0.1, 0.2]


def test_items_that_take_more_than_a_hundred_commands_are_not_asked_for(tmp_path):
    tower = {
        f"x{level}": {"type": "crafting_shapeless", "ingredients": [f"x{level - 1}"] * 9, "result": f"x{level}"}
        for level in range(1, 5)
    }
    book = load(write(tmp_path, tower)).book
    # 1 fetch and 1, 10, 91, 820 craftings.
    assert sorted(words(item) for its in targets(book, (1, 2, 3, 4)).values() for item in its) == ["x1", "x2", "x3"]


def test_a_game_shows_all_recipes_that_it_may_take_and_lures_that_share_an_ingredient(book):
    game = game_of(book, item_id("torch"), 0, (2, 2))
    useful = {recipe.command for recipe in book.needed_for(item_id("torch"))}
    assert {"craft 4 stick using 2 planks", "craft 4 birch planks using 1 birch log"} <= useful
    lures = {recipe.command for recipe in game.shown} - useful
    assert len(lures) == 2
    assert lures < {
        "craft 1 chest using 8 planks",
        "craft 3 ladder using 7 stick",
        "craft 1 fishing rod using 3 stick, 2 string",
    }


def test_asking_for_more_lures_than_there_are_gives_those_there_are(book):
    assert len(game_of(book, item_id("torch"), 0, (30, 30)).shown) == 4 + 3


def test_each_item_of_the_folder_is_crafted_by_its_solution(book):
    for item in book.by_output:
        game, state = game_of(book, item, 0, (0, 10)), State()
        for action in game.plan.commands:
            assert action in game.actions(state)
            state = game.play(state, action).state
        assert state.won
