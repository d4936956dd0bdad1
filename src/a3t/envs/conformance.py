"""One suite of rules for every environment, ours or a plug-in's: `check(make_env)` says which hold and which are broken, and how.

    report = check(lambda: MyEnv(), splits=("train", "test"))
    print(report)               # one line a rule
    report.raise_if_broken()    # in a test

Snapshot, admissible actions, tasks and solutions are optional: a rule about what an environment does not have is skipped, and the
report says so. Slowness is measured and flagged, never a failure: a busy machine is not a broken world.
"""

from __future__ import annotations

import itertools
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from a3t.envs.contract import Broken, Seen, read_answer, require, shown
from a3t.envs.malformed import Nonsense, nonsense
from a3t.envs.splits import splits_of
from a3t.errors import UnknownNameError, UnknownTaskError
from a3t.protocols import Environment
from a3t.types import Task

NUM_SEQUENCES, NUM_MALFORMED = 1000, 10_000
LIMIT_MS = 10.0
"""An answer to a malformed action that takes longer is flagged."""


class Verdict(StrEnum):
    HOLDS = "holds"
    BROKEN = "BROKEN"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one rule."""

    rule: str
    verdict: Verdict
    detail: str = ""

    def __str__(self) -> str:
        return "\n".join([f"  {self.verdict:8}{self.rule}", *(f"          {line}" for line in self.detail.splitlines())])


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all rules."""

    environment: str
    findings: tuple[Finding, ...]
    num_steps: int
    worst_ms: float
    """Milliseconds of the slowest answer to a malformed action, the best of four where it was slow."""
    worst_action: str
    """Its beginning, escaped."""

    @property
    def ok(self) -> bool:
        return not self.broken

    @property
    def broken(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict is Verdict.BROKEN)

    @property
    def is_slow(self) -> bool:
        return self.worst_ms >= LIMIT_MS

    def raise_if_broken(self) -> None:
        """Raises: AssertionError with the whole report, where a rule is broken."""
        if self.broken:
            raise AssertionError(str(self))

    @property
    def summary(self) -> str:
        return f"{self.environment}: {len(self.findings)} rules, {len(self.broken)} broken, {self.num_steps:,} steps"

    @property
    def slowest(self) -> str:
        slow = f"  (SLOW: should stay under {LIMIT_MS:.0f} ms)" if self.is_slow else ""
        return f"  worst answer to a malformed action: {self.worst_ms:.2f} ms, to {self.worst_action}{slow}"

    def __str__(self) -> str:
        return "\n".join([self.summary, *map(str, self.findings), self.slowest])


class Skip(Exception):
    """A rule does not apply; the text says why."""


def check(
    make_env: Callable[[], Environment],
    *,
    splits: Sequence[str] | None = None,
    solve: Callable[[Environment, Task], Sequence[str] | None] | None = None,
    num_sequences: int = NUM_SEQUENCES,
    num_malformed: int = NUM_MALFORMED,
    max_steps: int = 12,
    num_tasks: int = 24,
    seed: int = 0,
    name: str = "",
    tell: Callable[[Finding], None] = lambda _finding: None,
) -> Report:
    """Try every rule on fresh environments.

    Args:
        make_env: builds one; called several times, so that two can be compared.
        splits: the splits that must have tasks; None takes `env.splits`, or the common names that the environment knows.
        solve: actions that win a task, so that the rules about success can be tried; None takes `env.solution(task_id)` where
            there is one.
        num_sequences: random action sequences for snapshot/restore against replay.
        num_malformed: malformed actions.
        max_steps: actions per sequence.
        num_tasks: how many tasks the walks use, spread over the splits.
        tell: called with each finding as soon as its rule was tried; a slow world takes long over some.
    """
    suite = _Suite(make_env, splits, solve, num_sequences, num_malformed, max_steps, num_tasks, seed)
    findings = []
    for finding in suite.run():
        findings.append(finding)
        tell(finding)
    return Report(name or suite.name, tuple(findings), suite.num_steps, suite.worst_ms, suite.worst_action)


def check_named(
    name: str,
    options: Mapping[str, Any],
    *,
    num_sequences: int = NUM_SEQUENCES,
    num_malformed: int = NUM_MALFORMED,
    tell: Callable[[Finding], None] = lambda _finding: None,
) -> Report:
    """`a3t env check NAME`: the suite on `make(name, **options)`; the other arguments are those of `check`.

    Raises:
        UnknownNameError, RecipeError, MissingDataError, MissingExtraError: it cannot be built at all.
    """
    from a3t.envs import make

    make(name, **options)
    return check(lambda: make(name, **options), name=name, num_sequences=num_sequences, num_malformed=num_malformed, tell=tell)


class _Suite:
    """The rules, in order; each is a method whose first docstring line is its name in the report."""

    def __init__(
        self,
        make_env: Callable[[], Environment],
        splits: Sequence[str] | None,
        solve: Callable[[Environment, Task], Sequence[str] | None] | None,
        num_sequences: int,
        num_malformed: int,
        max_steps: int,
        num_tasks: int,
        seed: int,
    ) -> None:
        self.make_env, self.splits, self.solve = make_env, splits, solve
        self.num_sequences, self.num_malformed, self.max_steps, self.num_tasks = (
            num_sequences,
            num_malformed,
            max_steps,
            num_tasks,
        )
        self.rng = Random(seed)
        self.num_steps, self.worst_ms, self.worst_action = 0, 0.0, "nothing"
        self.env = make_env()
        self.name = type(getattr(self.env, "unwrapped", self.env)).__name__
        self.tasks_by_split: dict[str, list[Task]] = {}
        self.tasks: list[Task | None] = [None]

    def run(self) -> Iterator[Finding]:
        for rule in (
            self.tasks_and_splits,
            self.unknown_names,
            self.reset_contract,
            self.gymnasium_checker,
            self.determinism,
            self.returned_data,
            self.snapshots,
            self.malformed,
            self.success,
            self.after_success,
        ):
            title = (rule.__doc__ or "").strip().splitlines()[0].rstrip(".")
            try:
                detail = rule()
            except Skip as reason:
                yield Finding(title, Verdict.SKIPPED, str(reason))
            except Broken as how:
                yield Finding(title, Verdict.BROKEN, str(how))
            except Exception:
                yield Finding(title, Verdict.BROKEN, "raised\n" + traceback.format_exc(limit=-3))
            else:
                yield Finding(title, Verdict.HOLDS, detail or "")
        close = getattr(self.env, "close", None)
        if close is not None:
            close()

    # -- rules ---------------------------------------------------------------------------------------------------------------

    def tasks_and_splits(self) -> str:
        """Splits have tasks, with unique ids that no two splits share."""
        tasks_of = _optional(self.env, "tasks")
        if tasks_of is None:
            raise Skip("the environment has no tasks(split)")
        for split in self._splits():
            tasks = list(tasks_of(split))
            require(tasks, f"split {split!r} has no task")
            for task in tasks:
                require(isinstance(task, Task), f"tasks({split!r}) holds a {type(task).__name__}, not an a3t.types.Task")
                require(task.split == split, f"task {task.task_id!r} of tasks({split!r}) says its split is {task.split!r}")
                require(isinstance(task.task_id, str) and task.task_id, f"a task of {split!r} has the id {task.task_id!r}")
            require(len({task.task_id for task in tasks}) == len(tasks), f"split {split!r} has the same task id twice")
            require(list(tasks_of(split)) == tasks, f"tasks({split!r}) answers differently the second time")
            self.tasks_by_split[split] = tasks
        for one, other in itertools.combinations(self.tasks_by_split, 2):
            both = {t.task_id for t in self.tasks_by_split[one]} & {t.task_id for t in self.tasks_by_split[other]}
            require(not both, f"splits {one!r} and {other!r} share {len(both)} tasks, such as {min(both, default='')!r}")
        share = max(1, self.num_tasks // max(1, len(self.tasks_by_split)))
        self.tasks = [t for tasks in self.tasks_by_split.values() for t in self.rng.sample(tasks, min(share, len(tasks)))]
        return ", ".join(f"{split}: {len(tasks):,}" for split, tasks in self.tasks_by_split.items())

    def unknown_names(self) -> None:
        """Unknown tasks and splits are refused with an error of ours, and do no harm."""
        if not self.tasks_by_split:
            raise Skip("the environment has no tasks")
        self._reset(self.env, self.tasks[0])
        for task_id in ("no-such-task", "", "../../../../etc/passwd", "\ud800\x00", "x" * 100_000, 7, ["a"]):
            asked = repr(task_id)[:40]
            try:
                self.env.reset(options={"task_id": task_id})
            except UnknownTaskError:
                continue
            except Exception as error:
                raise Broken(
                    f"reset to the unknown task {asked} raises {type(error).__name__}, not UnknownTaskError: {error}"
                ) from error
            raise Broken(f"reset to the unknown task {asked} is accepted")
        tasks_of = _optional(self.env, "tasks")
        try:
            tasks_of("no-such-split")
        except UnknownNameError:
            pass
        except Exception as error:
            raise Broken(f"tasks('no-such-split') raises {type(error).__name__}, not UnknownNameError: {error}") from error
        else:
            raise Broken("tasks('no-such-split') is accepted")
        self._reset(self.env, self.tasks[0])

    def reset_contract(self) -> str:
        """Reset starts the task: text and info, nothing solved, the same each time."""
        for task in self.tasks:
            first = self._reset(self.env, task)
            require(first.observation.strip(), f"{_named(task)} begins with an empty observation")
            require(not first.success, f"{_named(task)} is solved before it began")
            require(self._reset(self.env, task) == first, f"{_named(task)} begins differently the second time")
        listed = first.actions is not None
        return f"{len(self.tasks)} tasks; the actions {'are' if listed else 'cannot be'} listed"

    def gymnasium_checker(self) -> str:
        """Gymnasium's own checker passes."""
        import gymnasium
        from gymnasium.utils.env_checker import check_env

        if not isinstance(self.env, gymnasium.Env):
            raise Skip("not a gymnasium.Env: speaks its language without inheriting")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                check_env(self.make_env(), skip_render_check=True)  # type: ignore[arg-type]
            except Exception as error:
                raise Broken(f"{type(error).__name__}: {error}") from error
        said = [warning for warning in caught if not issubclass(warning.category, ResourceWarning)]
        return "\n".join(dict.fromkeys(str(warning.message).replace("\x1b[33m", "").replace("\x1b[0m", "") for warning in said))

    def determinism(self) -> str:
        """Two environments answer the same actions with the same words."""
        other = self.make_env()
        for task in self.tasks:
            played, answers = self._walk(self.env, task, self.max_steps)
            again = self._replay(other, task, played)
            for number, (one, two) in enumerate(zip(answers, again, strict=True)):
                _same(one, two, f"{_named(task)}: answer {number} to {played[:number]!r}")
        return f"{len(self.tasks)} walks"

    def returned_data(self) -> None:
        """What was returned can be changed without changing the world."""
        for task in self.tasks:
            _, info = self.env.reset(options=_options(task))
            actions = list(info["actions"]) if info.get("actions") is not None else None
            if isinstance(info.get("actions"), list):
                info["actions"].clear()
            info.clear()
            first = self._step(self.env, "zq")
            if first.over:
                continue
            second = self._step(self.env, "zq")
            if actions is not None and not first.valid:
                require(
                    first.actions == tuple(actions), f"{_named(task)}: clearing info after reset changed the actions listed next"
                )
                require(second.actions == tuple(actions), f"{_named(task)}: a refused action changed the actions listed next")

    def snapshots(self) -> str:
        """Snapshot and restore equal replay."""
        restorable = _optional(self.env, "snapshot") is not None and _optional(self.env, "restore") is not None
        other = self.make_env()
        kept: list[tuple[Any, Task | None, list[str], Seen]] = []
        for _ in range(self.num_sequences):
            task = self.rng.choice(self.tasks)
            prefix, answers = self._walk(self.env, task, self.rng.randrange(self.max_steps))
            here = answers[-1]
            state = self.env.snapshot() if restorable else None  # type: ignore[attr-defined]
            suffix, after = self._continue(self.env, here, self.rng.randrange(1, self.max_steps + 1))
            if restorable:
                self.env.restore(state)  # type: ignore[attr-defined]
                for number, action in enumerate(suffix):
                    _same(
                        after[number],
                        self._step(self.env, action),
                        f"{_named(task)}: {prefix!r} | restored | {suffix[: number + 1]!r}",
                    )
            replayed = self._replay(other, task, prefix + suffix)
            for number, (one, two) in enumerate(zip(answers + after, replayed, strict=True)):
                _same(one, two, f"{_named(task)}: replay of {(prefix + suffix)[:number]!r}")
            if restorable and suffix and len(kept) < 50:
                kept.append((state, task, suffix, after[0]))
        # Values that were taken long ago, in other tasks, still hold.
        for state, task, suffix, expected in self.rng.sample(kept, len(kept)):
            self.env.restore(state)  # type: ignore[attr-defined]
            _same(expected, self._step(self.env, suffix[0]), f"{_named(task)}: an old snapshot, then {suffix[0]!r}")
        return f"{self.num_sequences:,} random sequences" + ("" if restorable else " (no snapshot: replay against replay)")

    def malformed(self) -> str:
        """Any string is an action: malformed ones crash nothing and are refused."""
        task = self.tasks[0]
        seen = self._reset(self.env, task)
        for number, action in enumerate(self._nonsense(seen.actions or ())):
            if number % 500 == 0 or seen.over:
                task = self.rng.choice(self.tasks)
                seen = self._reset(self.env, task)
            seen, took_ms = self._timed(task, action)
            # A busy machine makes single answers slow: it counts only what is slow again and again.
            for _ in range(3 if took_ms >= LIMIT_MS else 0):
                if not seen.over:
                    seen, again_ms = self._timed(task, action)
                    took_ms = min(took_ms, again_ms)
            if took_ms > self.worst_ms:
                self.worst_ms, self.worst_action = took_ms, shown(action)
            if seen.actions is not None and isinstance(action, Nonsense):
                require(not seen.valid, f"{_named(task)}: {shown(action)} is not among the actions, yet valid")
        return f"{self.num_malformed:,} actions"

    def _timed(self, task: Task | None, action: str) -> tuple[Seen, float]:
        """The answer to an action, and the milliseconds it took."""
        started = time.perf_counter()
        try:
            answer = self.env.step(action)
        except Exception as error:
            raise Broken(f"{_named(task)}: {shown(action)} raises {type(error).__name__}: {error}"[:600]) from error
        took_ms = 1000 * (time.perf_counter() - started)
        return self._seen(answer, shown(action)), took_ms

    def success(self) -> str:
        """The solution of a task succeeds at its last action, with reward 1."""
        solved = list(self._solved())
        for task, actions, answers in solved:
            for number, seen in enumerate(answers[1:-1]):
                require(not seen.success, f"{_named(task)}: solved before the end of its solution, by {actions[number]!r}")
            last = answers[-1]
            require(last.success, f"{_named(task)}: not solved by its solution {actions!r}")
            require(last.terminated, f"{_named(task)}: solved, yet not terminated")
            require(last.reward == 1, f"{_named(task)}: solved with reward {last.reward}, expected 1")
        return f"{len(solved)} tasks"

    def after_success(self) -> str:
        """After the end, a step is harmless, and a restore goes back before it."""
        restorable = _optional(self.env, "snapshot") is not None and _optional(self.env, "restore") is not None
        num = 0
        for task, actions, answers in self._solved():
            num += 1
            if restorable:
                self._replay(self.env, task, actions[:-1])
                state = self.env.snapshot()  # type: ignore[attr-defined]
                self._step(self.env, actions[-1])
            for action in (actions[0], "zq", ""):
                seen = self._step(self.env, action)
                require(seen.over, f"{_named(task)}: after its end, {action!r} makes it run again")
            if restorable:
                self.env.restore(state)  # type: ignore[attr-defined]
                _same(
                    answers[-1],
                    self._step(self.env, actions[-1]),
                    f"{_named(task)}: restored from after the end, then {actions[-1]!r}",
                )
        return f"{num} tasks"

    # -- means ---------------------------------------------------------------------------------------------------------------

    def _splits(self) -> list[str]:
        known = list(self.splits) if self.splits is not None else splits_of(self.env)
        require(known, "none of the common splits is known; name them: check(..., splits=[...])")
        return known

    def _solved(self) -> Iterator[tuple[Task | None, list[str], list[Seen]]]:
        """Tasks won by their solutions: task, actions, answers (that of reset first)."""
        any_solution = False
        for task in self.tasks:
            if task is None:
                continue
            if self.solve is not None:
                actions = self.solve(self.env, task)
            else:
                of_env = _optional(self.env, "solution")
                actions = of_env(task.task_id) if of_env is not None else None
            if actions:
                any_solution = True
                yield task, list(actions), self._replay(self.env, task, actions)
        if not any_solution:
            raise Skip("no solutions: give check(..., solve=...) or the environment a solution(task_id)")

    def _walk(self, env: Environment, task: Task | None, num: int) -> tuple[list[str], list[Seen]]:
        """A random walk: its actions, and the answers, that of reset first."""
        first = self._reset(env, task)
        played, answers = self._continue(env, first, num)
        return played, [first, *answers]

    def _continue(self, env: Environment, seen: Seen, num: int) -> tuple[list[str], list[Seen]]:
        played: list[str] = []
        answers: list[Seen] = []
        while len(played) < num and not seen.over:
            action = self._choose(seen)
            seen = self._step(env, action)
            played.append(action)
            answers.append(seen)
        return played, answers

    def _choose(self, seen: Seen) -> str:
        """Mostly something sensible: an admissible action, or words off the screen where none are listed."""
        if self.rng.random() < 0.1:
            return next(nonsense(self.rng, 2)) if self.rng.random() < 0.01 else self.rng.choice(("", "zq", "\x00", "LOOK "))
        if seen.actions:
            return self.rng.choice(seen.actions)
        words = seen.observation.split() or ["look"]
        start = self.rng.randrange(len(words))
        return " ".join(words[start : start + self.rng.randrange(1, 4)])

    def _nonsense(self, admissible: Sequence[str]) -> Iterable[str]:
        return nonsense(self.rng, self.num_malformed, admissible)

    def _replay(self, env: Environment, task: Task | None, actions: Sequence[str]) -> list[Seen]:
        return [self._reset(env, task), *(self._step(env, action) for action in actions)]

    def _reset(self, env: Environment, task: Task | None) -> Seen:
        answer = env.reset(seed=0, options=_options(task))
        require(
            isinstance(answer, tuple) and len(answer) == 2, f"reset answers {shown(repr(answer))}, expected (observation, info)"
        )
        observation, info = answer
        return self._seen((observation, 0.0, False, False, info), "reset")

    def _step(self, env: Environment, action: str) -> Seen:
        return self._seen(env.step(action), shown(action))

    def _seen(self, answer: Any, to: str) -> Seen:
        self.num_steps += 1
        return read_answer(answer, to)


def _optional(env: Environment, name: str) -> Any:
    return getattr(env, name, None)


def _options(task: Task | None) -> dict[str, Any] | None:
    return None if task is None else {"task_id": task.task_id}


def _same(one: Seen, two: Seen, where: str) -> None:
    for field, first, second in zip(Seen._fields, one, two, strict=True):
        require(first == second, f"{where}\n{field} was {shown(repr(first))}\nand then  {shown(repr(second))}")


def _named(task: Task | None) -> str:
    return "the task" if task is None else f"task {task.task_id!r}"
