"""A person plays: the world's text at 80 columns, actions completed with Tab, `?` lists them.

Where there is no terminal, lines are read from standard input, so a session can be piped. What was played comes back as a
trajectory, and can be stored, exported or annotated like any other.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

from a3t.envs.splits import all_tasks
from a3t.protocols import Environment
from a3t.text.joint import version_for
from a3t.types import Author, Stage, Step, Stop, Task, Trajectory

WIDTH = 80
HELP = "Tab completes, ? lists the actions, `think: …` notes a thought, quit (or Ctrl-D) ends."
THOUGHT = "think:"
QUIT = ("quit", "exit", ":q")

Ask = Callable[[Sequence[str]], str | None]
"""Shows the prompt and reads a line, given the actions to complete; None when the player is gone."""


def play(
    env: Environment,
    task: Task | str | None = None,
    *,
    environment: str = "",
    seed: int = 0,
    source: TextIO | None = None,
    sink: TextIO | None = None,
) -> Trajectory:
    """Let a person play one episode.

    Args:
        task: what to play, or its id; None takes the environment's first, or what `reset` starts by itself.
        environment: name and version of the world, for the record.
        source: lines of the player; standard input. Prompts and completion only where it and `sink` are terminals.
        sink: where the text goes; standard output.

    Returns:
        The session: actions by HUMAN, stage IMPORT. `stop` is SUCCESS, FAILURE, or TURN_LIMIT where the player left or the world
        cut the episode off.

    Raises:
        UnknownTaskError: no such task.
    """
    source, sink = source or sys.stdin, sink or sys.stdout
    ask = _asker(source, sink)
    task = find_task(env, task)
    # Splits may number their tasks alike; of a task that no split lists, none is known.
    split = {"split": task.split} if task is not None and task.split else {}
    observation, info = env.reset(seed=seed, options=None if task is None else {"task_id": task.task_id, **split})
    _say(sink, observation)
    _say(sink, f"({HELP})")
    steps: list[Step] = []
    reward, stop = 0.0, Stop.TURN_LIMIT
    while True:
        actions = info.get("actions")
        line = ask(actions or ())
        if line is None or (line.strip().lower() in QUIT and line.strip() not in (actions or ())):
            _say(sink, "You leave.")
            break
        line = line.strip()
        if not line:
            continue
        if line == "?":
            _say(sink, list_actions(actions))
            continue
        if line.lower().startswith(THOUGHT):
            steps.append(Step(line[len(THOUGHT) :].strip(), "", "OK.", Author.HUMAN, Author.HUMAN))
            _say(sink, "OK.")
            continue
        text, value, terminated, truncated, info = env.step(line)
        reward = float(value)
        steps.append(Step("", line, text, Author.HUMAN, Author.HUMAN, valid=bool(info.get("valid", True))))
        _say(sink, text)
        if terminated or truncated:
            success = bool(info.get("success", reward >= 1))
            stop = Stop.SUCCESS if success else Stop.FAILURE if terminated else Stop.TURN_LIMIT
            num = sum(bool(step.action) for step in steps)
            _say(sink, f"Solved in {num} actions." if success else f"The episode is over, unsolved (reward {reward:g}).")
            break
    told = version_for(task, environment) if task is not None else environment
    return human_trajectory(task or Task("", split=""), observation, steps, reward, stop, environment=told, seed=seed)


def human_trajectory(
    task: Task, observation: str, steps: Sequence[Step], reward: float, stop: Stop, *, environment: str, seed: int = 0
) -> Trajectory:
    """A person's session as a record: stage IMPORT, so that it can be trained on where its task may be."""
    return Trajectory(
        task=task,
        observation=observation,
        steps=tuple(steps),
        reward=reward,
        success=stop is Stop.SUCCESS,
        stop=stop,
        stage=Stage.IMPORT,
        environment=environment,
        agent="human",
        seed=seed,
    )


def find_task(env: Environment, task: Task | str | None) -> Task | None:
    """The task whole: its split belongs in the record, so that a session on a test task never becomes training data."""
    if isinstance(task, Task):
        return task
    if task is None:
        return next(all_tasks(env), None)
    return next((one for one in all_tasks(env) if one.task_id == task), None) or Task(task, split="")


def visible(text: str) -> str:
    """The world's text with everything that could steer a terminal written out: `\\x1b`, `\\u202e`; line ends stay."""
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def wrap(text: str, width: int = WIDTH) -> str:
    """Lines of at most `width` columns; words longer than that are broken."""
    return "\n".join(
        part
        for line in text.split("\n")
        for part in (textwrap.wrap(line, width, replace_whitespace=False, break_on_hyphens=False) or [""])
    )


def list_actions(actions: Iterable[str] | None) -> str:
    """The admissible actions, as many to a line as fit."""
    if actions is None:
        return "The actions of this world cannot be listed."
    names = list(actions)
    if not names:
        return "There is nothing left to do."
    column = min(WIDTH, max(map(len, names)) + 2)
    per_line = max(1, WIDTH // column)
    rows = [names[i : i + per_line] for i in range(0, len(names), per_line)]
    return "\n".join("".join(name.ljust(column) for name in row).rstrip() for row in rows)


def _say(sink: TextIO, text: str) -> None:
    width = min(WIDTH, shutil.get_terminal_size().columns) if sink.isatty() else WIDTH
    shown = wrap(visible(text), max(20, width))
    # A terminal or a file that cannot hold a character gets it written out.
    sink.write(shown.encode(sink.encoding or "utf-8", "backslashreplace").decode(sink.encoding or "utf-8") + "\n")
    sink.flush()


def _asker(source: TextIO, sink: TextIO) -> Ask:
    return (
        _at_terminal()
        if source is sys.stdin and sink is sys.stdout and source.isatty() and sink.isatty()
        else _from_lines(source, sink)
    )


def _from_lines(source: TextIO, sink: TextIO) -> Ask:
    def ask(actions: Sequence[str]) -> str | None:
        if source.isatty():
            sink.write("> ")
            sink.flush()
        try:
            line = source.readline()
        except (KeyboardInterrupt, UnicodeDecodeError):
            line = ""
        if not line:
            return None
        if not source.isatty():
            _say(sink, f"> {line.strip()}")
        return line

    return ask


def _at_terminal() -> Ask:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter

    session: Any = PromptSession()

    def ask(actions: Sequence[str]) -> str | None:
        completer = WordCompleter([*map(visible, actions), "?", "quit"], sentence=True, match_middle=True)
        try:
            line: str = session.prompt("> ", completer=completer, complete_while_typing=True)
        except (EOFError, KeyboardInterrupt):
            return None
        return line

    return ask
