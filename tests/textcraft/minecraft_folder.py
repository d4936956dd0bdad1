"""A recipe folder of hand-made files, in the formats of three generations of Minecraft, small enough to work out on paper.

depth 0  oak log, birch log, string, coals (a tag that nothing craftable has: fetched by its own name), iron nugget
depth 1  oak planks, birch planks (group planks), iron ingot (9 nuggets; nuggets of an ingot would close the circle)
depth 2  stick (2 planks of any kind), chest, oak boat
depth 3  torch (stick, coals), ladder, fishing rod (3 sticks, 2 string)
depth 4  jack (torch and chest)
"""

import json

RECIPES = {
    # 1.12: no namespace on the type, an item's data besides.
    "chest": {"type": "crafting_shaped", "pattern": ["###", "# #", "###"], "key": {"#": {"tag": "minecraft:planks"}}}
    | {"result": {"item": "minecraft:chest"}},
    "iron_ingot": {"type": "crafting_shaped", "pattern": ["###"] * 3, "key": {"#": {"item": "minecraft:iron_nugget", "data": 0}}}
    | {"result": {"item": "minecraft:iron_ingot"}},
    # 1.13 to 1.20.
    "oak_planks": {"type": "minecraft:crafting_shapeless", "group": "planks", "ingredients": [{"item": "minecraft:oak_log"}]}
    | {"result": {"item": "minecraft:oak_planks", "count": 4}},
    "stick": {"type": "minecraft:crafting_shaped", "group": "sticks", "pattern": ["#", "#"]}
    | {"key": {"#": {"tag": "minecraft:planks"}}, "result": {"item": "minecraft:stick", "count": 4}},
    "torch": {
        "type": "minecraft:crafting_shaped",
        "pattern": ["X", "#"],
        "key": {"#": {"item": "minecraft:stick"}, "X": [{"tag": "minecraft:coals"}, {"item": "minecraft:blaze_rod"}]},
    }
    | {"result": {"item": "minecraft:torch", "count": 4}},
    "iron_nugget": {"type": "minecraft:crafting_shapeless", "ingredients": [{"item": "minecraft:iron_ingot"}]}
    | {"result": {"item": "minecraft:iron_nugget", "count": 9}},
    "coal": {"type": "minecraft:crafting_shapeless", "ingredients": [{"item": "minecraft:coal_block"}]}
    | {"result": {"item": "minecraft:coal", "count": 9}},
    "oak_boat": {"type": "minecraft:crafting_shaped", "group": "boat", "pattern": ["# #", "###"]}
    | {"key": {"#": {"item": "minecraft:oak_planks"}}, "result": {"item": "minecraft:oak_boat"}},
    "glass": {"type": "minecraft:smelting", "ingredient": {"item": "minecraft:sand"}, "result": "minecraft:glass"},
    # 1.21: names alone, "#" for tags, an id in the result.
    "birch_planks": {"type": "minecraft:crafting_shapeless", "category": "building", "group": "planks"}
    | {"ingredients": ["minecraft:birch_log"], "result": {"id": "minecraft:birch_planks", "count": 4}},
    "ladder": {"type": "minecraft:crafting_shaped", "pattern": ["# #", "###", "# #"], "key": {"#": "minecraft:stick"}}
    | {"result": {"id": "minecraft:ladder", "count": 3}},
    "fishing_rod": {"type": "minecraft:crafting_shaped", "pattern": ["  #", " #X", "# X"]}
    | {"key": {"#": "minecraft:stick", "X": "minecraft:string"}, "result": {"id": "minecraft:fishing_rod"}},
    "jack": {"type": "minecraft:crafting_shapeless", "ingredients": ["minecraft:torch", ["minecraft:chest", "minecraft:barrel"]]}
    | {"result": "minecraft:jack"},
}
"""Name of the file: what is in it."""


def write(folder, files=RECIPES, tags=None):
    """The files under `folder`/recipes, and tags beside them; gives back `folder`."""
    for place, contents in (("recipes", files), ("tags/items", tags or {})):
        for name, content in contents.items():
            path = folder / place / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder
