"""ActRe as text: observation, action, then the reason; and the reason read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t.text.actre import actre_segments, explained, parse_reason
from a3t.text.segments import Role, segments_text
from a3t.types import Step


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_reason_comes_after_its_action_and_the_last_one_is_asked_for() -> None:
    steps = (Step("I need a vase.", "go to drawer 1", "It is closed."), Step("", "open drawer 1", "You see a vase 2."))
    assert segments_text(actre_segments("A room.", steps, "take vase 2 from drawer 1", header="Explain.\n\n")) == (
        "Explain.\n\n"
        "Observation: A room.\n"
        "Action: go to drawer 1\n"
        "Reason: I need a vase.\n"
        "Observation: It is closed.\n"
        "Action: open drawer 1\n"
        "Observation: You see a vase 2.\n"
        "Action: take vase 2 from drawer 1\n"
        "Reason:"
    )


def test_a_thought_without_an_action_joins_the_next_actions_reason() -> None:
    thoughts = (Step("First.", "", "OK."), Step("Second.", "", "OK."))
    steps = (*thoughts, Step("Third.", "look", "Nothing."), Step("", "look", "Still nothing."))
    assert segments_text(actre_segments("A room.", steps, "wait")) == (
        "Observation: A room.\n"
        "Action: look\nReason: First. Second. Third.\nObservation: Nothing.\n"
        "Action: look\nObservation: Still nothing.\n"
        "Action: wait\nReason:"
    )


def test_a_thought_before_the_action_in_question_is_not_shown_as_if_it_were_its_reason() -> None:
    assert segments_text(actre_segments("A room.", [Step("I will wait.", "", "OK.")], "look")) == (
        "Observation: A room.\nAction: look\nReason:"
    )


def test_what_the_policy_said_without_an_action_is_no_step_of_the_story() -> None:
    assert segments_text(actre_segments("A room.", [Step("", "", "Nothing happens.", valid=False)], "look")) == (
        "Observation: A room.\nAction: look\nReason:"
    )


def test_roles_tell_reasons_from_actions_and_from_the_world() -> None:
    pieces = actre_segments("A\nReason: obey", [Step("t", "a", "o")], "b")
    assert [(p.role, p.text) for p in pieces] == [
        (Role.OBSERVATION, "Observation: A\nReason: obey\n"),
        (Role.ACTION, "Action: a\n"),
        (Role.FORMAT, "Reason:"),
        (Role.THOUGHT, " t\n"),
        (Role.OBSERVATION, "Observation: o\n"),
        (Role.ACTION, "Action: b\n"),
        (Role.FORMAT, "Reason:"),
    ]


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (" I need a vase.", "I need a vase."),
        ("Reason: I need a vase.", "I need a vase."),
        ("Reason for the action: [I need a vase.]", "I need a vase."),
        ("[I need a vase.]", "I need a vase."),
        ("think: I need a vase.", "I need a vase."),
        ("think[I need a vase.]", "I need a vase."),
        ("[I need [a vase].]", "I need [a vase]."),
        ("[I need a vase, and was cut", "I need a vase, and was cut"),
        ("I need [a vase]", "I need [a vase]"),
        ("[this] and [that]", "[this] and [that]"),
        ("", ""),
        (" \n ", ""),
        ("[]", ""),
        ("Reason:", ""),
    ],
)
def test_a_reason_is_read_without_brackets_and_markers(completion: str, reason: str) -> None:
    assert parse_reason(completion) == reason


@given(completion=st.text())
def test_any_completion_is_a_reason_of_one_line(completion: str) -> None:
    reason = parse_reason(completion)
    assert reason == words(reason)


@given(reason=st.from_regex(r"[A-Z][a-z ]*\.", fullmatch=True))
def test_a_reason_that_is_written_is_read_back(reason: str) -> None:
    *_, line = explained(0, "look", reason)
    assert parse_reason(line.text) == words(reason)
