"""The driver: plays rollouts until a tree's budget is spent. The only file of the search that acts.

A tree grows as a coroutine (`agents/asking.py`): it yields what it asks of a model, and `run` grows many at once, so that the
model's batch is always full:

    trees = run((grow(worlds, task, actor, terms, settings, budget) for task in tasks), width=64)

What a tree becomes is decided by its settings, its task, its seed and the models' answers, never by which other trees grow beside
it. `record` sees the tree after every rollout; any tree it saw can be handed back as `tree`, and grows on as if nothing had
happened.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import NamedTuple

from a3t.agents.asking import Asking
from a3t.episode import MOST_OF_AN_ERROR, Situation, Terms
from a3t.errors import BadDataError, EnvironmentFailure, RecipeError
from a3t.search import mcts
from a3t.search.actor import Actor, Chance, Draw, invalid_in_a_row
from a3t.search.place import Place, is_sent
from a3t.search.tree import ROOT, Budget, End, Node, Rollout, Settings, Tree
from a3t.types import Cost, Stop, Task, Trajectory
from a3t.worlds import Worlds


class Judgement(NamedTuple):
    """What a value function says of a situation."""

    value: float
    """The reward to be expected, in [0, 1]."""
    cost: Cost = Cost()
    failed: str = ""
    """Why the model could not answer; the tree ends."""


ValueFunction = Callable[[Situation, Chance], Asking[Judgement]]
"""A critic (LATS). It judges every node that an expansion finds, and every simulation that `Settings.horizon` cuts off."""


class _ModelFailed(Exception):
    """The model could not answer: the tree ends as it was before this rollout."""


def grow(
    worlds: Worlds,
    task: Task,
    actor: Actor,
    terms: Terms,
    settings: Settings,
    budget: Budget,
    *,
    tree: Tree | None = None,
    value: ValueFunction | None = None,
    record: Callable[[Tree], None] = lambda _tree: None,
) -> Asking[Tree]:
    """Grow one tree until its budget is spent.

    Args:
        actor: who proposes actions: `policy_actor`, `exploring_actor`, or a function of the caller's.
        terms: `drop_banner` is used here, the rest names the tree's conversation; see also `trajectory`.
        tree: what had grown before; its own settings and budget hold, and a tree that has ended is returned as it is.
        value: judges new nodes: among children that nobody visited the best judged is tried first. With `settings.horizon` its
            word is backed up where a simulation is cut off.
        record: called with the tree after every rollout, and at its end.

    Raises:
        RecipeError: a horizon without a value function.
    """
    settings, budget = (settings, budget) if tree is None else (tree.settings, tree.budget)
    if settings.horizon is not None and value is None:
        raise RecipeError("search.horizon cuts simulations off, and no value function judges them.\n  Leave it out, or use LATS.")
    place = Place(worlds, task, seed=settings.seed, drop_banner=terms.drop_banner)
    session = f"{terms.round_index}/{terms.stage}/{task.split}/{task.task_id}/tree"
    try:
        if tree is None:
            tree = _planted(place, task, settings, budget)
        while tree.end is None:
            end = mcts.spent(tree)
            if end is not None:
                tree = replace(tree, end=end)
            else:
                try:
                    tree = yield from _Rollout(place, actor, value, session, tree).play()
                except _ModelFailed as failure:
                    tree = replace(tree, end=End.MODEL_ERROR, error=str(failure))
            record(tree)
        return tree
    finally:
        place.leave()


def trajectory(tree: Tree, number: int, terms: Terms) -> Trajectory:
    """A rollout as the record of an episode; its attempt is its number. Its cost is all that the rollout took, expansions too."""
    rollout = tree.rollouts[number]
    leaf = tree.nodes[rollout.leaf]
    # Where the world broke, the last action was never answered.
    steps = tree.steps(leaf.parent if leaf.is_broken and leaf.parent is not None else rollout.leaf)
    return terms.record(
        tree.task,
        tree.observation,
        steps,
        leaf.stop or Stop.TURN_LIMIT,
        reward=0.0 if leaf.is_broken else leaf.reward,
        seed=tree.settings.seed,
        attempt=number,
        duplicate=rollout.duplicate,
        cost=rollout.cost,
        error=rollout.error,
    )


def _planted(place: Place, task: Task, settings: Settings, budget: Budget) -> Tree:
    try:
        return Tree(task, place.begin().observation, settings, budget)
    except EnvironmentFailure as failure:
        root = Node(None, 0, stop=Stop.ENVIRONMENT_ERROR)
        return Tree(task, "", settings, budget, (root,), error=str(failure)[:MOST_OF_AN_ERROR])


@dataclass
class _Rollout:
    """One pass over the tree; see `mcts.py` for the steps."""

    place: Place
    actor: Actor
    value: ValueFunction | None
    session: str
    tree: Tree
    cost: Cost = field(default_factory=Cost)
    error: str = ""

    def play(self) -> Asking[Tree]:
        """The tree with one rollout more."""
        started = time.perf_counter()
        start = yield from self._descend()
        leaf, value = yield from self._simulate(start)
        cost = replace(self.cost, seconds=time.perf_counter() - started)
        error = self.error if self.tree.nodes[leaf].is_broken else ""
        return mcts.back_up(self.tree, Rollout(start, leaf, value, cost, error=error))

    def _descend(self) -> Asking[int]:
        """Select, expanding on the way; down to a node that nobody visited, or where it is over."""
        node = ROOT
        while (it := self.tree.nodes[node]).stop is None:
            if node != ROOT and not it.visits and not it.children:
                break
            while mcts.is_open(self.tree, node):
                yield from self._draw(node, simulating=False)
            if self.tree.nodes[node].stop is not None:
                break
            child = mcts.choose(self.tree, node)
            if child is not None:
                node = child
            else:
                nothing_drawn = not self.tree.nodes[node].children
                self.tree = mcts.stop_at(self.tree, node, Stop.TOKEN_LIMIT if nothing_drawn else Stop.ENVIRONMENT_ERROR)
        return node

    def _simulate(self, start: int) -> Asking[tuple[int, float]]:
        """The actor plays on to the end, or to the horizon. Returns the leaf and what it is worth."""
        node, horizon = start, self.tree.settings.horizon
        while (it := self.tree.nodes[node]).stop is None:
            if horizon is not None and it.depth - self.tree.nodes[start].depth >= horizon:
                if it.estimate is None:
                    yield from self._judge(node)
                return node, self.tree.nodes[node].promise
            node = yield from self._draw(node, simulating=True)
        return node, 0.0 if it.is_broken else it.reward

    def _draw(self, node: int, *, simulating: bool) -> Asking[int]:
        """One action more at a node. Returns where it leads: the node itself where no turn can follow."""
        try:
            chance = self._chance(node, simulating)
            drawn: Draw = yield from self.actor(self._situation(node), chance)
        except EnvironmentFailure as failure:
            return self._break(node, failure)
        self.cost += drawn.cost
        if drawn.failed:
            raise _ModelFailed(drawn.failed)
        if drawn.context_full:
            self.tree = mcts.stop_at(self.tree, node, Stop.TOKEN_LIMIT) if simulating else mcts.draw_nothing(self.tree, node)
            return node
        child = mcts.child_by(self.tree, node, drawn.steps[-1].action)
        if child is not None:
            self.tree = mcts.merge(self.tree, node, child)
            return child
        child = self._act(node, drawn)
        if self.value is not None and not simulating and self.tree.nodes[child].stop is None:
            yield from self._judge(child)
        return child

    def _act(self, node: int, drawn: Draw) -> int:
        """Take the action in the world; the new node."""
        *thoughts, step = drawn.steps
        above = self.tree.nodes[node]
        child = Node(node, above.depth + 1, drawn.steps, above.reward)
        try:
            self.place.go_to(self.tree, node)
        except EnvironmentFailure as failure:
            return self._break(node, failure)
        try:
            seen = self.place.step(step)
            valid = seen.valid and not drawn.malformed
            steps = (*thoughts, replace(step, observation=seen.observation, valid=valid))
            reward = seen.reward if is_sent(step) else above.reward
            added = mcts.add(self.tree, node, replace(child, steps=steps, reward=reward, stop=seen.stop))
            self.place.arrive(added.node, seen)
            self.tree = added.tree
            return added.node
        except EnvironmentFailure as failure:
            self.tree, new = mcts.add(self.tree, node, child)
            return self._break(new, failure)

    def _judge(self, node: int) -> Asking[None]:
        assert self.value is not None
        chance = self._chance(node, simulating=False)
        judgement = yield from self.value(self._situation(node), chance)
        self.cost += judgement.cost
        if judgement.failed:
            raise _ModelFailed(judgement.failed)
        if not 0.0 <= judgement.value <= 1.0:
            raise BadDataError(f"a value function answered {judgement.value!r}: expected a number in [0, 1].")
        self.tree = mcts.judged(self.tree, node, judgement.value)

    def _break(self, node: int, failure: EnvironmentFailure) -> int:
        self.error = str(failure)[:MOST_OF_AN_ERROR]
        self.tree = mcts.stop_at(self.tree, node, Stop.ENVIRONMENT_ERROR)
        return node

    def _situation(self, node: int) -> Situation:
        tree, steps = self.tree, self.tree.steps(node)
        return Situation(tree.task, tree.observation, steps, self.place.actions(tree, node), invalid_in_a_row(steps))

    def _chance(self, node: int, simulating: bool) -> Chance:
        it = self.tree.nodes[node]
        known = tuple(self.tree.nodes[child].action for child in it.children)
        return Chance(_seed(self.tree, node), self.session, known, simulating)


def _seed(tree: Tree, node: int) -> int:
    """Of the next draw at a node: depends on what the draw is, never on when it runs."""
    key = f"{tree.settings.seed}/{tree.task.split}/{tree.task.task_id}/{node}/{tree.nodes[node].num_drawn}"
    return int.from_bytes(sha256(key.encode(errors="surrogatepass")).digest()[:6], "big")
