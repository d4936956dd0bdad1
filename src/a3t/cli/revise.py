"""Agent-R from a recipe: what revisions are made with, the user's own chat data, and what would only be missed rounds later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from a3t.agents.react import ReactPolicy
from a3t.cli.speaking import lesson_of
from a3t.config import Recipe
from a3t.episode import Terms
from a3t.errors import RecipeError
from a3t.explore import sampler
from a3t.learning.chat import read_chat
from a3t.revision.judge import ActorJudge
from a3t.revision.records import read_task, ref
from a3t.revision.revise import Workshop
from a3t.revision.telling import tell
from a3t.revision.thoughts import Reviser
from a3t.search.actor import exploring_actor, policy_actor
from a3t.search.tree import Settings
from a3t.store import Store
from a3t.store.trees import load_tree
from a3t.text.lessons import stock_phrases
from a3t.types import Task, Trajectory
from a3t.worlds import Worlds

if TYPE_CHECKING:
    from a3t.cli.assemble import Models


def make_workshop(recipe: Recipe, models: Models, worlds: Worlds) -> Callable[[ReactPolicy, Terms], Workshop] | None:
    """What the loop makes revisions with, once it has a policy; None where the recipe makes none.

    Raises:
        RecipeError: see `check_revision`.
    """
    if recipe.revise.source == "off":
        return None
    check_revision(recipe)
    config, told = recipe.revise, recipe.search
    judge_header = lesson_of(recipe, config.judge_prompt, "judge")
    thought_header = lesson_of(recipe, config.thought_prompt, "revise")
    settings = Settings(told.num_actions, told.exploration, told.temperature, told.explore_probability, told.sampler)

    def make(policy: ReactPolicy, terms: Terms) -> Workshop:
        annotator = models.annotator() if config.thoughts == "actre" or told.explore_probability else None
        actor = policy_actor(policy, temperature=told.temperature, max_thoughts_in_a_row=terms.max_thoughts_in_a_row)
        if annotator is not None and told.explore_probability:
            actor = exploring_actor(actor, policy, annotator, recipe.annotator, settings)

        def make_judge(task: Task) -> ActorJudge:
            return ActorJudge(policy.model, judge_header(task), config.num_votes, config.vote_temperature, config.max_tokens)

        reviser = Reviser(
            config.thoughts,
            config.phrases or stock_phrases(),
            policy.model,
            thought_header,
            annotator,
            gate=config.gate,
            gate_threshold=config.gate_threshold,
            max_tokens=config.max_tokens,
        )
        return Workshop(worlds, policy, actor, make_judge, reviser, config, settings, terms)

    return make


def check_revision(recipe: Recipe) -> None:
    """What of `[search]` and `[revise]` cannot work, said before anything is played.

    Raises:
        RecipeError: an agent without thoughts cannot revise; α falls; nothing is ever revised; no such prompt.
        UnknownNameError: no such sampler.
    """
    config = recipe.revise
    if config.source == "off":
        return
    if not recipe.agent.thoughts:
        raise RecipeError("a revision is a thought, and agent.thoughts = false leaves none.\n  Try revise.source=off.")
    if list(config.alpha) != sorted(config.alpha):
        raise RecipeError(f"revise.alpha = {list(config.alpha)} falls: what is good may only become harder (0.5, 0.7, 1.0).")
    if config.first_round >= recipe.num_rounds:
        raise RecipeError(
            f"revise.first_round = {config.first_round} comes after the last of {recipe.num_rounds} rounds: nothing is revised."
        )
    sampler(recipe.search.sampler)
    lesson_of(recipe, config.judge_prompt, "judge")
    lesson_of(recipe, config.thought_prompt, "revise")


def told_revisions(store: Store, tries: Sequence[Trajectory]) -> list[RenderableType]:
    """What each round learned from the mistakes at one task; nothing where no round revised it.

    Args:
        tries: all trajectories of the task.
    """
    by_ref = {ref(one): one for one in tries}
    parts: list[RenderableType] = []
    for split, task_id in sorted({(one.task.split, one.task.task_id) for one in tries}):
        for lessons in read_task(store, split, task_id):
            parts += [Text(""), tell(lessons, by_ref, load_tree(store, lessons.round_index, Task(task_id, split)))]
    return parts


def load_chat(recipe: Recipe) -> tuple[Trajectory, ...]:
    """The user's own conversations; none where the recipe names no file.

    Raises:
        MissingDataError, BadDataError: no such file, or a line of it makes no sense.
    """
    return read_chat(Path(recipe.mixture.chat).expanduser()) if recipe.mixture.chat else ()
