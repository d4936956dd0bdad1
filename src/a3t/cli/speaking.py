"""How a recipe's tasks are told to a model: the text format, and the prompt before it; of a joint run, each world's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from a3t.config import Recipe
from a3t.envs.joint import Spec, read_worlds
from a3t.errors import RecipeError
from a3t.text.joint import HeaderByWorld, SpeechByWorld, versions_of, world_of
from a3t.text.lessons import Lesson, load_lesson
from a3t.text.prompting import BARE, FEW_SHOT, Header, load_header
from a3t.text.react import Speech, dialect
from a3t.types import Task

JOINT = "joint"


def speech_of(recipe: Recipe) -> Speech:
    """The text format of each task. Raises `RecipeError`, `UnknownNameError`."""
    if recipe.agent.format != JOINT:
        return dialect(recipe.agent.format)
    return SpeechByWorld({world: dialect(spec.format) for world, spec in _specs(recipe).items()})


def header_of(recipe: Recipe, prompt: str, environment: str, kind: Literal["react", "actre"] = "react") -> Header:
    """Instructions and examples, as the recipe wants them.

    Args:
        prompt: as for `load_header`; of a joint run a folder may hold a file or folder for each world, by its name.
        environment: what the world calls itself, for the generation of its texts.

    Raises:
        RecipeError, UnknownNameError: as `load_header`.
    """
    agent = recipe.agent

    def load(path: str, spoken: str, version: str) -> Header:
        return load_header(
            path,
            kind=kind,
            dialect=spoken,
            generation="2.1.1" if "2.1.1" in version else "2.1.2",
            num_examples=agent.num_examples,
            has_thoughts=agent.thoughts,
        )

    if agent.format != JOINT:
        return load(prompt, agent.format, environment)
    # A single episode is recorded under its own world's version.
    versions = versions_of(environment)
    return HeaderByWorld(
        {
            world: load(own_prompt(prompt, world), spec.format, versions.get(world, environment))
            for world, spec in _specs(recipe).items()
        }
    )


def lesson_of(recipe: Recipe, prompt: str, lesson: Lesson) -> Callable[[Task], str]:
    """What stands before a question about a step of a task.

    Raises:
        RecipeError: as `load_lesson`.
    """
    if recipe.environment.name != JOINT:
        text = load_lesson(prompt, lesson, recipe.environment.name)
        return lambda task: text
    texts = {world: load_lesson(own_prompt(prompt, world), lesson, spec.name) for world, spec in _specs(recipe).items()}
    return lambda task: texts[world_of(task.task_id)]


def own_prompt(prompt: str, world: str) -> str:
    """A world's part of a prompt: what a folder holds under the world's name, where it holds something."""
    if prompt in (BARE, FEW_SHOT):
        return prompt
    found = next((path for path in (Path(prompt) / world, Path(prompt) / f"{world}.txt") if path.exists()), None)
    return prompt if found is None else str(found)


def _specs(recipe: Recipe) -> Mapping[str, Spec]:
    """By world. Raises `RecipeError` where the recipe's environment is not joint."""
    if recipe.environment.name != JOINT:
        raise RecipeError(
            f"agent.format = 'joint' with environment.name = {recipe.environment.name!r}: that is the format of several worlds.\n"
            "  Try environment.name = 'joint', or the world's own format."
        )
    return {spec.world: spec for spec in read_worlds(recipe.environment.options.get("worlds"))}
