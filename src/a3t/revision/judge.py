"""The actor as its own judge: it reads a bad trajectory step by step, gives its reasons, and then the one word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from a3t.agents.asking import Asking, complete
from a3t.protocols import Model
from a3t.revision.judgement import Judgement, majority
from a3t.revision.tries import acts
from a3t.text.judging import STOP, Verdict, judge_segments, parse_said, parse_verdict, verdict_segments
from a3t.text.react import as_prompt
from a3t.text.segments import Segment
from a3t.types import Completed, Completion, Cost, Step, Trajectory


class Judged(NamedTuple):
    judgements: tuple[Judgement, ...]
    cost: Cost
    failed: str = ""
    """Why the model could not answer; what it said before is kept."""


@dataclass(frozen=True)
class ActorJudge:
    """Judges with any model; the actor itself by default. One judge serves one task: what it said once it does not say again."""

    model: Model
    header: str = ""
    num_votes: int = 1
    temperature: float = 0.7
    """Of the votes, where there are several; a single vote is greedy."""
    max_tokens: int = 120
    _said: dict[tuple[tuple[str, str], ...], Judgement] = field(default_factory=dict)
    """By beginning: many bad trajectories of a task begin alike."""

    def judge(self, trajectory: Trajectory, start: int, *, seed: int, session: str) -> Asking[Judged]:
        """Every action from `start` on, in order, until one is bad.

        A history that no longer fits into the model's context is not judged any further.

        Args:
            seed: one for all trajectories of the task, which may begin alike.
        """
        judged: list[Judgement] = []
        cost = Cost()
        for index in range(start, len(trajectory.steps)):
            if not acts(trajectory.steps[index]):
                continue
            steps = trajectory.steps[: index + 1]
            key = tuple((step.thought, step.action) for step in steps)
            if key not in self._said:
                votes = []
                for vote in range(self.num_votes):
                    # With one `seed` for a task this depends on the place alone: beginnings are judged alike in any order.
                    answer = yield from self._vote(trajectory.observation, steps, seed + 10_000 * index + 2 * vote, session)
                    cost += answer.cost
                    if answer.failed or answer.context_full:
                        return Judged(tuple(judged), cost, answer.failed)
                    votes.append(answer)
                verdict = majority([vote.verdict for vote in votes])
                reason = next((vote.reason for vote in votes if vote.verdict is verdict), votes[0].reason)
                self._said[key] = Judgement(index, verdict, reason, tuple(vote.verdict for vote in votes))
            judged.append(self._said[key])
            if judged[-1].verdict is Verdict.BAD:
                break
        return Judged(tuple(judged), cost)

    def _vote(self, observation: str, steps: Sequence[Step], seed: int, session: str) -> Asking[_Vote]:
        asked = judge_segments(observation, steps, header=self.header)
        first = yield from self._ask(asked, seed, session)
        cost = first.cost
        if first.finish in ("error", "context"):
            return _Vote(Verdict.UNCERTAIN, "", cost, *_trouble(first))
        reason = parse_said(first.text)
        if not reason:
            # A verdict without reasons is a guess.
            return _Vote(Verdict.UNCERTAIN, "", cost)
        second = yield from self._ask(verdict_segments(asked, reason), seed + 1, session)
        cost += second.cost
        if second.finish in ("error", "context"):
            return _Vote(Verdict.UNCERTAIN, reason, cost, *_trouble(second))
        return _Vote(parse_verdict(second.text), reason, cost)

    def _ask(self, asked: Sequence[Segment], seed: int, session: str) -> Asking[Completed]:
        temperature = self.temperature if self.num_votes > 1 else 0.0
        answer = yield from complete(
            self.model,
            Completion(as_prompt(asked), STOP, self.max_tokens, temperature, seed, session and f"{session}#judge"),
        )
        return answer


class _Vote(NamedTuple):
    verdict: Verdict
    reason: str
    cost: Cost
    failed: str = ""
    context_full: bool = False


def _trouble(answer: Completed) -> tuple[str, bool]:
    if answer.finish == "context":
        return "", True
    return answer.error or "the judge gave no answer and no reason why", False
