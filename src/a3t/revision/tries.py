"""Tries at one task and how good each of their moments was: what pairs are made of, wherever the tries come from.

The value after a step is the mean reward of everything that went through that very beginning. A search tree has it in its nodes;
for tries that were gathered one by one (the policy's own, compositions) it is counted here, over the beginnings they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from a3t.episode import Terms
from a3t.search.grow import trajectory
from a3t.search.tree import Tree
from a3t.types import Step, Trajectory

Beginning = tuple[str, ...]
"""The actions so far: worlds are deterministic, so that is the state."""


@dataclass(frozen=True, slots=True)
class Try:
    """A trajectory with the value of each of its moments."""

    trajectory: Trajectory
    values: tuple[float, ...]
    """[steps + 1], in [0, 1]: before the first step, then after each. A turn of thought alone changes nothing."""

    @property
    def reward(self) -> float:
        return self.trajectory.reward


def gathered_tries(trajectories: Iterable[Trajectory]) -> tuple[Try, ...]:
    """Tries of one task with values counted over their shared beginnings; broken ones, and exact repetitions, are left out."""
    tries = distinct(trajectories)
    total: dict[Beginning, tuple[float, int]] = {}
    for one in tries:
        for beginning in _beginnings(one):
            reward, count = total.get(beginning, (0.0, 0))
            total[beginning] = (reward + one.reward, count + 1)
    means = {beginning: reward / count for beginning, (reward, count) in total.items()}
    return tuple(Try(t, _by_step(t, [means[b] for b in _beginnings(t)])) for t in tries)


def tree_tries(tree: Tree, terms: Terms) -> tuple[Try, ...]:
    """The rollouts of a search with the values of its nodes; those that repeat an earlier one, or broke, are left out."""
    tries = []
    for number, rollout in enumerate(tree.rollouts):
        if rollout.duplicate or tree.nodes[rollout.leaf].is_broken:
            continue
        values = [tree.root.value]
        for index in tree.path(rollout.leaf)[1:]:
            # Thoughts alone come before the action of an edge: the value changes with the action.
            values += [values[-1]] * (len(tree.nodes[index].steps) - 1) + [tree.nodes[index].value]
        tries.append(Try(trajectory(tree, number, terms), tuple(values)))
    return tuple(tries)


def distinct(trajectories: Iterable[Trajectory]) -> tuple[Trajectory, ...]:
    """Those that broke nothing, one of each sequence of actions."""
    seen: dict[Beginning, Trajectory] = {}
    for one in trajectories:
        if not one.is_broken:
            seen.setdefault(acted(one), one)
    return tuple(seen.values())


def acted(one: Trajectory) -> Beginning:
    """Its actions, turns of thought alone left out."""
    return tuple(step.action for step in one.steps if acts(step))


def acts(step: Step) -> bool:
    """Whether the world saw this turn: a thought alone stays with the agent, a line without any words does not."""
    return bool(step.action) or not step.thought


def fell_by_more(before: float, after: float, by: float) -> bool:
    """Whether a value fell by more than so much. What floats round off does not count: 0.9 - 0.7 is not more than 0.2."""
    return before - after > by + ROUNDING


ROUNDING = 1e-9
"""Rewards and their means are between 0 and 1; what is smaller than this came of arithmetic."""


def _beginnings(one: Trajectory) -> list[Beginning]:
    actions = acted(one)
    return [actions[:end] for end in range(len(actions) + 1)]


def _by_step(one: Trajectory, by_action: Sequence[float]) -> tuple[float, ...]:
    """Values after each action as values after each step."""
    values, taken = [by_action[0]], 0
    for step in one.steps:
        taken += acts(step)
        values.append(by_action[taken])
    return tuple(values)
