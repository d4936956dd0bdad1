"""What is trained on together: revisions, plain ReAct trajectories, failures pushed away, and a user's own chat data, by share.

Agent-R learns from revisions and good trajectories, mixed with 20 % of general conversations so that the model stays one that can
talk. Both shares are a recipe's; without them everything gathered is taken and nothing is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from a3t.config import MixtureConfig, Recipe
from a3t.learning.dataset import Dataset, after_mixing, build_dataset
from a3t.types import Trajectory, Weighted


@dataclass(frozen=True, slots=True)
class Parts:
    """How many of each kind are trained on."""

    revisions: int
    plain: int
    """Successes without a revision."""
    failures: int
    """Weighed below zero."""
    chat: int
    plain_left_out: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Mixed(NamedTuple):
    weighted: tuple[Weighted, ...]
    parts: Parts


class TrainingSet(NamedTuple):
    mixed: Mixed
    dataset: Dataset
    """The same with its statistics, and what was left out on the way."""


def training_set(gathered: Iterable[Trajectory], recipe: Recipe, chat: Sequence[Trajectory], round_index: int) -> TrainingSet:
    """What a round is trained on: everything gathered so far, selected and weighed, then mixed. Raises as `build_dataset`."""
    alpha = recipe.revise.alpha_in(round_index)
    selected = build_dataset(gathered, recipe.objective, alpha=alpha)
    rng = np.random.default_rng([recipe.seed, 11, round_index])
    mixed = mix(selected.weighted, recipe.mixture, chat, rng)
    own = len(mixed.weighted) - mixed.parts.chat
    dataset = after_mixing(selected, mixed.weighted[:own], mixed.weighted[own:], recipe.objective, alpha=alpha)
    return TrainingSet(mixed, dataset)


def mix(weighted: Sequence[Weighted], config: MixtureConfig, chat: Sequence[Trajectory], rng: np.random.Generator) -> Mixed:
    """Cut the plain trajectories down to their share, and add chat up to its own.

    Revisions leave first, where the recipe wants none of them.

    Args:
        weighted: what was selected.
        chat: conversations to draw from, each at most once; fewer than the share asks for are all taken.
        rng: decides which.

    Returns:
        In the order they came, chat last.
    """
    weighted = [w for w in weighted if config.revisions or not w.trajectory.is_revision]
    is_plain = [w.weight > 0 and not w.trajectory.is_revision for w in weighted]
    plain = [index for index, it in enumerate(is_plain) if it]
    num_revisions = sum(w.trajectory.is_revision for w in weighted)
    kept = set(plain)
    if config.plain_share is not None and num_revisions:
        most = round(num_revisions * config.plain_share / (1 - config.plain_share))
        kept = set(rng.permutation(plain)[:most].tolist())
    chosen = [w for index, w in enumerate(weighted) if not is_plain[index] or index in kept]
    num_chat = min(len(chat), round(len(chosen) * config.chat_share / (1 - config.chat_share)))
    added = [Weighted(chat[index], 1.0) for index in sorted(rng.permutation(len(chat))[:num_chat].tolist())]
    failures = len(weighted) - len(plain) - num_revisions
    return Mixed((*chosen, *added), Parts(num_revisions, len(kept), failures, num_chat, len(plain) - len(kept)))
