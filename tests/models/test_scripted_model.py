"""The scripted model behaves like a real one, as far as callers can see."""

from __future__ import annotations

import pytest

from a3t import models
from a3t.config import ModelConfig
from a3t.errors import ModelError, RecipeError
from a3t.models.scripted import ScriptedModel
from a3t.protocols import Model, ScoringModel
from a3t.types import Completion, Part, Scoring


def says_its_prompt_backwards(request: Completion) -> str:
    return "".join(part.text for part in request.prompt)[::-1]


def test_a_table_answers_and_an_unknown_prompt_is_an_error_of_its_request_alone():
    model = ScriptedModel({"> ": "go to desk 1", ">> ": "look"})
    answers = model.complete([Completion("> "), Completion("what?"), Completion((Part(">"), Part("> ", (1, 2))))])
    assert [answer.text for answer in answers] == ["go to desk 1", "", "look"]
    assert [answer.finish for answer in answers] == ["stop", "error", "stop"]
    assert "what?" in answers[1].error


def test_a_function_answers_and_what_was_asked_is_kept():
    model = ScriptedModel(lambda request: f"{request.seed}\nnever seen")
    requests = [Completion("> ", ("\n",), seed=seed) for seed in range(3)]
    assert [answer.text for answer in model.complete(requests)] == ["0", "1", "2"]
    assert model.calls == requests


def test_a_function_that_gives_up_yields_an_error():
    def broken(request: Completion) -> str:
        raise ModelError("the server is gone")

    answer = ScriptedModel(broken).complete([Completion("> ")])[0]
    assert (answer.finish, answer.error) == ("error", "the server is gone")


def test_it_scores_only_where_the_script_says_how():
    assert not isinstance(ScriptedModel({}), ScoringModel)
    model = ScriptedModel({}, scores=lambda request: [-0.5, -1.5])
    assert isinstance(model, Model) and isinstance(model, ScoringModel)
    scoring = Scoring("> ", "look")
    assert model.score([scoring])[0].total == -2.0
    assert model.scorings == [scoring]


def test_a_recipe_names_the_function():
    model = models.load(ModelConfig(kind="scripted", path=f"{__name__}:says_its_prompt_backwards"))
    assert model.complete([Completion((Part("ab"), Part("c")))])[0].text == "cba"
    for path in ("builtin:tiny", "no.such.module:f", f"{__name__}:nothing", "json"):
        with pytest.raises(RecipeError):
            models.load(ModelConfig(kind="scripted", path=path))
