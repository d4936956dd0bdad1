"""Where a good ending does not execute after the mistake, the search goes on from the real state to find one that does.

A tree is planted whose trunk is the bad beginning and the agent's insight; nothing branches off the trunk, and what grows at its
end is the same search as everywhere. The first rollout that comes to a good end is the ending.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from a3t.agents.asking import Asking
from a3t.episode import Terms
from a3t.revision.tries import acts
from a3t.search.actor import Actor
from a3t.search.grow import grow
from a3t.search.tree import Budget, Node, Settings, Tree
from a3t.types import Cost, Step, Stop, Task
from a3t.worlds import Worlds


class Repaired(NamedTuple):
    """An ending that the environment led to a good reward; empty where no rollout found one."""

    ending: tuple[Step, ...]
    reward: float
    stop: Stop | None
    num_rollouts: int
    cost: Cost


def repair(
    worlds: Worlds,
    task: Task,
    observation: str,
    trunk: Sequence[Step],
    actor: Actor,
    terms: Terms,
    settings: Settings,
    *,
    num_rollouts: int,
    max_turns: int,
    is_good: Callable[[float], bool],
) -> Asking[Repaired]:
    """Search for a good ending from where recorded steps lead.

    Args:
        trunk: the bad beginning and the thought after it.
        settings: its seed is what the recorded episode was reset with.
        max_turns: of an ending.
    """
    depth = sum(map(acts, trunk))
    tree = planted(task, observation, trunk, settings, Budget(num_rollouts, depth + max_turns, until_solved=True))
    tree = yield from grow(worlds, task, actor, terms, settings, tree.budget, tree=tree)
    endings = {leaf: tree.steps(leaf)[len(trunk) :] for leaf in tree.leaves() if is_good(tree.nodes[leaf].reward)}
    # Where a world pays before the end, a rollout of thoughts alone may have a good reward; it sets nothing right.
    good = [leaf for leaf, ending in endings.items() if any(map(acts, ending))]
    if not good:
        return Repaired((), 0.0, None, len(tree.rollouts), tree.cost)
    leaf = min(good, key=lambda one: (-tree.nodes[one].reward, tree.nodes[one].depth))
    it = tree.nodes[leaf]
    return Repaired(endings[leaf], it.reward, it.stop, len(tree.rollouts), tree.cost)


def planted(task: Task, observation: str, trunk: Sequence[Step], settings: Settings, budget: Budget) -> Tree:
    """A tree that is a trunk alone: closed and visited up to its end, so that selection goes there and nowhere else."""
    edges = _edges(trunk)
    nodes: list[Node] = []
    for depth, steps in enumerate([(), *edges]):
        is_end = depth == len(edges)
        nodes.append(
            Node(
                parent=depth - 1 if depth else None,
                depth=depth,
                steps=steps,
                children=() if is_end else (depth + 1,),
                num_drawn=0 if is_end else settings.num_actions,
                visits=0 if is_end else 1,
            )
        )
    return Tree(task, observation, settings, budget, tuple(nodes))


def _edges(trunk: Sequence[Step]) -> list[tuple[Step, ...]]:
    """Thoughts alone go with the action after them; those at the end with the action before."""
    edges: list[tuple[Step, ...]] = []
    waiting: list[Step] = []
    for step in trunk:
        waiting.append(step)
        if acts(step):
            edges.append(tuple(waiting))
            waiting = []
    if waiting and edges:
        edges[-1] = (*edges[-1], *waiting)
    return edges
