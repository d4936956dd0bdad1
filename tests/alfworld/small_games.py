"""A kitchen of eight receptacles and nine objects, made by hand: small enough to work out every answer on paper.

loc_1   countertop 1     apple 1, knife 1, mug 1 (also in cabinet 2); window 1 beside it
loc_2   cabinet 2, cabinet 1 (closed, side by side)     in cabinet 2: bowl 1 (a plum in it), mug 1
loc_3   fridge 1 (closed)     egg 1 (cold already)
loc_4   microwave 1 (closed)
loc_5   sinkbasin 1
loc_6   sidetable 1     desklamp 1
loc_7   shelf 1     mug 2
loc_0   the agent
"""

from dataclasses import replace

from a3t.envs.alfworld import Game, Goal, Item, Receptacle, TaskType

CABINET_A = "Cabinet_bar__minus_01_dot_00"
CABINET_B = "Cabinet_bar__plus_02_dot_00"
COUNTER = "CounterTop_bar__plus_00_dot_10"
FRIDGE = "Fridge_bar_3"
MICROWAVE = "Microwave_bar_4"
BASIN = "Sink_bar_5_bar_SinkBasin"
TABLE = "SideTable_bar_6"
SHELF = "Shelf_bar_7"

RECEPTACLES = (
    Receptacle(COUNTER, "CounterTop", "loc_bar_1"),
    Receptacle(CABINET_A, "Cabinet", "loc_bar_2", openable=True),
    Receptacle(CABINET_B, "Cabinet", "loc_bar_2", openable=True),
    Receptacle(FRIDGE, "Fridge", "loc_bar_3", openable=True),
    Receptacle(MICROWAVE, "Microwave", "loc_bar_4", openable=True),
    Receptacle(BASIN, "SinkBasin", "loc_bar_5"),
    Receptacle(TABLE, "SideTable", "loc_bar_6"),
    Receptacle(SHELF, "Shelf", "loc_bar_7"),
)

ITEMS = (
    Item(
        "Apple_bar_1", "Apple", "loc_bar_1", (COUNTER,),
        pickupable=True, cleanable=True, heatable=True, coolable=True, sliceable=True,
    ),
    Item("Bowl_bar_2", "Bowl", "loc_bar_2", (CABINET_A,), ("Plum_bar_9",), pickupable=True, is_receptacle=True, cleanable=True),
    Item("DeskLamp_bar_3", "DeskLamp", "loc_bar_6", (TABLE,), toggleable=True),
    Item("Egg_bar_4", "Egg", "loc_bar_3", (FRIDGE,), pickupable=True, heatable=True, coolable=True, cleanable=True, cool=True),
    Item("Knife_bar_5", "Knife", "loc_bar_1", (COUNTER,), pickupable=True, cleanable=True),
    Item("Mug_bar_6", "Mug", "loc_bar_1", (COUNTER, CABINET_A), pickupable=True, heatable=True, coolable=True, cleanable=True),
    Item("Mug_bar_2", "Mug", "loc_bar_7", (SHELF,), pickupable=True, heatable=True, coolable=True, cleanable=True),
    Item("Plum_bar_9", "Plum", "loc_bar_2", pickupable=True),
    Item("Window_bar_8", "Window", "loc_bar_1"),
)  # fmt: skip

PLACES = ("CounterTop", "Cabinet", "Fridge", "Microwave", "SinkBasin", "SideTable", "Shelf")
THINGS = ("Apple", "Bowl", "Egg", "Knife", "Mug", "Plum")
CAN_CONTAIN = frozenset((place, thing) for place in PLACES for thing in THINGS) - {("Microwave", "Knife")}

KITCHEN = Game(
    task="put some mug in cabinet.",
    goal=Goal(TaskType.PICK, "Mug", "Shelf"),
    start="loc_bar_0",
    receptacles=RECEPTACLES,
    items=ITEMS,
    can_contain=CAN_CONTAIN,
)


def kitchen(goal: Goal | None = None, **changes) -> Game:
    return replace(KITCHEN, **({"goal": goal} if goal else {}), **changes)


def without(*ids: str) -> tuple[Item, ...]:
    return tuple(item for item in ITEMS if item.id not in ids)


def play(world, commands, state=None):
    """The last state and all answers; every command of `"one; two; three"` must be admissible."""
    state, answers = state or world.start, []
    for command in commands.split("; ") if isinstance(commands, str) else commands:
        state, answer, valid = world.play(state, command)
        assert valid, f"{command!r} was refused; admissible were {world.actions(state)}"
        answers.append(answer)
    return state, answers


SCRIPTS = (
    "look; help; inventory; go to countertop 1; look; examine countertop 1; take mug 1 from countertop 1; look",
    "go to cabinet 2; open cabinet 2; open cabinet 1; take bowl 1 from cabinet 2; examine bowl 1; look; "
    "move bowl 1 to cabinet 1; look; take bowl 1 from cabinet 1; look; move bowl 1 to cabinet 2; look",
    "go to countertop 1; take knife 1 from countertop 1; slice apple 1 with knife 1; "
    "move knife 1 to countertop 1; take apple 1 from countertop 1; examine apple 1; go to sinkbasin 1; "
    "clean apple 1 with sinkbasin 1; examine apple 1; go to microwave 1; heat apple 1 with microwave 1; "
    "examine apple 1; go to fridge 1; cool apple 1 with fridge 1; examine apple 1; open fridge 1; "
    "move apple 1 to fridge 1; close fridge 1; look",
    "go to fridge 1; open fridge 1; take egg 1 from fridge 1; examine egg 1; go to microwave 1; "
    "heat egg 1 with microwave 1; examine egg 1; LOOK; ;  look ; examine  egg 1",
    "go to sidetable 1; use desklamp 1; use desklamp 1; examine sidetable 1; examine desklamp 1; look",
    "go to countertop 1; take mug 1 from countertop 1; go to cabinet 2; open cabinet 2; examine cabinet 2; "
    "move mug 1 to cabinet 2; examine cabinet 2; look; take mug 1 from cabinet 2; look; go to countertop 1; "
    "look",
)
"""Command lines that pass by every quirk; some of them are refused on purpose."""
