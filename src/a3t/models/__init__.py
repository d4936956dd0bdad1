"""Models by name: `local` (transformers, in this process), `openai` (behind a URL), `scripted` (tests), or a plug-in's name."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from a3t.config import ModelConfig
from a3t.errors import ModelError, RecipeError, unknown
from a3t.protocols import Model

BUILTIN = {
    "local": "a3t.models.local:load_configured",
    "openai": "a3t.models.remote:load_configured",
    "scripted": "a3t.models.scripted:load_configured",
}
"""Ours. A plug-in registers a function of the same shape: `(config, weights) -> Model`."""

GROUP = "a3t.models"

HOW_TO_GET = "a3t never downloads a model. Fetch one yourself (`hf download NAME --local-dir DIR`) and give the folder DIR."

TINY = Path(__file__).parent.parent / "assets" / "tiny"
"""The base that ships with a3t: `builtin:tiny`."""

BASES = {
    "builtin:tiny": TINY,
    "builtin:shop": TINY.parent / "shop",
    "builtin:craft": TINY.parent / "craft",
    "builtin:both": TINY.parent / "both",
}
"""Bases of a3t's own: `tiny` plays household games, `shop` shops, `craft` crafts, `both` plays household games and crafts."""

RECIPES = {
    "builtin:tiny": TINY.parent / "recipes" / "pretrain.toml",
    "builtin:shop": TINY.parent / "recipes" / "pretrain-shop.toml",
    "builtin:craft": TINY.parent / "recipes" / "pretrain-craft.toml",
    "builtin:both": TINY.parent / "recipes" / "pretrain-both.toml",
}
"""What `a3t pretrain` makes each of them from."""


def names() -> list[str]:
    """Every kind of model that `load` knows."""
    return sorted({*BUILTIN, *(entry.name for entry in entry_points(group=GROUP))})


def load(config: ModelConfig, *, weights: Path | None = None) -> Model:
    """The model that a recipe names.

    Args:
        weights: a checkpoint made from it, to be used instead: a folder with all weights, or a PEFT adapter's.

    Raises:
        UnknownNameError: nobody registered that kind.
        ModelError: the folder is absent or broken.
        RecipeError: `options` has keys that this kind does not take.
        MissingExtraError: it needs a package that is not installed.
    """
    factory = _factory(config.kind)
    try:
        model: Model = factory(config, weights)
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise RecipeError(f"model {config.kind!r} was given options it does not take: {error}.") from error
    return model


def folder(path: str) -> Path:
    """The folder that a recipe's `path` means. Raises `ModelError` where there is no such base, or it has not been made."""
    if not path.startswith("builtin:"):
        return Path(path).expanduser()
    if path not in BASES:
        raise ModelError(f"there is no built-in model {path!r}; known are {', '.join(map(repr, BASES))}.")
    if not (BASES[path] / "config.json").is_file():
        recipe, out = RECIPES[path], f"runs/{path.partition(':')[2]}"
        raise ModelError(
            f"the base {path!r} does not ship with this copy of a3t ({BASES[path]} is empty or absent).\n"
            f"  Make it: a3t pretrain {recipe} --out {out}, then policy.path={out}"
        )
    return BASES[path]


def check_folder(path: Path) -> None:
    """Files that every model has are there; what is in them is seen when it is loaded. Raises `ModelError`."""
    if not path.is_dir():
        raise ModelError(f"there is no model folder at {str(path)!r}.\n  {HOW_TO_GET}")
    if not (path / "config.json").is_file():
        holds = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
        raise ModelError(f"{path} is not a model folder: expected config.json, *.safetensors, tokenizer.json; found {holds}.")
    if not any(path.glob("*.safetensors")):
        pickled = [entry.name for entry in (*path.glob("*.bin"), *path.glob("*.pt"), *path.glob("*.pth"))]
        hint = f" It holds {pickled[0]}, which a3t does not unpickle; convert it to safetensors." if pickled else ""
        raise ModelError(f"{path} has no weights: expected *.safetensors.{hint}")


def _factory(kind: str) -> Any:
    target = BUILTIN.get(kind)
    if target is None:
        for entry in entry_points(group=GROUP, name=kind):
            return entry.load()
        raise unknown("kind of model", kind, names())
    module, _, function = target.partition(":")
    return getattr(importlib.import_module(module), function)
