"""A search tree as a value: nodes, rollouts, what the search is told and how much it may spend; nothing here acts.

A node is a situation, an edge the turn that led to it, and every rollout a path from the root: whatever the actor said during a
simulation stays in the tree, so that all trajectories, and the value of each of their steps, can be read off it. Nodes are named
by their place in `Tree.nodes`, 0 being the root; a parent always comes before its children. A tree is never changed: `mcts.py`
makes the next one from it. `grow.py` is the only file that plays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from a3t.errors import RecipeError
from a3t.types import BROKEN_STOPS, Cost, Step, Stop, Task

ROOT = 0
"""The situation after `reset`."""


class End(StrEnum):
    """Why a tree no longer grows."""

    ROLLOUTS = "rollouts"
    """The budget of rollouts is used up."""
    TOKENS = "tokens"
    """The budget of model tokens is used up."""
    SECONDS = "seconds"
    """The budget of wall-clock seconds is used up."""
    SOLVED = "solved"
    """A rollout succeeded, and the budget asked for no more than one."""
    NOWHERE = "nowhere"
    """No way on from the root: the world or the context allows none."""
    MODEL_ERROR = "model_error"
    """The model could not answer even after retries; what had grown is kept."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a tree grows. Equal settings, seeds and models give equal trees.

    Source of the defaults: Agent-R (arXiv 2501.11425).
    """

    num_actions: int = 4
    """Draws from the actor at a node; equal actions are one child, which counts how often it was drawn."""
    exploration: float = 0.25
    """c of UCT: how much an uncertain child is worth over a good one."""
    temperature: float = 1.0
    """Of the actor's draws."""
    explore_probability: float = 0.0
    """Chance that a draw at a node is sampled from the action space instead, and explained by the annotator (ActRe)."""
    sampler: str = "uniform"
    """Which sampler draws then: see `a3t.explore`."""
    horizon: int | None = None
    """Turns simulated below a new node before the value function judges; 0 judges the node itself. None plays to the end."""
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.num_actions >= 1, "num_actions", self.num_actions, "at least 1")
        _require(_is_number(self.exploration, 0), "exploration", self.exploration, "0 or more")
        _require(_is_number(self.temperature, 0), "temperature", self.temperature, "0 or more")
        _require(_is_number(self.explore_probability, 0, 1), "explore_probability", self.explore_probability, "from 0 to 1")
        _require(self.horizon is None or self.horizon >= 0, "horizon", self.horizon, "0 or more, or none")
        _require(0 <= self.seed < 2**63, "seed", self.seed, "0 or more, below 2**63")


@dataclass(frozen=True, slots=True)
class Budget:
    """When a tree is done. Seconds depend on the machine: with that limit, equal seeds need not give equal trees."""

    num_rollouts: int = 8
    max_depth: int = 20
    """Turns (actions sent to the world) from the root; an episode that is not over by then ends with `TURN_LIMIT`."""
    max_tokens: int | None = None
    """Read and written, a cached prefix included; the rollout that goes past it is finished."""
    max_seconds: float | None = None
    """Wall clock, likewise; of a tree that grows among others this includes the turns of the others."""
    until_solved: bool = False
    """The first success ends it: search at test time."""

    def __post_init__(self) -> None:
        _require(self.num_rollouts >= 1, "num_rollouts", self.num_rollouts, "at least 1")
        _require(self.max_depth >= 1, "max_depth", self.max_depth, "at least 1")
        _require(self.max_tokens is None or self.max_tokens >= 1, "max_tokens", self.max_tokens, "at least 1, or none")
        enough = self.max_seconds is None or _is_number(self.max_seconds, 0)
        _require(enough, "max_seconds", self.max_seconds, "0 or more, or none")


@dataclass(frozen=True, slots=True)
class Node:
    """A situation of the task, what led to it, and what came of it so far."""

    parent: int | None
    """None for the root."""
    depth: int
    """Turns from the root."""
    steps: tuple[Step, ...] = ()
    """The edge: turns of thought alone, if any, then the step with the action. Empty for the root."""
    reward: float = 0.0
    """What the environment said with the last observation, in [0, 1]."""
    stop: Stop | None = None
    """Why no turn can follow; None where one can."""
    children: tuple[int, ...] = ()
    """In the order in which they were found."""
    num_drawn: int = 0
    """Actions drawn here so far, duplicates included; the node is open until these are `Settings.num_actions`."""
    count: int = 1
    """How often this node's action was drawn at its parent."""
    visits: int = 0
    """Rollouts that came through."""
    value_sum: float = 0.0
    """Of the values backed up."""
    estimate: float | None = None
    """What a value function said of this situation, in [0, 1]; None where none was asked."""

    @property
    def action(self) -> str:
        """The action that led here; empty for the root and after a turn of thoughts alone."""
        return self.steps[-1].action if self.steps else ""

    @property
    def value(self) -> float:
        """Q: the mean of the values backed up; 0 where no rollout came through."""
        return self.value_sum / self.visits if self.visits else 0.0

    @property
    def promise(self) -> float:
        """What is known before any rollout came through: the reward where it is over, else the estimate, else 0."""
        return self.reward if self.stop is not None else self.estimate or 0.0

    @property
    def is_broken(self) -> bool:
        """The environment broke here, or in everything below: the search keeps away, and no reward is read off it."""
        return self.stop in BROKEN_STOPS


@dataclass(frozen=True, slots=True)
class Rollout:
    """One pass of the search: down the tree, open a node, play on, back up."""

    start: int
    """The node from which the actor played on by itself."""
    leaf: int
    """Where it ended."""
    value: float
    """Backed up from the leaf to the root: the environment's reward, or the value function's word at the horizon."""
    cost: Cost = field(default_factory=Cost)
    duplicate: bool = False
    """An earlier rollout ended at the same leaf: no new trajectory."""
    error: str = ""
    """What the environment complained of, where it broke."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Everything a search knows about one task."""

    task: Task
    observation: str
    """o_1, tidied."""
    settings: Settings
    budget: Budget
    nodes: tuple[Node, ...] = field(default_factory=lambda: (Node(None, 0),))
    rollouts: tuple[Rollout, ...] = ()
    """In order; those that the environment broke are in it, and counted in the budget, but back nothing up."""
    end: End | None = None
    """None while it grows."""
    error: str = ""
    """What broke, for `End.MODEL_ERROR` and `End.NOWHERE`."""

    @property
    def root(self) -> Node:
        return self.nodes[ROOT]

    @property
    def cost(self) -> Cost:
        return sum((rollout.cost for rollout in self.rollouts), Cost())

    @property
    def num_tokens(self) -> int:
        """Read and written so far, cached prefixes included."""
        return sum(rollout.cost.tokens for rollout in self.rollouts)

    def path(self, node: int) -> tuple[int, ...]:
        """Nodes from the root to this one, both included."""
        back = [node]
        while (parent := self.nodes[back[-1]].parent) is not None:
            back.append(parent)
        return tuple(reversed(back))

    def steps(self, node: int) -> tuple[Step, ...]:
        """What was done and seen from the root to this node."""
        return tuple(step for index in self.path(node) for step in self.nodes[index].steps)

    def leaves(self) -> Iterator[int]:
        """Where rollouts ended, each once, in the order of their first rollout; broken ones left out."""
        for rollout in self.rollouts:
            if not rollout.duplicate and not self.nodes[rollout.leaf].is_broken:
                yield rollout.leaf

    def shared(self, one: int, other: int) -> int:
        """The deepest node on both paths: where two trajectories part."""
        return [a for a, b in zip(self.path(one), self.path(other), strict=False) if a == b][-1]

    def best_leaf(self) -> int | None:
        """The end of the best rollout: highest reward, then fewest turns, then first; None where every rollout broke."""
        return min(self.leaves(), key=lambda leaf: (-self.nodes[leaf].reward, self.nodes[leaf].depth), default=None)

    def best_child(self, node: int = ROOT) -> int | None:
        """The child that the search came to prefer: most visits, then highest value, then first; None where there is none."""
        nodes = self.nodes
        alive = [child for child in nodes[node].children if not nodes[child].is_broken]
        return min(alive, key=lambda child: (-nodes[child].visits, -nodes[child].value), default=None)


def _is_number(value: float, least: float, most: float = math.inf) -> bool:
    return math.isfinite(value) and least <= value <= most


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise RecipeError(f"search.{name} = {value!r} does not fit: expected {expected}.")
