"""ActRe as an agent: what it is asked, what it says, and what it costs when it says nothing."""

from __future__ import annotations

import pytest

from a3t.agents.actre import ActReAnnotator, Explanation
from a3t.models.scripted import ScriptedModel
from a3t.types import Completed, Completion, Step, Tokens, prompt_text
from toy_world import TASK, annotator, finish


def explain(who: ActReAnnotator, action: str, *steps: Step, session: str = "s") -> Explanation:
    result: Explanation = finish(who.explain(TASK, "A room.", steps, action, seed=5, session=session))
    return result


class Answers:
    """Gives the same answer to everything."""

    def __init__(self, completed: Completed) -> None:
        self.completed = completed

    def complete(self, requests: list[Completion]) -> list[Completed]:
        return [self.completed for _ in requests]


def test_the_annotator_is_given_the_action_and_asked_for_the_reason() -> None:
    model = ScriptedModel(lambda request: " Reason: [The flag must be east.]\nObservation: The flag is yours.")
    said = explain(annotator(model, header="Explain.\n\n"), "go east", Step("Hm.", "look", "Cell 0."))
    assert said.reason == "The flag must be east."
    assert [prompt_text(c.prompt) for c in model.calls] == [
        "Explain.\n\nObservation: A room.\nAction: look\nReason: Hm.\nObservation: Cell 0.\nAction: go east\nReason:"
    ]


def test_its_requests_have_a_conversation_of_their_own() -> None:
    model = ScriptedModel(lambda request: " So.")
    explain(annotator(model, max_tokens=9, temperature=0.5), "look")
    explain(annotator(model), "look", session="")
    assert [(c.stop, c.max_tokens, c.temperature, c.seed, c.session) for c in model.calls] == [
        (("\n",), 9, 0.5, 5, "s#actre"),
        (("\n",), 100, 0.0, 5, ""),
    ]


def test_the_prompt_of_an_explained_step_continues_the_prompt_before() -> None:
    """…, o_t, EA_t → RS_t, o_{t+1}, ẼA_{t+1}: what was read, and the reason that was given, is not read again."""
    model = ScriptedModel(lambda request: " So it is.")
    who = annotator(model)
    reason = explain(who, "look").reason
    explain(who, "go east", Step(reason, "look", "Cell 0."))
    first, second = (prompt_text(c.prompt) for c in model.calls)
    assert second.startswith(f"{first} So it is.\n")


def test_tokens_are_counted() -> None:
    said = explain(annotator(Answers(Completed(" So.", Tokens((1, 2, 3), ()), num_prompt_tokens=40))), "look")
    assert (said.cost.prompt_tokens, said.cost.completion_tokens, said.cost.model_calls) == (40, 3, 1)


@pytest.mark.parametrize("error", ["the server is gone", ""])
def test_an_annotator_that_fails_says_why(error: str) -> None:
    said = explain(annotator(Answers(Completed("", None, "error", 40, error))), "look")
    assert said.failed and error in said.failed
    assert (said.reason, said.context_full, said.cost.model_calls) == ("", False, 1)


def test_an_annotator_without_room_says_that_its_context_is_full() -> None:
    said = explain(annotator(Answers(Completed("half a rea", None, "context"))), "look")
    assert (said.reason, said.failed, said.context_full) == ("", "", True)


@pytest.mark.parametrize("answer", ["", "   ", "[]", "Reason:"])
def test_an_annotator_with_nothing_to_say_gives_no_reason(answer: str) -> None:
    assert explain(annotator(Answers(Completed(answer))), "look") == Explanation(
        "", explain(annotator(Answers(Completed(answer))), "look").cost
    )
