"""Composition: the policy's steps mixed with actions it would not have taken, each explained after the fact (§2.1, Appendix A).

At every step, with probability p, an action is sampled from the action space instead of inferred; ActRe explains it, and
(explanation, action) becomes the step. Three invalid actions of the policy in a row force one sampled action.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from a3t.agents.actre import ActReAnnotator
from a3t.agents.asking import Asking
from a3t.agents.react import ReactPolicy
from a3t.config import AnnotatorConfig, ExploreConfig
from a3t.episode import Move, Mover, Situation, Terms, Worlds, policy_mover, rollout
from a3t.errors import RecipeError, unknown
from a3t.protocols import ActionSampler
from a3t.types import Author, Cost, Gate, Task, Trajectory

OWN_SHARE = 0.25
"""Where any text may follow (a search box), this share of the explored actions is the policy's own idea, drawn at
`OWN_TEMPERATURE`; the rest is sampled from what the world proposes. Who draws from the list alone never searches for what the
instruction does not say."""
OWN_TEMPERATURE = 1.0

State = tuple[str, ...]
"""Where a composition stands: the actions that led there (worlds are deterministic, so that is the state)."""


def uniform(actions: Sequence[str], tried: Sequence[str], rng: np.random.Generator) -> str:
    """Every admissible action alike: the paper's."""
    return actions[int(rng.integers(len(actions)))]


def verbs(actions: Sequence[str], tried: Sequence[str], rng: np.random.Generator) -> str:
    """First a verb, then an action with it, so that forty `go to` do not drown the one `take`."""
    by_verb: dict[str, list[str]] = {}
    for action in actions:
        by_verb.setdefault(action.split(" ", 1)[0], []).append(action)
    group = by_verb[sorted(by_verb)[int(rng.integers(len(by_verb)))]]
    return group[int(rng.integers(len(group)))]


def novelty(actions: Sequence[str], tried: Sequence[str], rng: np.random.Generator) -> str:
    """What no earlier composition tried at this state first; after that, anything."""
    fresh = [action for action in actions if action not in set(tried)]
    return uniform(fresh or actions, tried, rng)


SAMPLERS: dict[str, ActionSampler] = {"uniform": uniform, "verbs": verbs, "novelty": novelty}


def sampler(name: str) -> ActionSampler:
    """Raises `UnknownNameError`."""
    if name in SAMPLERS:
        return SAMPLERS[name]
    from importlib.metadata import entry_points

    for entry in entry_points(group="a3t.samplers", name=name):
        plugin: ActionSampler = entry.load()
        return plugin
    raise unknown("action sampler", name, SAMPLERS)


def compose_mover(
    policy: ReactPolicy,
    annotator: ActReAnnotator,
    explore: ExploreConfig,
    annotate: AnnotatorConfig,
    *,
    tried: dict[State, list[str]],
    rng: np.random.Generator,
    seed: int,
    session: str,
) -> Mover:
    """Whoever moves in a composition.

    Args:
        tried: actions taken from each state in earlier compositions of the task; added to.
    """
    sample = sampler(explore.sampler)
    own = policy_mover(policy, temperature=explore.temperature, seed=seed, session=session)
    idea = policy_mover(policy, temperature=max(OWN_TEMPERATURE, explore.temperature), seed=seed + 700, session=session)

    def move(situation: Situation) -> Asking[Move]:
        state = tuple(step.action for step in situation.steps if step.action)
        rescued = situation.invalid_in_a_row >= explore.rescue_after
        # Drawn first, so that whether to explore depends on the turn alone, never on what the policy did.
        wants = rng.random() < explore.probability or rescued
        if situation.actions is None and wants:
            raise RecipeError(
                f"exploration samples from info['actions'], and the environment lists none in task {situation.task.task_id!r}."
            )
        # In a state without any admissible action there is nothing to sample; the policy may still say something.
        if not (wants and situation.actions):
            result = yield from own(situation)
            tried.setdefault(state, []).append(result.action)
            return result
        action, cost = "", Cost()
        # In a closed world nothing is drawn here, so its compositions do not hang on this.
        if situation.open and rng.random() < OWN_SHARE:
            thought_of = yield from idea(situation._replace(unread=None))
            cost = thought_of.cost
            if thought_of.failed:
                return thought_of
            if thought_of.action.startswith(situation.open) and not thought_of.malformed:
                action = thought_of.action
        action = action or sample(situation.actions, tried.get(state, ()), rng)
        tried.setdefault(state, []).append(action)
        explained = yield from explain(policy, annotator, annotate, situation, action, seed=seed, session=session)
        return explained._replace(cost=cost + explained.cost)

    return move


def explain(
    policy: ReactPolicy,
    annotator: ActReAnnotator,
    config: AnnotatorConfig,
    situation: Situation,
    action: str,
    *,
    seed: int,
    session: str,
    action_by: Author = Author.EXPLORER,
) -> Asking[Move]:
    """An action with its posterior reason, gated."""
    task, observation, steps = situation.task, situation.observation, situation.steps
    if not policy.thoughts:
        return Move("", action, action_by=action_by, cost=Cost())
    answer = yield from annotator.explain(task, observation, steps, action, seed=seed + 1000 * len(steps) + 500, session=session)
    if answer.failed or answer.context_full:
        return Move("", action, failed=answer.failed, context_full=answer.context_full, cost=answer.cost)
    gate: Gate | None = None
    reason, cost = answer.reason, answer.cost
    if config.gate != "off":
        gate, spent = yield from policy.gate(task, observation, steps, action, reason, session)
        cost += spent
        # Written so that a gain that could not be measured (NaN) does not pass.
        if config.gate == "enforce" and not gate.gain >= config.gate_threshold:
            reason = ""
    return Move(reason, action, Author.ANNOTATOR, action_by, gate=gate, cost=cost)


def compose(
    worlds: Worlds,
    task: Task,
    policy: ReactPolicy,
    annotator: ActReAnnotator,
    explore: ExploreConfig,
    annotate: AnnotatorConfig,
    terms: Terms,
    *,
    seed: int,
    seen: Collection[tuple[str, ...]] = (),
    max_tokens: int | None = None,
    record: Callable[[Trajectory], None] = lambda _trajectory: None,
) -> Asking[list[Trajectory]]:
    """Compose trajectories for one failed task until the strategy says enough.

    `min_compositions` are made whatever comes, then the first success ends it, `num_compositions` at most.

    Args:
        seen: action sequences of earlier trajectories of this task; repeating one marks the new trajectory a duplicate.
        max_tokens: read and written; the composition that goes past it is the last one, whatever `min_compositions` says.
        record: called with every new trajectory as soon as it ends.

    Returns:
        All compositions, in order of attempt.
    """
    # One conversation for all attempts: what they begin with is read once.
    session = f"{terms.round_index}/{terms.stage}/{task.split}/{task.task_id}"
    results: list[Trajectory] = []
    tried: dict[State, list[str]] = {}
    known = set(seen)
    for attempt in range(explore.num_compositions):
        if attempt >= explore.min_compositions and any(t.success for t in results):
            break
        if max_tokens is not None and sum(t.cost.tokens for t in results) >= max_tokens:
            break
        attempt_seed = seed + 1_000_003 * attempt
        mover = compose_mover(
            policy,
            annotator,
            explore,
            annotate,
            tried=tried,
            rng=np.random.default_rng(attempt_seed),
            seed=attempt_seed,
            session=session,
        )
        trajectory = yield from rollout(worlds, task, mover, terms, seed=attempt_seed, attempt=attempt)
        if not trajectory.is_broken:
            # A broken episode repeats nothing, and what it began may yet be done in full.
            trajectory = replace(trajectory, duplicate=trajectory.actions in known)
            known.add(trajectory.actions)
        results.append(trajectory)
        record(trajectory)
    return results
