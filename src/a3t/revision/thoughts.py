"""What the agent tells itself on seeing its mistake: written about this very mistake, or one of a few stock phrases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from a3t.agents.actre import ActReAnnotator
from a3t.agents.asking import Asking, complete
from a3t.agents.react import ReactPolicy
from a3t.protocols import Model
from a3t.text.judging import STOP, parse_said, revise_segments
from a3t.text.react import as_prompt
from a3t.types import Completion, Cost, Gate, Step, Task

Kind = Literal["model", "actre", "stock"]


class Thought(NamedTuple):
    """A revision thought; never empty."""

    text: str
    source: Kind
    """Who it really came from: where a model had nothing of use to say, `stock`."""
    gate: Gate | None
    """How much likelier it makes the next action; None where nobody measured."""
    cost: Cost


def no_header(_task: Task) -> str:
    return ""


@dataclass(frozen=True)
class Reviser:
    """Writes revision thoughts.

    `model` asks a model about the mistake, `actre` lets the annotator say why the next action makes sense and puts a stock phrase
    before that, `stock` is a phrase alone.
    """

    kind: Kind
    phrases: Sequence[str]
    model: Model | None = None
    header: Callable[[Task], str] = no_header
    """What stands before the question about a task's mistake."""
    annotator: ActReAnnotator | None = None
    gate: Literal["record", "enforce", "off"] = "record"
    """As for explanations in A³T; a thought that `enforce` does not let pass is replaced by a stock phrase."""
    gate_threshold: float = 0.0
    max_tokens: int = 120
    temperature: float = 0.0

    def stock(self, seed: int) -> str:
        return self.phrases[seed % len(self.phrases)]

    def think(
        self,
        policy: ReactPolicy,
        task: Task,
        observation: str,
        steps: Sequence[Step],
        action: str,
        mistake: str,
        *,
        seed: int,
        session: str,
    ) -> Asking[Thought]:
        """A thought between a bad beginning and the action that sets it right.

        Args:
            steps: the beginning, the mistake in it; last, where it is noticed at once.
            action: what is done next; the gate measures how much likelier the thought makes it.
            mistake: what the judge said of it; may be empty.
        """
        text, cost = yield from self._write(task, observation, steps, action, mistake, seed, session)
        source: Kind = self.kind if text else "stock"
        text = text or self.stock(seed)
        if self.gate == "off":
            return Thought(text, source, None, cost)
        gate, spent = yield from policy.gate(task, observation, steps, action, text, session)
        cost += spent
        # Written so that a gain that could not be measured (NaN) does not pass.
        if self.gate == "enforce" and source != "stock" and not gate.gain >= self.gate_threshold:
            return Thought(self.stock(seed), "stock", None, cost)
        return Thought(text, source, gate, cost)

    def _write(
        self, task: Task, observation: str, steps: Sequence[Step], action: str, mistake: str, seed: int, session: str
    ) -> Asking[tuple[str, Cost]]:
        if self.kind == "model" and self.model is not None:
            asked = as_prompt(revise_segments(observation, steps, mistake, action, header=self.header(task)))
            request = Completion(asked, STOP, self.max_tokens, self.temperature, seed, session and f"{session}#revise")
            answer = yield from complete(self.model, request)
            return (parse_said(answer.text) if answer.finish not in ("error", "context") else ""), answer.cost
        if self.kind == "actre" and self.annotator is not None:
            explained = yield from self.annotator.explain(task, observation, steps, action, seed=seed, session=session)
            return (f"{self.stock(seed)} {explained.reason}" if explained.reason else ""), explained.cost
        return "", Cost()
