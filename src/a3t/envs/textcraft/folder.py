"""A folder of Minecraft's recipe files as a recipe book, across the formats of its versions (1.12 to 1.21).

Read are `crafting_shaped` and `crafting_shapeless`; other types are skipped. As in the original: of a list of alternatives the
first is taken, a recipe's group is a tag for what it makes, unpacking a single `…_block` is left out, and so is a recipe that
would close a circle (files in order of their names decide which). Tag files, where they are there too, add to the groups.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from a3t.envs.textcraft.book import NAMESPACE, Book, Ingredient, Recipe
from a3t.errors import BadDataError, MissingDataError, RecipeError

MAX_BYTES = 1 << 20
"""Of one file; Minecraft's own stay under 4 KiB, tags under 16."""
MAX_GRID = 3
"""Rows and columns of a crafting table."""
MAX_MADE = 99
_NAMES = ("recipe", "recipes")
"""What the folder is called, since 1.21 and before."""
_ID = re.compile(r"[a-z0-9_.-]+:[a-z0-9_./-]+")


class _Wrong(Exception):
    """What was expected, and what came."""

    def __init__(self, expected: str, came: object) -> None:
        super().__init__(f"expected {expected}, found {ascii(came)[:100]}")


class _Read(NamedTuple):
    """A recipe, and what its file says about tags."""

    recipe: Recipe
    group: str
    """The tag that its output belongs to; empty where it has none."""
    tags: frozenset[str]
    """Those of its ingredients that are tags."""


class Loaded(NamedTuple):
    book: Book
    digest: str
    """Names the recipes and tags, wherever they were read from: eight hex digits."""


def load(folder: Path | str) -> Loaded:
    """The recipes under `folder`: it, its `recipe` or `recipes`, or those of the `minecraft` or `data/minecraft` in it.

    Tags are looked for in `tags` beside the recipes.

    Raises:
        RecipeError: `folder` is no path at all.
        MissingDataError: no such folder, or no crafting recipe in it.
        BadDataError: a file is damaged, or no recipe; the message names it.
    """
    root = _folder(folder)
    recipes, tags = _layout(root)
    # Only a folder that says what it is is searched to its depths: `recipes = /` must not read a whole disk.
    found = recipes.rglob("*.json") if recipes.name in _NAMES else recipes.glob("*.json")
    # Forge keeps _factories.json and _constants.json beside its recipes.
    files = [path for path in _files(found) if not path.name.startswith(("_", "."))]
    # Files that changed are read again; several environments of a process share the book.
    stamps = tuple(map(_stamp, [*files, *_files(tags.rglob("*.json"))]))
    return _load(str(root), tuple(map(str, files)), str(tags), stamps)


def _folder(given: object) -> Path:
    what = "a folder of Minecraft's recipe files: data/minecraft/recipes of its jar. Without it, they are generated"
    if not isinstance(given, str | PathLike):
        raise RecipeError(f"textcraft: recipes = {ascii(given)[:100]} is no path.\n  Expected {what}.")
    try:
        root = Path(given).expanduser()
        why = "" if root.is_dir() else "no folder" if root.exists() else "not there"
    except RuntimeError:
        root, why = Path(given), "in the home of a user that is not there"
    except (OSError, ValueError) as error:
        root, why = Path(given), f"no path that this system takes ({getattr(error, 'strerror', None) or error})"
    if why:
        raise MissingDataError(f"textcraft: recipes = {_short(str(root))!r} is {why}.\n  Expected {what}.")
    return root


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:100]}…{text[-100:]}"


def _files(found: Iterable[Path]) -> list[Path]:
    """By name; links that lead nowhere among them, so that `_stamp` can name them."""
    return sorted(path for path in found if path.is_file() or (path.is_symlink() and not path.exists()))


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        told = path.stat()
    except OSError as error:
        what = f"a link to {str(path.readlink())!r}, which is not there" if path.is_symlink() else f"not to be read ({error})"
        raise BadDataError(f"{path}: expected a recipe or a tag, found {what}.\n  Mend it, or take it away.") from error
    return str(path), told.st_mtime_ns, told.st_size


@lru_cache(maxsize=8)
def _load(root: str, files: tuple[str, ...], tags: str, stamps: object) -> Loaded:
    found = [read for file in files if (read := read_recipe(Path(file))) is not None]
    if not found:
        raise MissingDataError(
            f"textcraft: no crafting recipe in {root!r} ({len(files)} JSON files).\n"
            '  Expected files such as oak_planks.json with "type": "minecraft:crafting_shapeless".'
        )
    members: dict[str, set[str]] = {tag: set(_members(Path(tags), tag)) for read in found for tag in read.tags}
    items = {item for read in found for item in (read.recipe.output, *(name for name, _ in read.recipe.ingredients))}
    for read in found:
        # A group may be called like an item; then only recipes that ask for it as a tag make it one.
        if _ID.fullmatch(read.group) and (read.group in members or read.group not in items):
            members.setdefault(read.group, set()).add(read.recipe.output)
    recipes = _without_circles([read.recipe for read in found], members)
    if not recipes:
        raise MissingDataError(f"textcraft: every recipe in {root!r} needs what it makes; nothing can be crafted.")
    said = [recipe.command for recipe in recipes] + [f"{tag} {' '.join(sorted(items))}" for tag, items in sorted(members.items())]
    return Loaded(Book(recipes, members), blake2b("\n".join(said).encode(), digest_size=4).hexdigest())


def read_recipe(path: Path) -> _Read | None:
    """The recipe in a file; None where it is of another type, or unpacks a block.

    Raises:
        BadDataError: the file is damaged, or no recipe.
    """
    data = _json(path)
    try:
        kind = _field(data, "type", str, "a recipe")
        if kind.removeprefix(NAMESPACE) not in ("crafting_shaped", "crafting_shapeless"):
            return None
        listed = list(_shaped(data) if kind.endswith("_shaped") else _shapeless(data))
        ingredients: dict[str, int] = {}
        for name, _ in listed:
            ingredients[name] = ingredients.get(name, 0) + 1
        output, count = _result(data.get("result"))
        group = data.get("group", "")
        if not isinstance(group, str):
            raise _Wrong("text for the group", group)
    except _Wrong as wrong:
        raise BadDataError(
            f"{path}: {wrong}.\n  Expected a recipe in Minecraft's JSON. Mend the file, or take it away."
        ) from wrong
    if len(ingredients) == 1 and listed[0][0].endswith("_block"):
        return None
    recipe = Recipe(output, count, tuple(Ingredient(name, number) for name, number in ingredients.items()))
    return _Read(recipe, NAMESPACE + group if group else "", frozenset(name for name, is_tag in listed if is_tag))


def _shaped(data: Any) -> Iterator[tuple[str, bool]]:
    """Name and whether it is a tag, once for each full square of the pattern, symbols in the order of the key."""
    pattern, key = _field(data, "pattern", list, "a shaped recipe"), _field(data, "key", dict, "a shaped recipe")
    if not 1 <= len(pattern) <= MAX_GRID or not all(isinstance(row, str) and len(row) <= MAX_GRID for row in pattern):
        raise _Wrong(f"a pattern of up to {MAX_GRID} rows of up to {MAX_GRID} symbols", pattern)
    squares = "".join(pattern).replace(" ", "")
    if not squares:
        raise _Wrong("a pattern with something in it", pattern)
    for symbol in squares:
        if symbol not in key:
            raise _Wrong(f"the pattern's symbol {symbol!r} in the key", sorted(key))
    for symbol, meant in key.items():
        # Of text, `in` and `count` would find "" everywhere and "##" in "###".
        if len(symbol) != 1:
            raise _Wrong("one character for each symbol of the key", symbol)
        if symbol not in squares:
            raise _Wrong(f"the key's symbol {symbol!a} in the pattern", pattern)
        yield from [_ingredient(meant)] * squares.count(symbol)


def _shapeless(data: Any) -> Iterator[tuple[str, bool]]:
    listed = _field(data, "ingredients", list, "a shapeless recipe")
    if not 1 <= len(listed) <= MAX_GRID**2:
        raise _Wrong(f"1 to {MAX_GRID**2} ingredients", listed)
    yield from map(_ingredient, listed)


def _ingredient(data: Any) -> tuple[str, bool]:
    """Of `{"item": …}`, `{"tag": …}`, `"item"`, `"#tag"`, or a list of these: the name, and whether it is a tag's."""
    first = data[0] if isinstance(data, list) and data else data
    if isinstance(first, str):
        return _id(first.removeprefix("#")), first.startswith("#")
    if isinstance(first, dict) and ("item" in first or "tag" in first):
        is_tag = "item" not in first
        return _id(first["tag" if is_tag else "item"]), is_tag
    raise _Wrong('an ingredient: {"item": …}, {"tag": …}, "item" or "#tag"', data)


def _result(data: Any) -> tuple[str, int]:
    """What a recipe makes: `"item"`, `{"item": …, "count": …}` or `{"id": …, "count": …}`."""
    if isinstance(data, dict) and ("item" in data or "id" in data):
        count = data.get("count", 1)
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_MADE:
            raise _Wrong(f"a count from 1 to {MAX_MADE} in the result", count)
        return _id(data.get("item", data.get("id"))), count
    if isinstance(data, str):
        return _id(data), 1
    raise _Wrong('a result: {"item": …, "count": …}, {"id": …, "count": …} or "item"', data)


def _id(data: Any) -> str:
    name = data if isinstance(data, str) and ":" in data else f"{NAMESPACE}{data}"
    if not isinstance(data, str) or not _ID.fullmatch(name) or ".." in name:
        raise _Wrong("a name such as minecraft:oak_planks", data)
    if "_using_" in name:
        raise _Wrong("a name that a command can hold (not _using_)", data)
    return name


def _field(data: Any, name: str, kind: type, of: str) -> Any:
    if not isinstance(data, dict):
        raise _Wrong(f"{of}, a JSON object", data)
    if not isinstance(data.get(name), kind):
        raise _Wrong(f"{of} with {name!r}", data.get(name, "none"))
    return data[name]


def _members(tags: Path, tag: str) -> Iterator[str]:
    """The items of a tag, and of the tags in it; none where no file tells."""
    seen, waiting = {tag}, [tag]
    while waiting:
        namespace, _, name = waiting.pop().partition(":")
        places = (folder / f"{name}.json" for folder in (tags / "item", tags / "items", tags))
        path = next((place for place in places if namespace + ":" == NAMESPACE and place.is_file()), None)
        if path is None:
            continue
        try:
            values = _field(_json(path), "values", list, "a tag")
            for value in values:
                named = value.get("id") if isinstance(value, dict) else value
                if not isinstance(named, str):
                    raise _Wrong("an item or #tag among the values", value)
                item = _id(named.removeprefix("#"))
                if not named.startswith("#"):
                    yield item
                elif item not in seen:
                    seen.add(item)
                    waiting.append(item)
        except _Wrong as wrong:
            raise BadDataError(
                f"{path}: {wrong}.\n  Expected a tag in Minecraft's JSON. Mend the file, or take it away."
            ) from wrong


def _without_circles(recipes: Iterable[Recipe], members: Mapping[str, Iterable[str]]) -> list[Recipe]:
    """Those that can stand together: each is kept unless its output is needed, over some steps, for an ingredient."""
    kept: list[Recipe] = []
    made_of: dict[str, set[str]] = {}
    for recipe in recipes:
        takes = {option for name, _ in recipe.ingredients for option in (*members.get(name, ()), name)}
        seen, waiting = set(takes), list(takes)
        while waiting:
            fresh = made_of.get(waiting.pop(), set()) - seen
            seen |= fresh
            waiting += fresh
        if recipe.output not in seen:
            kept.append(recipe)
            made_of.setdefault(recipe.output, set()).update(takes)
    return kept


def _layout(root: Path) -> tuple[Path, Path]:
    """Where the recipes are, and where their tags would be."""
    for base in (root, root / "minecraft", root / "data" / "minecraft"):
        for name in _NAMES:
            if (base / name).is_dir():
                return base / name, base / "tags"
    beside = root.parent / "tags"
    return root, beside if root.name in _NAMES and beside.is_dir() else root / "tags"


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BadDataError(f"{path}: expected a recipe or tag of at most {MAX_BYTES:,} bytes, found {path.stat().st_size:,}.")
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, BadDataError):
            raise
        raise BadDataError(
            f"{path}: expected JSON, found what cannot be read as it ({error}).\n  Mend it, or take it away."
        ) from error
