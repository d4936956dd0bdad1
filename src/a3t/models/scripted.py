"""A model whose answers are written down: for tests, for demonstrations, and for running the loop without a model."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from a3t.config import ModelConfig
from a3t.errors import ModelError, RecipeError
from a3t.types import Completed, Completion, Scored, Scoring, prompt_text

Answer: TypeAlias = Callable[[Completion], str]
Score: TypeAlias = Callable[[Scoring], Sequence[float]]


class ScriptedModel:
    """Answers from a table (prompt to text) or a function of the request; keeps what it was asked.

    An answer is treated as a real model's would be: cut at the first stop text. A function that raises `ModelError` yields
    `finish="error"`, as does a prompt that the table does not hold.
    """

    def __init__(
        self, answers: Mapping[str, str] | Answer, *, scores: Score | None = None, name: str = "scripted", fingerprint: str = ""
    ) -> None:
        """
        Args:
            scores: log-probabilities of a scoring's continuation, one per token; None leaves the model without `score`.
        """
        self.name = name
        self.fingerprint = fingerprint
        self.calls: list[Completion] = []
        self.scorings: list[Scoring] = []
        self.released: list[str] = []
        self._answers = answers
        if scores is not None:
            # Set on the object only: whether a model can score is found by attribute.
            self.score = lambda requests: self._score(scores, requests)

    def complete(self, requests: Sequence[Completion]) -> list[Completed]:
        """One answer per request, in order; each depends on its request alone."""
        self.calls.extend(requests)
        return [self._answer(request) for request in requests]

    def release(self, sessions: Sequence[str]) -> None:
        self.released.extend(sessions)

    def _answer(self, request: Completion) -> Completed:
        prompt = prompt_text(request.prompt)
        size = len(prompt.split())
        try:
            text = self._look_up(prompt) if isinstance(self._answers, Mapping) else self._answers(request)
        except ModelError as error:
            return Completed("", None, "error", size, str(error))
        cuts = [at for stop in request.stop if (at := text.find(stop)) >= 0]
        return Completed(text[: min(cuts, default=len(text))], None, "stop", size)

    def _look_up(self, prompt: str) -> str:
        assert isinstance(self._answers, Mapping)
        if prompt not in self._answers:
            raise ModelError(f"the script has no answer to the prompt that ends {prompt[-60:]!r}.")
        return self._answers[prompt]

    def _score(self, scores: Score, requests: Sequence[Scoring]) -> list[Scored]:
        self.scorings.extend(requests)
        return [Scored(tuple(scores(request))) for request in requests]


def load_configured(config: ModelConfig, weights: Path | None = None) -> ScriptedModel:
    """A recipe's `kind = "scripted"`: `path` names a function `module:function` that takes a `Completion` and returns text."""
    module_name, colon, function = config.path.partition(":")
    try:
        answer = getattr(importlib.import_module(module_name), function) if colon else None
    except (ImportError, AttributeError) as error:
        raise RecipeError(f"scripted model: cannot find {function!r} in module {module_name!r} ({error}).") from error
    if not callable(answer):
        raise RecipeError(f"a scripted model's path is 'module:function'; got {config.path!r}.")
    return ScriptedModel(answer, name=config.path, **config.options)
