"""Going on from a recorded beginning: its actions are sent again, then the policy plays from the real state.

Where a good ending does not execute after a mistake, one is looked for like this; and how well an agent recovers is measured
like this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from a3t.agents.asking import Asking
from a3t.agents.react import ReactPolicy
from a3t.episode import Move, Mover, Situation, Terms, policy_mover, rollout
from a3t.errors import EnvironmentFailure
from a3t.revision.splice import untrained
from a3t.revision.tries import acts
from a3t.types import Step, Task, Trajectory
from a3t.worlds import Worlds


def going_on(
    worlds: Worlds,
    task: Task,
    beginning: Sequence[Step],
    policy: ReactPolicy,
    terms: Terms,
    *,
    temperature: float,
    seed: int,
    play_seed: int,
    session: str,
    attempt: int = 0,
) -> Asking[Trajectory]:
    """One episode that begins as recorded and is then the policy's.

    Args:
        beginning: kept as context, never trained on. The turns in it do not count against the agent's.
        seed: what the recorded episode was reset with.
        play_seed: of the policy's own draws.

    Returns:
        A broken trajectory (`ENVIRONMENT_ERROR`) where the world does not answer the beginning as recorded.
    """
    own = policy_mover(policy, temperature=temperature, seed=play_seed, session=session)
    # A turn of thought alone takes none, unless it was one too many.
    more = replace(terms, max_turns=terms.max_turns + sum(acts(step) or not step.valid for step in beginning))
    played = yield from rollout(worlds, task, recorded(beginning, own), more, seed=seed, attempt=attempt)
    steps = (*map(untrained, played.steps[: len(beginning)]), *played.steps[len(beginning) :])
    return replace(played, steps=steps)


def recorded(beginning: Sequence[Step], then: Mover) -> Mover:
    """Moves as recorded, one after the other; after the last of them somebody else moves."""

    def move(situation: Situation) -> Asking[Move]:
        index = len(situation.steps)
        if 0 < index <= len(beginning):
            was, now = beginning[index - 1], situation.steps[index - 1]
            if acts(was) and was.observation != now.observation:
                raise EnvironmentFailure(
                    f"turn {index} ({was.action!r}) was answered {now.observation[:80]!r}, and {was.observation[:80]!r} "
                    "when it was recorded: the environment does not repeat itself."
                )
        if index >= len(beginning):
            result = yield from then(situation)
            return result
        step = beginning[index]
        return Move(
            step.thought,
            step.action,
            step.thought_by,
            step.action_by,
            step.thought_tokens,
            step.action_tokens,
            step.gate,
            is_thought_only=not acts(step),
            malformed=not step.valid and not step.action,
        )

    return move
