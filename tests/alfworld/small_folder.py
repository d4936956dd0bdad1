"""A data folder of hand-made games, laid out as the official one."""

import json

from small_games import kitchen

from a3t.envs.alfworld import Goal, TaskType
from a3t.envs.household.export import tw_pddl, write_tw_pddl

APPLE = "pick_and_place_simple-Apple-None-Shelf-1/trial_T20190101_000000_000001"
BOWL = "pick_clean_then_place_in_recep-Bowl-None-Fridge-1/trial_T20190101_000000_000002"
LAMP = "look_at_obj_in_light-Knife-None-DeskLamp-2/trial_T20190101_000000_000003"
MUGS = "pick_two_obj_and_place-Mug-None-Fridge-1/trial_T20190101_000000_000004"
UNSOLVABLE = "pick_and_place_simple-Plum-None-Shelf-1/trial_T20190101_000000_000005"
MOVABLE = "pick_and_place_with_movable_recep-Mug-Bowl-Shelf-1/trial_T20190101_000000_000006"
SLICED = "pick_and_place_simple-AppleSliced-None-Shelf-1/trial_T20190101_000000_000007"

GAMES = {
    "train": {
        APPLE: kitchen(Goal(TaskType.PICK, "Apple", "Shelf"), task="put a apple on shelf."),
        BOWL: kitchen(Goal(TaskType.CLEAN, "Bowl", "Fridge"), task="put a clean bowl in fridge."),
        MOVABLE: kitchen(Goal(TaskType.PICK, "Mug", "Shelf")),
        SLICED: kitchen(Goal(TaskType.PICK, "Apple", "Shelf")),
    },
    "valid_seen": {
        LAMP: kitchen(Goal(TaskType.LOOK, "Knife", lamp_type="DeskLamp"), task="look at knife under the desklamp."),
        MUGS: kitchen(Goal(TaskType.TWO, "Mug", "Fridge"), task="put two mug in fridge."),
    },
}


def write_folder(root):
    """The games above, and one that says of itself that it cannot be solved."""
    for split, games in GAMES.items():
        for task_id, game in games.items():
            write_tw_pddl(game, root / "json_2.1.1" / split / task_id / "game.tw-pddl")
    path = root / "json_2.1.1" / "train" / UNSOLVABLE / "game.tw-pddl"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(tw_pddl(kitchen()) | {"solvable": False}))
    return root
