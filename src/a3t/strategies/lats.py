"""LATS: tree search in the world itself at test time; a rollout is a trial, and the first that succeeds ends the search.

The tree is that of `a3t.search`: the policy proposes, equal actions are one child, the critic judges what was not visited yet,
and the reward of the world is backed up. What differs from the original: no reflection on failed rollouts (that is `reflexion`),
and simulations are played to their end.

Source: Zhou et al. 2024 (arXiv 2310.04406).
"""

from __future__ import annotations

from a3t.agents.asking import Asking
from a3t.search.actor import policy_actor
from a3t.search.grow import grow, trajectory
from a3t.search.tree import Budget, End, Settings, Tree
from a3t.strategies.critic import value_function
from a3t.strategies.playing import Playing
from a3t.types import Stop, Task, Trajectory

EXPLORATION = 1.0
"""c of UCT, as in the original."""


def lats(playing: Playing, task: Task) -> Asking[tuple[Trajectory, ...]]:
    actor = policy_actor(
        playing.policy, temperature=playing.temperature, max_thoughts_in_a_row=playing.terms.max_thoughts_in_a_row
    )
    settings = Settings(
        num_actions=playing.num_candidates, exploration=EXPLORATION, temperature=playing.temperature, seed=playing.seed
    )
    budget = Budget(num_rollouts=playing.num_tries, max_depth=playing.terms.max_turns, until_solved=True)
    tree = yield from grow(playing.worlds, task, actor, playing.terms, settings, budget, value=value_function(playing))
    played = tuple(trajectory(tree, number, playing.terms) for number in range(len(tree.rollouts)))
    return played or (_nothing(tree, playing),)


def _nothing(tree: Tree, playing: Playing) -> Trajectory:
    """The world or the model broke before a first rollout ended: recorded as such, and no failure of the agent."""
    stop = Stop.MODEL_ERROR if tree.end is End.MODEL_ERROR else Stop.ENVIRONMENT_ERROR
    return playing.terms.record(tree.task, tree.observation, (), stop, reward=0.0, seed=playing.seed, error=tree.error)
