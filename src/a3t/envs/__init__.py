"""Worlds by name: `make("alfworld")`, a plug-in's name, `"module:Class"`, or `"gym:ID"`."""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from a3t.envs.blame import blaming
from a3t.errors import RecipeError, UnknownNameError, unknown
from a3t.protocols import Environment

BUILTIN = {
    "alfworld": "a3t.envs.alfworld:AlfworldEnv",
    "household": "a3t.envs.household:HouseholdEnv",
    "joint": "a3t.envs.joint:JointEnv",
    "scienceworld": "a3t.envs.scienceworld:ScienceWorldEnv",
    "textcraft": "a3t.envs.textcraft:TextCraftEnv",
    "webshop": "a3t.envs.webshop:WebshopEnv",
}
"""Ours, so that they are found in a checkout that was never installed; plug-ins register under the entry-point group."""

GROUP = "a3t.environments"


def names() -> list[str]:
    """Every environment that `make` knows by name."""
    return sorted({*BUILTIN, *(entry.name for entry in entry_points(group=GROUP))})


def make(name: str, **options: Any) -> Environment:
    """Build an environment; `options` go to its constructor.

    Raises:
        UnknownNameError: nobody registered that name.
        RecipeError: the constructor does not take these options.
        MissingExtraError, MissingDataError: the world needs a package or files that are not there.
        EnvironmentFailure: a world that is not ours raised something else.
    """
    factory = _factory(name)
    if not callable(factory):
        raise RecipeError(f"environment {name!r} is a {type(factory).__name__}; expected a class, or a function that makes one.")
    with blaming(name, "it was made"):
        try:
            environment: Environment = factory(**options)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            raise RecipeError(f"environment {name!r} was given options it does not take: {error}.") from error
    return environment


def __getattr__(name: str) -> Any:
    """Our worlds' own modules (`a3t.envs.webshop.open_catalogue`), imported when they are first asked for."""
    if name not in BUILTIN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *BUILTIN})


def _make_gym(id: str, **options: Any) -> Any:
    import gymnasium

    try:
        return gymnasium.make(id, **options)
    except gymnasium.error.Error as error:
        raise UnknownNameError(f"Gymnasium does not make {id!r}: {error}") from None


def _factory(name: str) -> Any:
    if name.startswith("gym:"):
        return functools.partial(_make_gym, name.removeprefix("gym:"))
    target = BUILTIN.get(name)
    if target is None:
        for entry in entry_points(group=GROUP, name=name):
            with blaming(name, "it was loaded"):
                return entry.load()
        if ":" not in name:
            raise unknown("environment", name, names(), "A class of your own: 'module:Class'.")
        target = name
    module_name, _, attribute = target.partition(":")
    try:
        with blaming(name, f"the module {module_name!r} was imported"):
            module = _import(module_name)
        return getattr(module, attribute)
    except AttributeError as error:
        raise RecipeError(f"environment {name!r}: cannot find {attribute!r} in module {module_name!r} ({error}).") from error


def _import(module_name: str) -> ModuleType:
    """Raises `RecipeError` where there is no such module; what it raises itself, a module that it lacks included, rises."""
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if not error.name or f"{module_name}.".startswith(f"{error.name}."):
            raise RecipeError(
                f"there is no module {module_name!r} ({error}).\n"
                "  A file of your own is looked for in the current folder and on PYTHONPATH."
            ) from error
        raise
