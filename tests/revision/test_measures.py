"""Measures, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from larder import TASK, played, terms, worlds

from a3t.revision.going_on import going_on
from a3t.revision.measures import (
    behaviour,
    num_loops,
    num_repeated,
    recovery,
    revision_lengths,
    wrong_beginning,
)
from a3t.revision.splice import revision_step, untrained
from a3t.types import Stage, Stop, Tokens
from toy_world import finish, policy, saying


def turns(*actions):
    return played(*actions).steps


def test_an_action_is_repeated_where_it_is_answered_as_before():
    assert num_repeated(turns("look", "lamp", "look", "lamp")) == 1, "the lamp changed what look shows; the click is the same"
    assert num_repeated(turns("open", "open", "open")) == 1, "opened, then refused twice"
    assert num_repeated(turns("look", "think: Hm.", "look")) == 1
    assert num_repeated(()) == 0


@pytest.mark.parametrize(
    ("actions", "loops"),
    [
        (("look", "look", "look"), 1),
        (("dance", "look", "dance", "look", "dance"), 1),
        (("look", "dance", "look"), 0),
        (("look", "look", "open", "dance", "dance"), 2),
        (("a", "b", "c", "d", "a", "b", "c", "d"), 1),
        (("a", "b", "c", "d", "e", "a", "b", "c", "d", "e"), 0),
        ((), 0),
    ],
)
def test_a_loop_is_a_block_that_follows_itself(actions, loops):
    assert num_loops(turns(*actions)) == loops


def test_behaviour_is_a_mean_over_trials_without_the_broken_ones():
    broken = replace(played("look", "look"), stop=Stop.ENVIRONMENT_ERROR)
    it = behaviour([played("look", "look", "look", "dance"), played("open", "take"), broken])
    assert (it.num_trials, it.actions, it.repeated, it.loops, it.with_loops) == (2, 3.0, 1.0, 0.5, 0.5)
    assert behaviour([]).repeated is None


@pytest.mark.parametrize(
    ("actions", "beginning"),
    [
        (("open", "lamp", "look", "drink"), ("open", "lamp")),
        (("lamp", "look"), ("lamp",)),
        (("lamp", "drink"), ("lamp",)),
        (("drink",), ()),
        (("think: Hm.", "lamp", "look", "look"), ("think", "lamp", "look")),
    ],
)
def test_a_wrong_beginning_is_half_of_a_failed_trial_and_never_ends_the_episode(actions, beginning):
    assert tuple(step.action or "think" for step in wrong_beginning(played(*actions))) == beginning


def test_token_ids_of_another_tokenizer_do_not_follow_a_wrong_beginning():
    failed = played("open", "lamp")
    steps = tuple(replace(step, action_tokens=Tokens((1,), ())) for step in failed.steps)
    mine = replace(failed, steps=steps, tokenizer="mine")
    assert wrong_beginning(mine, "mine")[0].action_tokens == Tokens((1,), ())
    assert wrong_beginning(mine, "other")[0].action_tokens is None


def test_after_a_wrong_beginning_the_agent_has_all_its_own_turns_and_no_more():
    """Two actions and two thoughts, of which the larder hears two; then three turns of the agent's own."""
    heard: list[str] = []
    beginning = played("look", "think: Hm.", "think: Let me see.", "lamp").steps
    own = policy(saying("look"))
    asked = going_on(
        worlds(heard), TASK, beginning, own, terms(Stage.RECOVER, max_turns=3),
        temperature=0.0, seed=0, play_seed=0, session="s",
    )  # fmt: skip
    trial = finish(asked)
    assert heard == ["look", "lamp", "look", "look", "look"] and trial.stop is Stop.TURN_LIMIT
    assert [step.trained for step in trial.steps] == [False] * 4 + [True] * 3
    assert all(step.thought == was.thought for step, was in zip(trial.steps, beginning, strict=False))


def test_recovery_counts_ends_that_were_right_and_what_was_done_after_the_beginning():
    def trial(beginning, *own):
        whole = played(*beginning, *own, stage=Stage.RECOVER)
        steps = (*map(untrained, whole.steps[: len(beginning)]), *whole.steps[len(beginning) :])
        return replace(whole, steps=steps)

    won = trial(("open", "lamp"), "take", "eat")
    slow = trial(("look", "look"), "open", "open", "open", "take", "eat")
    lost = trial(("lamp",), "look", "look")
    broken = replace(lost, stop=Stop.ENVIRONMENT_ERROR)
    it = recovery([won, slow, lost, broken])
    assert (it.num, it.recovered, it.num_broken, it.length) == (3, 2, 1, 3.5)
    assert it.rate == pytest.approx(2 / 3) and it.low < it.rate < it.high
    assert it.repeated == pytest.approx((0 + 1 + 1) / 3), "what was repeated before is the beginning's fault"
    assert recovery([]).rate is None and recovery([]).low is None


def test_the_length_of_a_revision_is_told_before_and_after_its_thought():
    """open is shared; lamp, look are the mistake; take, eat set it right."""
    it = played("open", "lamp", "look", "take", "eat")
    revision = replace(it, steps=(*it.steps[:3], revision_step("Wrong."), *it.steps[3:]))
    assert revision_lengths(revision, 1) == (2, 2)
