"""A recipe that trains at a fine-tuning service: its trainer, and the model that each round is played with."""

from __future__ import annotations

from pathlib import Path

from a3t.cli.speaking import speech_of
from a3t.config import ModelConfig, Recipe
from a3t.errors import RecipeError
from a3t.learning.chat import CHAT, chat_messages
from a3t.stages import Progress
from a3t.text.conversation import Message, converse, up_to_the_agents_last_word
from a3t.text.prompting import Header
from a3t.training.hosted import HostedTrainer, read_result
from a3t.types import Weighted


def hosted_trainer(recipe: Recipe, header: Header, progress: Progress) -> HostedTrainer:
    """Raises `RecipeError`, `MissingExtraError`: before anything is played or spent."""
    from a3t.models.remote.key import read_key

    hosted, speech = recipe.train.hosted, speech_of(recipe)

    def as_asked(weighted: Weighted) -> list[Message]:
        """The very chat that the tuned model will be asked in."""
        trajectory = weighted.trajectory
        if trajectory.environment == CHAT:
            return [Message(message["role"], message["content"]) for message in chat_messages(trajectory)]
        messages = converse(
            speech.of(trajectory.task),
            trajectory.observation,
            trajectory.steps,
            header=header(trajectory.task, trajectory.observation),
            condition=weighted.condition,
            thoughts=recipe.agent.thoughts,
        )
        return up_to_the_agents_last_word(messages)

    key = read_key(hosted.key_env if hosted else None, hosted.key_file if hosted else None)
    return HostedTrainer(recipe.train, recipe.objective, as_asked, key, name=recipe.name, seed=recipe.seed, announce=progress.say)


def refuse_misfit(recipe: Recipe) -> None:
    """A policy that is trained as a chat must be played as one. Raises `RecipeError`."""
    from a3t.models.remote.settings import parse_settings

    if recipe.policy.kind != "openai":
        raise RecipeError(
            f"train.method = 'hosted' with policy.kind = {recipe.policy.kind!r}: what a service tunes is played there.\n"
            "  Try policy.kind = 'openai' with options.urls of the service (docs/hosted.md)."
        )
    settings = parse_settings(recipe.policy.options)
    if settings.api != "chat" or not settings.turns:
        raise RecipeError(
            "train.method = 'hosted' trains conversations, and the policy would be asked in another form.\n"
            '  Try policy.options = { api = "chat", turns = true, … }.'
        )


def tuned_model(config: ModelConfig, checkpoint: Path | None) -> ModelConfig | None:
    """The model that a service made of this round, at the policy's URLs; None where the checkpoint is of another kind."""
    found = None if checkpoint is None else read_result(checkpoint)
    if found is None:
        return None
    return config.model_copy(update={"options": {**config.options, "model": found["model"]}})
