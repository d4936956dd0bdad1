"""`game.tw-pddl` read: the game comes out whole, and whatever is wrong with a file is said, with the file's name."""

import json
from dataclasses import fields, replace

import pytest
from small_games import SCRIPTS, kitchen, play

from a3t.envs.alfworld import WORDING_211, Goal, TaskType, World, load_game, parse_game
from a3t.envs.household.export import tw_pddl, write_tw_pddl
from a3t.errors import BadDataError, MissingDataError

GOALS = [
    Goal(TaskType.PICK, "Apple", "Shelf"),
    Goal(TaskType.CLEAN, "Bowl", "Fridge"),
    Goal(TaskType.HEAT, "Egg", "Cabinet"),
    Goal(TaskType.COOL, "Apple", "Microwave"),
    Goal(TaskType.TWO, "Mug", "Fridge"),
    Goal(TaskType.LOOK, "Knife", lamp_type="DeskLamp"),
]


def lower(thing):
    """Reading lower-cases every id and type, as PDDL does."""
    if isinstance(thing, tuple | frozenset):
        return type(thing)(map(lower, thing))
    return thing.lower() if type(thing) is str else thing


def lowered(record):
    return replace(record, **{field.name: lower(getattr(record, field.name)) for field in fields(record)})


@pytest.mark.parametrize("goal", GOALS, ids=lambda goal: goal.task_type.name)
def test_a_written_game_is_read_back_whole(tmp_path, goal):
    game = kitchen(goal)
    back = load_game(write_tw_pddl(game, tmp_path / "game.tw-pddl"))
    assert back.goal == lowered(goal)
    assert back.task == game.task
    assert back.wording == game.wording
    assert set(back.receptacles) == set(map(lowered, game.receptacles))
    assert set(back.items) == set(map(lowered, game.items))
    assert back.can_contain == lower(frozenset(map(lower, game.can_contain)))


@pytest.mark.parametrize("wording", [kitchen().wording, WORDING_211], ids=["2.1.2", "2.1.1"])
def test_a_read_game_answers_as_the_written_one(tmp_path, wording):
    game = kitchen(wording=wording, rules=replace(kitchen().rules, has_help=bool(wording.help)))
    ours, read = World(game), World(load_game(write_tw_pddl(game, tmp_path / "game.tw-pddl")))
    assert read.intro == ours.intro
    for script in SCRIPTS:
        one, other = ours.start, read.start
        for command in script.split("; "):
            one, said, _ = ours.play(one, command)
            other, again, _ = read.play(other, command)
            assert (said, ours.actions(one)) == (again, read.actions(other))


def changed(**parts):
    """The kitchen's file with parts of it replaced: `pddl_problem=("old", "new")`."""
    data = tw_pddl(kitchen())
    for key, (old, new) in parts.items():
        assert old in data[key], f"{old!r} is not in {key}"
        data[key] = data[key].replace(old, new)
    return data


def test_the_words_come_from_the_file():
    """A game that tells itself otherwise is played otherwise."""
    data = changed(grammar=("You open the {r.name}.", "Creak! The {r.name} opens."))
    world = World(parse_game(data, "here"))
    _, answers = play(world, "go to fridge 1; open fridge 1")
    assert answers[1] == "Creak! The fridge 1 opens. The fridge 1 is open. In it, you see a egg 1."


def test_a_command_may_be_called_otherwise():
    world = World(parse_game(changed(grammar=('"take {o} from {r}"', '"grab {o} off {r}"')), "here"))
    state, _ = play(world, "go to countertop 1")
    assert "grab apple 1 off countertop 1" in world.actions(state)


def test_where_things_are_cleaned_comes_from_the_domain():
    data = changed(pddl_domain=("(receptacleType ?r SinkBasinType)", "(receptacleType ?r ShelfType)"))
    world = World(parse_game(data, "here"))
    state, _ = play(world, "go to countertop 1; take apple 1 from countertop 1; go to shelf 1")
    assert "clean apple 1 with shelf 1" in world.actions(state)


def test_a_task_may_hold_any_punctuation():
    data = changed(grammar=("put some mug in cabinet.", 'put \\"it\\" there, \\u00e9h?'))
    game = parse_game(data, "here")
    assert game.task == 'put "it" there, éh?'
    assert World(game).intro.endswith('Your task is to: put "it" there, éh?')


def test_an_id_that_only_a_flag_mentions_still_counts_in_the_numbering():
    """Two official games know a cracked egg by `pickupable` alone; their other egg is `egg 2` for it."""
    data = changed(pddl_problem=("(pickupable Egg_bar_4)", "(pickupable Egg_bar_4) (pickupable Egg_bar_4_bar_EggCracked_0)"))
    world = World(parse_game(data, "here"))
    _, answers = play(world, "go to fridge 1; open fridge 1")
    assert answers[1] == "You open the fridge 1. The fridge 1 is open. In it, you see a egg 2."


def test_repeated_facts_and_comments_do_no_harm():
    data = changed(
        pddl_problem=("(atLocation agent1", "; (atLocation agent1 loc_bar_9)\n(openable Fridge_bar_3)\n( atLocation\n agent1")
    )
    assert parse_game(data, "here").start == "loc_bar_0"


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ({"pddl_problem": ("(:init", "(:begin")}, ":init"),
        ({"pddl_problem": ("(:goal", "(:aim")}, ":goal"),
        ({"pddl_problem": ("(atLocation agent1 loc_bar_0)", "")}, "0 places"),
        ({"pddl_problem": ("(openable Fridge_bar_3)", "(openable Fridge_bar_3")}, "parentheses"),
        (
            {"pddl_problem": ("(openable Fridge_bar_3)", "(openable Fridge_bar_3 Shelf_bar_7)")},
            "openable fridge_bar_3 shelf_bar_7",
        ),
        ({"pddl_problem": ("(openable Fridge_bar_3)", "(edible Fridge_bar_3)")}, "edible"),
        ({"pddl_problem": ("(pickupable Egg_bar_4)", "(objectType Egg_bar_4 AppleType)")}, "objecttype egg_bar_4"),
        ({"pddl_problem": ("inReceptacle ?o ?r", "inReceptacle ?r ?o")}, "six"),
        ({"pddl_problem": ("(inReceptacle Egg_bar_4 Fridge_bar_3)", "(inReceptacle Egg_bar_4 Freezer_bar_1)")}, "freezer_bar_1"),
        ({"pddl_domain": (":action look", ":action sing")}, "'look'"),
        ({"pddl_domain": ("(:action look", "(:action sing :parameters ()) (:action look")}, "'sing'"),
        ({"grammar": ('"task"', '"tsk"')}, "task"),
        ({"grammar": ('"intro":', '"intro"')}, "JSON"),
        ({"grammar": ('"list_separator"', '"separator"')}, "list_separator"),
        ({"grammar": ("action OpenObject", "action OpenSesame")}, "OpenObject"),
        ({"grammar": ("{o.name} from the {r.name}.", "{o.smell} from the {r.name}.")}, "smell"),
        ({"grammar": ("You close the {r.name}.", "You close the {ko.name}.")}, "'closed' names 'tool'"),
        ({"grammar": ('"take {o} from {r}"', '"take {o} from {lend}"')}, "'take' names 'place'"),
        ({"grammar": ('template :: "look";', 'template :: "look at {o}";')}, "'look' names 'o'"),
        ({"grammar": ("You open the {r.name}. ", "You open the {r.name} with {o.name}. ")}, "'opened' names 'o'"),
        ({"grammar": ("#look.feedback#\\n\\n#task#", "{r} #look.feedback#")}, "'intro' names 'r'"),
        ({"grammar": ("#look.feedback#\\n\\n#task#", "{look!r}")}, "'intro' names 'look'"),
        ({"grammar": ("#look.feedback#\\n\\n#task#", "} #task#")}, "'intro' makes no sense"),
        ({"grammar": ('"openable(r:receptacle)"', '"heatable(r:receptacle)"')}, "examineReceptacle.feedback"),
        ({"grammar": ('"ishot(o:object)"', '"isburnt(o:object)"')}, "isburnt"),
        ({"grammar": ('template :: "look";', "")}, "look"),
        ({"grammar": ("action inventory", "@@ inventory")}, "line"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_game_is_refused_by_name_and_reason(tmp_path, damage, says):
    path = tmp_path / "game.tw-pddl"
    path.write_text(json.dumps(changed(**damage)))
    with pytest.raises(BadDataError) as caught:
        World(load_game(path)) if says != "freezer_bar_1" else _opened(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def _opened(path):
    from a3t.envs.alfworld.opening import open_world

    return open_world(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff\xfe\x00", "cannot read"),
        (b"[]", "list"),
        (b"7", "int"),
        (b"{}", "no 'pddl_domain'"),
        (b'{"pddl_domain": 7, "grammar": "", "pddl_problem": ""}', "'pddl_domain' is int"),
        (b'{"pddl_domain": "", "grammar": "", "pddl_problem": "", "walkthrough": "look"}', "walkthrough"),
        (b'{"pddl_domain": "", "grammar": "", "pddl_problem": ""}', "lacks the action"),
    ],
)
def test_a_file_that_is_no_game_is_refused_by_name_and_reason(tmp_path, content, says):
    path = tmp_path / "game.tw-pddl"
    path.write_bytes(content)
    with pytest.raises(BadDataError) as caught:
        load_game(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    path = write_tw_pddl(kitchen(), tmp_path / "game.tw-pddl")
    whole = path.read_bytes()
    for length in range(0, len(whole), 701):
        path.write_bytes(whole[:length])
        with pytest.raises(BadDataError, match=r"game\.tw-pddl"):
            load_game(path)


def test_a_missing_file_is_missing_data_not_bad_data(tmp_path):
    with pytest.raises(MissingDataError, match="there is no game"):
        load_game(tmp_path / "game.tw-pddl")
