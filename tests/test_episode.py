"""One rollout: how episodes end, what they record, and that a world that breaks costs its own episode and no more."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from a3t.agents.asking import Asking, run
from a3t.episode import Move, Situation, Terms, Worlds, policy_mover, rollout
from a3t.errors import MissingDataError
from a3t.models.scripted import ScriptedModel
from a3t.types import Author, Completed, Completion, Cost, Stop, Tokens, Trajectory
from toy_world import TASK, Corridor, finish, policy, saying, terms, worlds


def play(*lines: str, within: Worlds | None = None, under: Terms | None = None) -> Trajectory:
    mover = policy_mover(policy(saying(*lines)), temperature=0.0, seed=0, session="s")
    result: Trajectory = finish(rollout(within or worlds(), TASK, mover, under or terms(), seed=11, attempt=2))
    return result


def told(*said: str | tuple[str, Any]) -> Callable[[], Any]:
    """A trouble that answers these five things, the rest as usual."""
    usual = {"text": "Fine.", "reward": 0.0, "terminated": False, "truncated": False, "info": {"actions": ["look"]}}
    usual |= dict(said)  # type: ignore[arg-type]
    return lambda: tuple(usual.values())


def raising(error: BaseException) -> Callable[[], Any]:
    def trouble() -> Any:
        raise error

    return trouble


# --- how episodes end ---------------------------------------------------------------


def test_a_solved_episode_is_a_success_with_everything_in_it() -> None:
    done = play("think: East.", "go east", "go east", "take flag")
    assert (done.stop, done.success, done.reward, done.error) == (Stop.SUCCESS, True, 1.0, "")
    assert done.observation == "A corridor of 3 cells.\nYour task is to: take the flag."
    assert [(s.thought, s.action, s.observation, s.valid) for s in done.steps] == [
        ("East.", "go east", "You are in cell 1.", True),
        ("", "go east", "You are in cell 2.", True),
        ("", "take flag", "The flag is yours.", True),
    ]
    assert {(s.thought_by, s.action_by) for s in done.steps} == {(Author.POLICY, Author.POLICY)}
    assert (done.task, done.seed, done.attempt, done.round_index, done.agent, done.environment) == (
        TASK,
        11,
        2,
        1,
        "01",
        "corridor",
    )
    assert done.cost.model_calls == 4 and done.cost.seconds > 0


def test_an_episode_that_the_world_ends_unsolved_is_a_failure() -> None:
    done = play("jump")
    assert (done.stop, done.success, done.reward, len(done.steps)) == (Stop.FAILURE, False, 0.0, 1)


def test_an_agent_that_wanders_ends_at_the_turn_limit() -> None:
    done = play("look", under=terms(max_turns=4))
    assert (done.stop, len(done.steps)) == (Stop.TURN_LIMIT, 4)


def test_a_world_with_a_limit_of_its_own_ends_at_the_turn_limit_too() -> None:
    done = play("rest", within=worlds(troubles={"rest": told(("truncated", True))}))
    assert done.stop is Stop.TURN_LIMIT


def test_a_full_reward_is_a_success_where_the_world_does_not_say() -> None:
    done = play("rest", within=worlds(troubles={"rest": told(("reward", 1), ("terminated", True), ("info", {}))}))
    assert (done.stop, done.success, done.reward) == (Stop.SUCCESS, True, 1.0)


def test_a_wrong_purchase_keeps_its_partial_reward() -> None:
    done = play("buy", within=worlds(troubles={"buy": told(("reward", 0.75), ("terminated", True))}))
    assert (done.stop, done.success, done.reward) == (Stop.FAILURE, False, 0.75)


def test_the_welcome_line_stays_where_it_is_wanted() -> None:
    assert play("jump", under=terms(drop_banner=False)).observation.startswith("-= Welcome! =-\nA corridor")


def test_a_refused_action_is_recorded_as_invalid() -> None:
    done = play("fly", "jump")
    assert [(s.action, s.valid) for s in done.steps] == [("fly", False), ("jump", True)]


def test_a_malformed_line_is_recorded_and_counts_as_an_invalid_action() -> None:
    done = play("", "think:", "jump")
    assert [(s.thought, s.action, s.observation, s.valid) for s in done.steps] == [
        ("", "", "Nothing happens.", False),
        ("", "", "Nothing happens.", False),
        ("", "jump", "You fall.", True),
    ]


def test_a_malformed_line_is_invalid_even_where_the_world_makes_sense_of_it() -> None:
    done = play("", "jump", within=worlds(troubles={"": told(("info", {"valid": True}))}))
    assert [(s.action, s.observation, s.valid) for s in done.steps] == [("", "Fine.", False), ("jump", "You fall.", True)]


# --- thoughts -----------------------------------------------------------------------


def test_thoughts_alone_are_answered_by_the_agent_and_cost_no_turn() -> None:
    done = play("think: one", "think: two", "go east", "jump", under=terms(max_turns=2))
    assert [(s.thought, s.action, s.observation) for s in done.steps] == [
        ("one", "", "OK."),
        ("two", "go east", "You are in cell 1."),
        ("", "jump", "You fall."),
    ]
    assert done.cost.model_calls == 4


def test_too_many_thoughts_in_a_row_cost_turns_and_count_as_invalid() -> None:
    done = play("think: hm", under=terms(max_turns=2, max_thoughts_in_a_row=3))
    assert [s.valid for s in done.steps] == [True, True, False, False]
    assert done.stop is Stop.TURN_LIMIT
    assert {s.observation for s in done.steps} == {"OK."}


def test_a_thought_is_never_sent_to_the_world() -> None:
    sent: list[str] = []

    class Listening(Corridor):
        def step(self, action: str) -> Any:
            sent.append(action)
            return super().step(action)

    play("think: one", "think: two", "THINK[three]", "jump", within=Worlds(Listening))
    assert sent == ["jump"]


# --- models that fail ---------------------------------------------------------------


def test_a_model_that_cannot_answer_costs_its_episode() -> None:
    mover = policy_mover(policy(ScriptedModel({})), temperature=0.0, seed=0, session="s")
    done = finish(rollout(worlds(), TASK, mover, terms(), seed=0))
    assert (done.stop, done.is_broken, done.reward) == (Stop.MODEL_ERROR, True, 0.0)
    assert "the script has no answer" in done.error


def test_an_error_without_a_reason_is_an_error_all_the_same() -> None:
    class Silent:
        def complete(self, requests: Sequence[Completion]) -> list[Completed]:
            return [Completed("", None, "error") for _ in requests]

    mover = policy_mover(policy(Silent()), temperature=0.0, seed=0, session="s")
    assert finish(rollout(worlds(), TASK, mover, terms(), seed=0)).stop is Stop.MODEL_ERROR


def test_a_full_context_ends_the_episode_as_the_agents_own_failure() -> None:
    class Full:
        def complete(self, requests: Sequence[Completion]) -> list[Completed]:
            return [Completed(" look", Tokens((1,), ()), "stop" if len(r.prompt) < 5 else "context", 7) for r in requests]

    mover = policy_mover(policy(Full()), temperature=0.0, seed=0, session="s")
    done = finish(rollout(worlds(), TASK, mover, terms(), seed=0))
    assert (done.stop, done.is_broken, len(done.steps)) == (Stop.TOKEN_LIMIT, False, 1)
    assert done.cost == replace(Cost(14, 2, 2), seconds=done.cost.seconds), "the question that had no room was paid for too"


# --- worlds that fail -----------------------------------------------------------------


def sleep() -> Any:
    time.sleep(60)


def spin() -> Any:
    while True:
        try:
            sum(range(1000))
        except Exception:  # a world that swallows every exception cannot swallow the alarm
            continue


TROUBLES = {
    "crashes": raising(RuntimeError("the kitchen is on fire")),
    "runs out of memory": raising(MemoryError()),
    "recurses for ever": raising(RecursionError()),
    "exits": raising(SystemExit(3)),
    "raises what it must not": raising(StopIteration()),
    "answers nothing": lambda: None,
    "answers four things": lambda: ("a", 0.0, False, False),
    "answers bytes": told(("text", b"bytes")),
    "answers no text": told(("text", None)),
    "rewards with NaN": told(("reward", float("nan"))),
    "rewards with infinity": told(("reward", float("inf"))),
    "rewards too much": told(("reward", 1.5)),
    "rewards too little": told(("reward", -0.1)),
    "rewards with words": told(("reward", "1.0")),
    "rewards with nothing": told(("reward", None)),
    "rewards beyond numbers": told(("reward", 10**400)),
    "tells no dict": told(("info", None)),
    "lists a word": told(("info", {"actions": "look"})),
    "lists a number": told(("info", {"actions": 3})),
    "lists numbers": told(("info", {"actions": [1, 2]})),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_whatever_a_world_does_wrong_ends_its_episode_alone(trouble: Callable[[], Any]) -> None:
    done = play("look", "poke", "look", within=worlds(troubles={"poke": trouble}))
    assert (done.stop, done.is_broken, done.success, done.reward) == (Stop.ENVIRONMENT_ERROR, True, False, 0.0)
    assert [s.action for s in done.steps] == ["look"], "what happened before is kept"
    assert "the environment" in done.error or "info['actions']" in done.error


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_a_world_may_break_at_reset_as_well(trouble: Callable[[], Any]) -> None:
    done = play("look", within=worlds(troubles={"reset": trouble}))
    assert (done.stop, done.steps) == (Stop.ENVIRONMENT_ERROR, ())


@pytest.mark.parametrize("hang", [sleep, spin], ids=["sleeps", "spins"])
def test_a_world_that_hangs_is_given_up(hang: Callable[[], Any]) -> None:
    done = play("poke", within=worlds(troubles={"poke": hang}, timeout_s=0.05))
    assert (done.stop, done.error) == (Stop.ENVIRONMENT_ERROR, "the environment did not answer within 0.05 s.")


def test_a_long_complaint_is_cut() -> None:
    done = play("poke", within=worlds(troubles={"poke": raising(RuntimeError("x" * 10**6))}))
    assert len(done.error) <= 2000


def test_an_episode_without_actions_to_list_plays_on() -> None:
    done = play("rest", "jump", within=worlds(troubles={"rest": told(("info", {"actions": None}))}))
    assert done.stop is Stop.FAILURE


def test_an_alarm_that_somebody_else_set_still_rings() -> None:
    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        play("poke", within=worlds(troubles={"poke": sleep}, timeout_s=0.05))
        deadline = time.monotonic() + 10
        while not rung and time.monotonic() < deadline:
            time.sleep(0.01)
        assert rung == [1]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_outside_the_main_thread_crashes_are_caught_all_the_same() -> None:
    results: list[Trajectory] = []
    thread = threading.Thread(target=lambda: results.append(play("poke", within=worlds(troubles={"poke": TROUBLES["crashes"]}))))
    thread.start()
    thread.join()
    assert results[0].stop is Stop.ENVIRONMENT_ERROR


def test_an_interrupt_is_not_taken_for_a_broken_world() -> None:
    with pytest.raises(KeyboardInterrupt):
        play("poke", within=worlds(troubles={"poke": raising(KeyboardInterrupt())}))


# --- worlds are lent ------------------------------------------------------------------


class Made(Worlds):
    """Remembers every world it made."""

    def __init__(self, troubles: dict[str, Callable[[], Any]] | None = None) -> None:
        self.all: list[Corridor] = []
        super().__init__(lambda: self.all.append(Corridor(3, troubles)) or self.all[-1], 5.0)  # type: ignore[func-returns-value]


def episodes(num: int, within: Worlds, *lines: str) -> list[Trajectory]:
    who = policy(saying(*lines))
    movers = [policy_mover(who, temperature=0.0, seed=i, session=str(i)) for i in range(num)]
    return list(run((rollout(within, TASK, mover, terms(), seed=i) for i, mover in enumerate(movers)), width=2))


def test_worlds_are_given_back_and_lent_again() -> None:
    made = Made()
    assert len(episodes(6, made, "look", "jump")) == 6
    assert len(made.all) == 2
    assert sum(world.num_resets for world in made.all) == 6


def test_a_broken_world_is_closed_and_never_lent_again() -> None:
    made = Made({"poke": TROUBLES["crashes"]})
    episodes(4, made, "look", "poke")
    assert len(made.all) == 4
    assert all(world.closed and world.num_resets == 1 for world in made.all)


def test_a_world_that_breaks_while_it_is_closed_is_thrown_away_all_the_same() -> None:
    class Sticky(Corridor):
        def close(self) -> None:
            raise RuntimeError("stuck")

    done = play("poke", within=Worlds(lambda: Sticky(3, {"poke": TROUBLES["crashes"]})))
    assert "the kitchen is on fire" in done.error


def test_an_episode_that_is_dropped_gives_its_world_back() -> None:
    made = Made()
    mover = policy_mover(policy(saying("look")), temperature=0.0, seed=0, session="s")
    dropped = rollout(made, TASK, mover, terms(), seed=0)
    next(dropped)
    dropped.close()
    assert made.borrow() is made.all[0]


def test_a_bug_of_ours_rises_and_the_world_goes_back() -> None:
    def buggy(situation: Situation) -> Asking[Move]:
        raise KeyError("ours")
        yield

    made = Made()
    with pytest.raises(KeyError, match="ours"):
        finish(rollout(made, TASK, buggy, terms(), seed=0))
    assert made.borrow() is made.all[0]


def test_a_world_that_cannot_be_made_costs_the_episode() -> None:
    done = play("look", within=Worlds(raising(OSError("no JVM"))))
    assert (done.stop, done.error) == (Stop.ENVIRONMENT_ERROR, "the environment could not be made: OSError: no JVM")


def test_missing_data_stops_the_run_instead_of_every_episode_of_it() -> None:
    with pytest.raises(MissingDataError, match="no games"):
        play("look", within=Worlds(raising(MissingDataError("no games"))))


def test_equal_seeds_make_equal_episodes() -> None:
    one, other = (play("think: East.", "go east", "look", "jump") for _ in range(2))
    assert replace(one, cost=Cost()) == replace(other, cost=Cost())


@pytest.mark.skipif(sys.platform == "win32", reason="no alarms here")
def test_the_alarm_is_off_between_turns() -> None:
    made = worlds(timeout_s=0.05)

    def slow(situation: Situation) -> Asking[Move]:
        time.sleep(0.1)
        return Move("", "jump")
        yield

    assert finish(rollout(made, TASK, slow, terms(), seed=0)).stop is Stop.FAILURE


class Namesakes(Corridor):
    """Splits that number their tasks alike: the id alone does not say which one is meant."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, info = super().reset(seed=seed, options=options)
        return f"{observation} ({(options or {}).get('split')})", info


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_world_is_told_the_split_of_the_task_it_is_to_begin(split: str) -> None:
    seen = Worlds(Namesakes).reset(Namesakes(), replace(TASK, split=split), seed=0, drop_banner=True)
    assert seen.observation.endswith(f"({split})")
