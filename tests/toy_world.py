"""The smallest world with a goal, and models that say what is written down: what agents, episodes and loops are tested with."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from a3t.agents.actre import ActReAnnotator
from a3t.agents.asking import Asking, run
from a3t.agents.react import ReactPolicy
from a3t.episode import Terms, Worlds
from a3t.models.scripted import ScriptedModel
from a3t.text.prompting import SameForAll
from a3t.text.react import HOUSEHOLD, Dialect
from a3t.types import Completed, Completion, Stage, Task, Tokens, prompt_text

TASK = Task("corridor-3", "train", "corridor", "take the flag.")

Answered = tuple[object, object, object, object, object]


class Corridor:
    """Cells in a row; the agent starts in the first, the flag is in the last. A pit swallows whoever jumps."""

    def __init__(self, length: int = 3, troubles: Mapping[str, Callable[[], Any]] | None = None) -> None:
        """
        Args:
            troubles: actions (`reset` is one) that call something instead: it may raise, hang, or return any five things.
        """
        self.length = length
        self.troubles = dict(troubles or {})
        self.cell = 0
        self.num_resets = 0
        self.closed = False

    def tasks(self, split: str) -> Sequence[Task]:
        return [TASK] if split == "train" else []

    def close(self) -> None:
        self.closed = True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.cell = 0
        self.num_resets += 1
        if "reset" in self.troubles:
            return self.troubles["reset"]()
        return f"-= Welcome! =-\n\nA corridor of {self.length} cells.\n\nYour task is to: take the flag.", self._info(True)

    def step(self, action: str) -> Any:
        if action in self.troubles:
            return self.troubles[action]()
        if action == "jump":
            return "You fall.", 0.0, True, False, {"actions": [], "valid": True, "success": False}
        valid = action in self._actions()
        if valid and action == "take flag":
            return "The flag is yours.", 1.0, True, False, {"actions": [], "valid": True, "success": True}
        if valid and action.startswith("go "):
            self.cell += {"go east": 1, "go west": -1}[action]
        text = f"You are in cell {self.cell}." if valid else "Nothing happens."
        return text, 0.0, False, False, self._info(valid)

    def _actions(self) -> list[str]:
        actions = ["jump", "look"]
        actions += ["go east"] if self.cell + 1 < self.length else ["take flag"]
        actions += ["go west"] if self.cell else []
        return sorted(actions)

    def _info(self, valid: bool) -> dict[str, Any]:
        return {"actions": self._actions(), "valid": valid, "success": False}


def worlds(length: int = 3, troubles: Mapping[str, Callable[[], Any]] | None = None, timeout_s: float = 5.0) -> Worlds:
    return Worlds(lambda: Corridor(length, troubles), timeout_s)


def terms(stage: Stage = Stage.COLLECT, **options: Any) -> Terms:
    return Terms(**({"stage": stage, "round_index": 1, "agent": "01", "environment": "corridor", "max_turns": 10} | options))


def saying(*lines: str, name: str = "scripted") -> ScriptedModel:
    """Says these lines one after the other in each episode, then the last for ever; which is next is read off the prompt."""

    def answer(request: Completion) -> str:
        said = len(re.findall(r"^(?:>|Action:) ", prompt_text(request.prompt), re.MULTILINE))
        return f" {lines[min(said, len(lines) - 1)]}\n"

    return ScriptedModel(answer, name=name)


class CharacterModel:
    """Says lines from a function and tells its tokens: the code points of what it said, the newline included."""

    def __init__(self, answer: Callable[[Completion], str]) -> None:
        self.answer = answer
        self.calls: list[Completion] = []

    def complete(self, requests: Sequence[Completion]) -> list[Completed]:
        self.calls.extend(requests)
        return [self._completed(request) for request in requests]

    def _completed(self, request: Completion) -> Completed:
        text = self.answer(request)
        ids = tuple(map(ord, text + "\n"))
        return Completed(text, Tokens(ids, tuple(-0.5 for _ in ids)), "stop", len(row(request)))


def row(request: Completion) -> list[int]:
    """The token row of a prompt under `CharacterModel`'s tokenizer: its parts' ids one after the other."""
    assert not isinstance(request.prompt, str)
    return [i for part in request.prompt for i in (part.ids if part.ids is not None else map(ord, part.text))]


def policy(model: Any, dialect: Dialect = HOUSEHOLD, **options: Any) -> ReactPolicy:
    return ReactPolicy(model, dialect, SameForAll(options.pop("header", "")), name="01", **options)


def annotator(model: Any, **options: Any) -> ActReAnnotator:
    return ActReAnnotator(model, SameForAll(options.pop("header", "")), name="base", **options)


def finish(asking: Asking[Any]) -> Any:
    """What one episode comes to, played alone."""
    (result,) = run([asking], width=1)
    return result
