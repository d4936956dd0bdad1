"""The conformance suite passes good worlds and catches each kind of bad one."""

import random

import pytest

from a3t.envs.conformance import Verdict, check
from a3t.envs.malformed import HUGE, Nonsense, nonsense
from a3t.errors import UnknownTaskError
from plugin_world import Corridor


def quick(make_env, **changes):
    return check(make_env, **{"num_sequences": 60, "num_malformed": 300, **changes})


def broken_rules(make_env):
    return {finding.rule: finding.detail for finding in quick(make_env).broken}


def test_the_plugin_world_keeps_every_rule_at_full_size():
    report = check(Corridor)
    report.raise_if_broken()
    assert report.ok
    assert {f.verdict for f in report.findings} == {Verdict.HOLDS, Verdict.SKIPPED}
    assert [f.rule for f in report.findings if f.verdict is Verdict.SKIPPED] == ["Gymnasium's own checker passes"]
    assert report.num_steps > 10_000


def test_a_world_without_snapshot_actions_tasks_or_solutions_passes_with_rules_skipped():
    class Bare:
        def __init__(self):
            self.inner = Corridor()

        def reset(self, *, seed=None, options=None):
            text, info = self.inner.reset()
            return text, {**info, "actions": None}

        def step(self, action):
            *rest, info = self.inner.step(action)
            return *rest, {**info, "actions": None}

    report = quick(Bare)
    report.raise_if_broken()
    assert sum(finding.verdict is Verdict.SKIPPED for finding in report.findings) == 5
    assert "no snapshot: replay against replay" in str(report)


class Shared(Corridor):
    """Hands out its own mutable state as a snapshot."""

    def reset(self, **options):
        answer = super().reset(**options)
        self.state = {"far": self.far, "room": self.room, "won": self.won}
        return answer

    def step(self, action):
        self.far, self.room, self.won = self.state["far"], self.state["room"], self.state["won"]
        answer = super().step(action)
        self.state.update(far=self.far, room=self.room, won=self.won)
        return answer

    def snapshot(self):
        return self.state

    def restore(self, state):
        self.state = state


class Forgetful(Corridor):
    """Leaves something out of its snapshot."""

    def snapshot(self):
        return self.far, 0, self.won


class Random(Corridor):
    def step(self, action):
        text, *rest = super().step(action)
        return f"{text} {random.random()}", *rest


class Overlapping(Corridor):
    def tasks(self, split):
        return [type(task)(task.task_id.replace("test-5", "train-5"), split) for task in super().tasks(split)]


class Twice(Corridor):
    def tasks(self, split):
        return super().tasks(split) * 2


class Empty(Corridor):
    def tasks(self, split):
        return super().tasks(split) and []


class Mislabelled(Corridor):
    def tasks(self, split):
        return [type(task)(task.task_id, "train") for task in super().tasks(split)]


class Credulous(Corridor):
    """Takes any task id."""

    def reset(self, *, seed=None, options=None):
        try:
            return super().reset(options=options)
        except UnknownTaskError:
            return super().reset()


class KeyErrors(Corridor):
    def reset(self, *, seed=None, options=None):
        try:
            return super().reset(options=options)
        except UnknownTaskError as error:
            raise KeyError("no such task") from error


class AnySplit(Corridor):
    def tasks(self, split):
        return super().tasks(split if split in self.splits else "train")


class Encodes(Corridor):
    """Crashes on what cannot be encoded."""

    def step(self, action):
        action.encode()
        return super().step(action)


class Echoes(Corridor):
    """Repeats what it was told, surrogates and all."""

    def step(self, action):
        text, *rest = super().step(action)
        return f"{text} ({action[:20]})", *rest


class Indexes(Corridor):
    """Crashes on an empty action."""

    def step(self, action):
        return super().step(action if action[0].islower() else "zq")


class Agrees(Corridor):
    def step(self, action):
        *rest, info = super().step(action)
        return *rest, {**info, "valid": True}


class Rewards(Corridor):
    """Pays on the way."""

    def step(self, action):
        text, reward, *rest = super().step(action)
        return text, reward or 0.1 * (self.room > 0), *rest


class Generous(Corridor):
    def step(self, action):
        text, reward, *rest = super().step(action)
        return text, reward * 10, *rest


class Stingy(Corridor):
    def step(self, action):
        text, _, *rest = super().step(action)
        return text, 0.5 * self.won, *rest


class Endless(Corridor):
    """Never ends the episode."""

    def step(self, action):
        text, reward, _, truncated, info = super().step(action)
        return text, reward, False, truncated, info


class Reopens(Corridor):
    """Runs on after the end."""

    def step(self, action):
        if self.won:
            self.won, self.room = False, 0
        return super().step(action)


class Raises(Corridor):
    """A step after the end is an error."""

    def step(self, action):
        if self.won:
            raise RuntimeError("the episode is over")
        return super().step(action)


class NoValid(Corridor):
    def step(self, action):
        *rest, info = super().step(action)
        return *rest, {key: value for key, value in info.items() if key != "valid"}


class Unsorted(Corridor):
    def _actions(self):
        return super()._actions()[::-1]


class NotText(Corridor):
    def reset(self, **options):
        text, info = super().reset(**options)
        return text.encode(), info


class OldGym(Corridor):
    def reset(self, **options):
        return super().reset(**options)[0]


class OldStep(Corridor):
    def step(self, action):
        text, reward, terminated, _, info = super().step(action)
        return text, reward, terminated, info


class Lends(Corridor):
    """Gives out the list it works with."""

    def reset(self, **options):
        text, info = super().reset(**options)
        self.live = info["actions"]
        return text, info

    def step(self, action):
        *rest, info = super().step(action)
        if not info["valid"]:
            info["actions"] = self.live
        else:
            self.live = info["actions"]
        return *rest, info

    def snapshot(self):
        return super().snapshot(), list(self.live)

    def restore(self, state):
        inner, self.live = state[0], list(state[1])
        super().restore(inner)


class Unwinnable(Corridor):
    def solution(self, task_id):
        return super().solution(task_id)[1:]


SPLITS = "Splits have tasks, with unique ids that no two splits share"
UNKNOWN = "Unknown tasks and splits are refused with an error of ours, and do no harm"
RESET = "Reset starts the task: text and info, nothing solved, the same each time"
SAME = "Two environments answer the same actions with the same words"
RETURNED = "What was returned can be changed without changing the world"
SNAPSHOT = "Snapshot and restore equal replay"
MALFORMED = "Any string is an action: malformed ones crash nothing and are refused"
SUCCESS = "The solution of a task succeeds at its last action, with reward 1"
AFTER = "After the end, a step is harmless, and a restore goes back before it"


@pytest.mark.parametrize(
    ("world", "rule", "words"),
    [
        (Shared, SNAPSHOT, "restored"),
        (Forgetful, SNAPSHOT, "restored"),
        (Random, SAME, "observation was"),
        (Overlapping, SPLITS, "share 1 tasks, such as 'train-5'"),
        (Twice, SPLITS, "the same task id twice"),
        (Empty, SPLITS, "has no task"),
        (Mislabelled, SPLITS, "says its split is 'train'"),
        (Credulous, UNKNOWN, "is accepted"),
        (KeyErrors, UNKNOWN, "raises KeyError, not UnknownTaskError"),
        (AnySplit, UNKNOWN, "tasks('no-such-split') is accepted"),
        (Encodes, MALFORMED, "raises UnicodeEncodeError"),
        (Echoes, MALFORMED, "lone surrogate"),
        (Indexes, MALFORMED, "raises IndexError"),
        (Agrees, MALFORMED, "is not among the actions, yet valid"),
        (Rewards, SNAPSHOT, "before the end"),
        (Generous, SUCCESS, "is rewarded 10.0"),
        (Stingy, SUCCESS, "solved with reward 0.5"),
        (Endless, SUCCESS, "before the end: the reward is terminal"),
        (Reopens, AFTER, "makes it run again"),
        (Raises, AFTER, "the episode is over"),
        (NoValid, SAME, "info has no 'valid'"),
        (Unsorted, SNAPSHOT, "not sorted"),
        (NotText, RESET, "bytes, expected text"),
        (OldGym, RESET, "expected (observation, info)"),
        (OldStep, SAME, "expected five values"),
        (Lends, RETURNED, "clearing info after reset changed"),
        (Unwinnable, SUCCESS, "not solved by its solution"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_broken_world_is_caught_by_the_rule_it_breaks(world, rule, words):
    found = broken_rules(world)
    assert rule in found, f"caught only {found}"
    assert words in found[rule]


def test_the_report_raises_with_all_rules_in_it():
    report = quick(Unwinnable)
    assert len(report.broken) == 2
    with pytest.raises(AssertionError, match=r"(?s)10 rules, 2 broken.*holds .*BROKEN .*not solved by its solution"):
        report.raise_if_broken()


def test_slow_answers_are_flagged_and_break_nothing(monkeypatch):
    """The clock of this test moves by hand: 20 ms an answer to what is huge, and once 20 ms by accident."""
    now = [0.0]
    monkeypatch.setattr("a3t.envs.conformance.time.perf_counter", lambda: now[0])

    class Slow(Corridor):
        def step(self, action):
            now[0] += 0.020 if len(action) >= HUGE else 0.001
            return super().step(action)

    class Hiccup(Corridor):
        def step(self, action):
            now[0] += 0.020 if "hiccup" not in vars(Hiccup) else 0.001
            Hiccup.hiccup = True
            return super().step(action)

    slow, accident = quick(Slow), quick(Hiccup)
    assert slow.ok and slow.is_slow
    assert slow.worst_ms == pytest.approx(20)
    assert "(1,048,576 characters)  (SLOW: should stay under 10 ms)" in str(slow)
    assert accident.ok and not accident.is_slow
    assert accident.worst_ms == pytest.approx(1)


def test_nonsense_is_repeatable_and_holds_every_kind():
    made = list(nonsense(random.Random(0), 2000, ["go to desk 1"]))
    assert [str(a) for a in made] == [str(a) for a in nonsense(random.Random(0), 2000, ["go to desk 1"])]
    assert any(not action for action in made)
    assert sum(len(action) == HUGE for action in made) == 20
    assert any("\x1b" in action for action in made)
    assert any("\ud800" in action for action in made)
    assert any("[INST]" in action for action in made) and any("</s>" in action for action in made)
    assert not any(action.strip().lower() == "go to desk 1" for action in made if isinstance(action, Nonsense))
