"""The policy: a model that thinks and acts in ReAct's text format, one turn at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from a3t.agents.asking import Asking, complete, score
from a3t.protocols import Model
from a3t.text.prompting import Header
from a3t.text.react import Dialect, Speech, as_prompt, segments
from a3t.text.segments import Segment
from a3t.types import Completed, Completion, Cost, Gate, Prompt, Scoring, Step, Task, Tokens


class Turn(NamedTuple):
    """What the policy said in one turn. A turn may be a thought alone (`action` empty, `is_thought_only`)."""

    thought: str
    action: str
    thought_tokens: Tokens | None = None
    action_tokens: Tokens | None = None
    is_thought_only: bool = False
    malformed: bool = False
    cost: Cost = Cost()
    failed: str = ""
    """Why the model could not answer; the episode ends."""
    context_full: bool = False
    unread: Completed | None = None
    """A line that came after the thought and is no action to go with it: the next turn begins with it."""


class Measured(NamedTuple):
    """A gate, and what it took to measure it."""

    gate: Gate
    cost: Cost


@dataclass(frozen=True)
class ReactPolicy:
    """A model and its text format."""

    model: Model
    speech: Speech
    """How turns are written: a `Dialect`, or one for each world."""
    header: Header
    name: str = ""
    """The checkpoint, as the run names it."""
    thoughts: bool = True
    max_tokens: int = 100
    tokenizer: str = ""
    """Fingerprint of the model's tokenizer; empty where the model tells no token ids."""
    condition: str = ""
    """The label a label-conditioned policy is asked for (Table 7); empty otherwise."""

    def turn(
        self,
        task: Task,
        observation: str,
        steps: Sequence[Step],
        *,
        temperature: float,
        seed: int,
        session: str,
        unread: Completed | None = None,
    ) -> Asking[Turn]:
        """Think if the policy wants to, then act.

        A thought is answered `OK.` here; a second thought in a row ends the turn without an action, and the episode decides
        how many of those it allows.

        Args:
            unread: the line that the turn before left over; taken as it is, not asked for again.
        """
        dialect, history = self.speech.of(task), self._history(task, observation, steps)
        if unread is not None:
            first, cost = unread, Cost()
        else:
            first = yield from self._line(dialect, as_prompt(history), temperature, seed, session)
            cost = first.cost
        if first.finish in ("error", "context"):
            return Turn("", "", cost=cost, failed=_failure(first), context_full=first.finish == "context")
        line = dialect.parse(first.text)
        if not (line.is_thought and self.thoughts) or line.malformed:
            # A thought is never sent to the world, not even one that was not asked for.
            action = "" if line.is_thought else line.text
            malformed = line.malformed or line.is_thought
            return Turn("", action, action_tokens=self._tokens(first), malformed=malformed, cost=cost)
        thought = Step(line.text, "", "", thought_tokens=self._tokens(first))
        more = dialect.turn(len(steps), thought, own_ids=bool(self.tokenizer))
        cue = history[-1]
        prompt = as_prompt([*history[:-1], *more, cue])
        second = yield from self._line(dialect, prompt, temperature, seed + 1, session)
        cost += second.cost
        if second.finish in ("error", "context"):
            return Turn(line.text, "", cost=cost, failed=_failure(second), context_full=second.finish == "context")
        reply = dialect.parse(second.text)
        if reply.is_thought or reply.malformed:
            # Nothing that the policy said may be lost, or its next prompt would not continue this one.
            return Turn(line.text, "", self._tokens(first), is_thought_only=True, cost=cost, unread=second)
        return Turn(line.text, reply.text, self._tokens(first), self._tokens(second), cost=cost)

    def gate(
        self, task: Task, observation: str, steps: Sequence[Step], action: str, reason: str, session: str
    ) -> Asking[Measured]:
        """How much an explanation raises its action's probability under this policy."""
        dialect, plain = self.speech.of(task), self._history(task, observation, steps)
        explained = [*plain[:-1], *dialect.turn(len(steps), Step(reason, "", "")), plain[-1]]
        continuation = dialect.action_line(action)
        without = yield from score(self.model, Scoring(as_prompt(plain), continuation, session))
        cost = without.cost
        if not reason:
            return Measured(Gate(without.total, without.total), cost)
        with_reason = yield from score(self.model, Scoring(as_prompt(explained), continuation, session))
        return Measured(Gate(with_reason.total, without.total), cost + with_reason.cost)

    def _history(self, task: Task, observation: str, steps: Sequence[Step]) -> list[Segment]:
        """What the policy reads before it goes on."""
        return segments(
            self.speech.of(task),
            observation,
            steps,
            header=self.header(task, observation),
            condition=self.condition,
            thoughts=self.thoughts,
            own_ids=bool(self.tokenizer),
            cued=True,
        )

    def _line(self, dialect: Dialect, prompt: Prompt, temperature: float, seed: int, session: str) -> Asking[Completed]:
        request = Completion(prompt, dialect.stop, self.max_tokens, temperature, seed, session)
        answer = yield from complete(self.model, request)
        return answer

    def _tokens(self, completed: Completed) -> Tokens | None:
        """Ids are kept only for whole lines: a line cut off at `max_tokens` lacks its newline, and its text is encoded afresh."""
        return completed.tokens if completed.finish == "stop" and self.tokenizer else None


def _failure(completed: Completed) -> str:
    """Why there is no answer; never empty for an error."""
    return completed.error or ("the model gave no answer and no reason" if completed.finish == "error" else "")
