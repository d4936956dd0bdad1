"""Which trajectories are learned from, and with what weight: the rules of A³T (§2.2) and of its Table 7, as one pure function.

    every trajectory so far
      ├─ broken, or a trial of a test task ─────────────── left out
      ├─ reward at the threshold, own or composed ──────── kept, weight +1
      ├─ of a search, or a revision, good by α ─────────── kept, weight +1
      ├─ a failure of the policy alone, after round 0 ──── kept where its task has enough kept successes, weight R(τ_f)
      └─ any other failure (composed, revised, imported) ─ left out

The set accumulates over rounds because the caller hands in the trajectories of all rounds.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from a3t.config import ObjectiveConfig
from a3t.errors import RecipeError, unknown
from a3t.types import Stage, Trajectory, Weighted


@dataclass(frozen=True, slots=True)
class Selection:
    """One row of Table 7: what is kept, and what a failure weighs."""

    threshold: float = 1.0
    """Trajectories with at least this reward are kept, own and composed."""
    failed_weight: float | None = 0.0
    """R(τ_f) of the policy's own failures; 0 leaves them out, None takes the recipe's `failed_weight`."""
    own_reward: bool = False
    """Every trajectory weighs its own reward ("ori"); a reward of 0 leaves it out."""
    labelled: bool = False
    """Nothing is pushed away: a label before the task says how the trajectory ended."""


SELECTIONS: Mapping[str, Selection] = {
    "binarized": Selection(failed_weight=None),  # PG (=1; -1), the method
    "supervised-1.0": Selection(),
    "supervised-0.75": Selection(threshold=0.75),
    "supervised-0.5": Selection(threshold=0.5),
    "label-conditioned": Selection(failed_weight=1.0, labelled=True),
    "original": Selection(own_reward=True),  # PG (=1; ori)
    "original-0.75": Selection(threshold=0.75, own_reward=True),  # PG (>=0.75; ori)
    "small-positive": Selection(failed_weight=0.1),  # PG (=1; 0.1)
}

SUCCESS_LABEL, FAIL_LABEL = "Success", "Fail"
"""§4.1's label conditions. A policy trained with them is asked for `Success`."""


class LeftOut(StrEnum):
    """Why a trajectory is not trained on."""

    BROKEN = "broken"
    EVALUATION = "evaluation"
    BELOW_ALPHA = "below_alpha"
    NOT_THE_POLICYS_OWN_FAILURE = "not_the_policys_own_failure"
    BOOTSTRAP_FAILURE = "bootstrap_failure"
    DUPLICATE = "duplicate"
    OVER_THE_CAP = "over_the_cap"
    UNPAIRED_FAILURE = "unpaired_failure"
    WEIGHS_NOTHING = "weighs_nothing"
    NO_REVISIONS = "no_revisions_wanted"
    """`mixture.revisions = false`."""
    OVER_THE_PLAIN_SHARE = "over_the_plain_share"
    """`mixture.plain_share`."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Some trajectories, counted three ways; Tables 16 and 17 count "sentences", here steps."""

    trajectories: int
    steps: int
    tokens: int


NOTHING = Amount(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Stats:
    """What Tables 16 and 17 report, and K of Remark 3. A failure is a kept trajectory below the selection's threshold."""

    total: Amount
    failed: Amount
    num_tasks: int
    num_failed_tasks: int
    """Tasks with at least one kept failure."""
    successes_per_failed_task: Mapping[int, int]
    """K -> number of failed tasks that have K kept successes."""
    mean_successes_per_failed_task: float
    """K on average; 0 where nothing failed. Remark 3 wants it above 1."""
    failed_weight_share: float
    """Failures' share of |weight| x tokens, as it will be trained."""
    failed_weight_scale: float
    """What `max_failed_share` multiplied the failures' weights by; 1 where it did nothing."""
    left_out: Mapping[str, int]
    """Reason -> number of trajectories."""
    chat: Amount = NOTHING
    """The user's own conversations, of `total`."""

    @property
    def failed_step_share(self) -> float:
        """#Failed / #Total of Tables 16 and 17."""
        return _share(self.failed.steps, self.total.steps)

    def as_json(self) -> dict[str, Any]:
        shares = {
            f"failed_{unit}_share": _share(getattr(self.failed, unit), getattr(self.total, unit))
            for unit in ("trajectories", "steps", "tokens")
        }
        histogram = {str(k): count for k, count in self.successes_per_failed_task.items()}
        return {**dataclasses.asdict(self), **shares, "successes_per_failed_task": histogram}


@dataclass(frozen=True, slots=True)
class Dataset:
    """What one round trains on."""

    weighted: tuple[Weighted, ...]
    """In the order of the trajectories they came from."""
    stats: Stats


def count_words(trajectory: Trajectory) -> int:
    """Words of a trajectory: stands in for tokens where no tokenizer is at hand."""
    turns = (f"{step.thought} {step.action} {step.observation}" for step in trajectory.steps)
    return len(trajectory.observation.split()) + sum(len(turn.split()) for turn in turns)


def build_dataset(
    trajectories: Iterable[Trajectory],
    config: ObjectiveConfig,
    num_tokens: Callable[[Trajectory], int] = count_words,
    *,
    alpha: float = 1.0,
) -> Dataset:
    """Select and weigh trajectories of all rounds so far.

    Args:
        trajectories: everything gathered, in the order it was gathered; what may not be trained on is left out here.
        config: the selection by name, the weight of failures, K and the guards.
        num_tokens: length of a trajectory, for the statistics and for `max_failed_share`.
        alpha: what makes a revision, or a trajectory of a search, good (Agent-R); it rises, so what was good once may leave.

    Returns:
        The kept trajectories with weights that are never 0; possibly none, if nothing succeeded.

    Raises:
        UnknownNameError: Table 7 has no such selection.
        RecipeError: the cap on successes is below what a failure asks for, so that no failure could ever be kept.

    Source: Yang et al. 2024 (arXiv 2403.14589), §2.2 and Table 7. "(>=0.75; ori)" is read as: trajectories with R >= 0.75 and the
    policy's own failures below it, each weighing its own reward.
    """
    selection = _selection(config)
    if config.max_successes_per_task is not None and config.max_successes_per_task < config.min_successes_per_failure:
        raise RecipeError(
            f"objective.max_successes_per_task = {config.max_successes_per_task} is below objective.min_successes_per_failure = "
            f"{config.min_successes_per_failure}: no failure would ever be kept.\n  Successes alone: objective.name = 'sft'."
        )
    left_out: Counter[LeftOut] = Counter()
    successes, failures = _sort(trajectories, selection, alpha, left_out)
    successes = _best(successes, config.max_successes_per_task, left_out)
    num_successes = Counter(_task(t) for _order, t in successes)
    failures = _paired(failures, num_successes, config.min_successes_per_failure, left_out)
    failures = _latest(failures, config.max_failures_per_task, left_out)
    kept = [(order, _weigh(t if config.learn_refused else without_refused(t), True, selection)) for order, t in successes]
    failed = [(order, _weigh(t, False, selection)) for order, t in failures]
    scale = _failed_scale([w for _, w in kept], [w for _, w in failed], config.max_failed_share, num_tokens)
    failed_kept = [(order, replace(w, weight=w.weight * scale)) for order, w in failed if w.weight * scale]
    left_out[LeftOut.WEIGHS_NOTHING] += len(failed) - len(failed_kept)
    weighted = tuple(w for _order, w in sorted(kept + failed_kept, key=lambda pair: pair[0]))
    stats = _stats([w for _, w in kept], [w for _, w in failed_kept], scale, left_out, num_tokens)
    return Dataset(weighted, stats)


def after_mixing(
    dataset: Dataset,
    taken: Sequence[Weighted],
    chat: Sequence[Weighted],
    config: ObjectiveConfig,
    num_tokens: Callable[[Trajectory], int] = count_words,
    *,
    alpha: float = 1.0,
) -> Dataset:
    """What is really trained on, and its statistics: `taken` of the selected, and conversations.

    Args:
        taken: some of `dataset.weighted`, in order.
        alpha: as in `build_dataset`.
    """
    selection = _selection(config)
    left_out: Counter[LeftOut] = Counter({LeftOut(reason): count for reason, count in dataset.stats.left_out.items()})
    gone = Counter(w.trajectory.is_revision for w in dataset.weighted)
    gone.subtract(w.trajectory.is_revision for w in taken)
    left_out[LeftOut.NO_REVISIONS] += gone[True]
    left_out[LeftOut.OVER_THE_PLAIN_SHARE] += gone[False]
    kept = [w for w in taken if _passed(w.trajectory, selection, alpha)]
    failed = [w for w in taken if not _passed(w.trajectory, selection, alpha)]
    stats = _stats(kept, failed, dataset.stats.failed_weight_scale, left_out, num_tokens, chat)
    return Dataset((*taken, *chat), stats)


def without_refused(trajectory: Trajectory) -> Trajectory:
    """The same, but what the world refused is context: whoever recovers from a mistake need not be taught the mistake."""
    if all(step.valid for step in trajectory.steps):
        return trajectory
    return replace(trajectory, steps=tuple(replace(step, trained=step.trained and step.valid) for step in trajectory.steps))


Ordered = list[tuple[int, Trajectory]]


def labelled(config: ObjectiveConfig) -> bool:
    """Whether policies trained this way expect `SUCCESS_LABEL` before the task."""
    return _selection(config).labelled


def _selection(config: ObjectiveConfig) -> Selection:
    try:
        selection = SELECTIONS[config.selection]
    except KeyError:
        raise unknown("selection", config.selection, SELECTIONS) from None
    return replace(selection, failed_weight=config.failed_weight) if selection.failed_weight is None else selection


def _sort(
    trajectories: Iterable[Trajectory], selection: Selection, alpha: float, left_out: Counter[LeftOut]
) -> tuple[Ordered, Ordered]:
    successes: Ordered = []
    failures: Ordered = []
    seen: set[object] = set()
    for order, trajectory in enumerate(trajectories):
        passed = _passed(trajectory, selection, alpha)
        reason = _why_not(trajectory, passed)
        said = (_task(trajectory), tuple((step.thought, step.action) for step in trajectory.steps))
        if reason is None and said in seen:
            reason = LeftOut.DUPLICATE
        if reason is not None:
            left_out[reason] += 1
            continue
        seen.add(said)
        (successes if passed else failures).append((order, trajectory))
    return successes, failures


AGENT_R = frozenset({Stage.SEARCH, Stage.REVISE})


def _passed(trajectory: Trajectory, selection: Selection, alpha: float) -> bool:
    threshold = min(alpha, selection.threshold) if trajectory.stage in AGENT_R else selection.threshold
    return trajectory.success or (threshold < 1 and trajectory.reward >= threshold)


def _why_not(trajectory: Trajectory, passed: bool) -> LeftOut | None:
    if trajectory.stage in (Stage.EVALUATE, Stage.RECOVER):
        return LeftOut.EVALUATION
    if trajectory.is_broken:
        return LeftOut.BROKEN
    if passed:
        return None
    if trajectory.stage is Stage.REVISE:
        return LeftOut.BELOW_ALPHA
    # A composition's failure may be the exploration's fault; only what the policy did alone tells what it gets wrong.
    if trajectory.stage is not Stage.COLLECT:
        return LeftOut.NOT_THE_POLICYS_OWN_FAILURE
    # Round 0 prompts a base model: its failures are not the trained agent's, and the bootstrap is supervised.
    return LeftOut.BOOTSTRAP_FAILURE if trajectory.round_index == 0 else None


def _best(successes: Ordered, cap: int | None, left_out: Counter[LeftOut]) -> Ordered:
    if cap is None:
        return successes
    kept: Ordered = []
    taken: Counter[object] = Counter()
    for order, trajectory in sorted(successes, key=lambda pair: (-pair[1].reward, pair[1].num_steps, pair[0])):
        # A revision is longer than what it was made from: counted together, it would always be the one to go.
        kind = _task(trajectory), trajectory.is_revision
        if taken[kind] == cap:
            left_out[LeftOut.OVER_THE_CAP] += 1
            continue
        taken[kind] += 1
        kept.append((order, trajectory))
    return kept


def _paired(failures: Ordered, num_successes: Counter[object], minimum: int, left_out: Counter[LeftOut]) -> Ordered:
    paired = [(order, t) for order, t in failures if num_successes[_task(t)] >= minimum]
    left_out[LeftOut.UNPAIRED_FAILURE] += len(failures) - len(paired)
    return paired


def _latest(failures: Ordered, cap: int | None, left_out: Counter[LeftOut]) -> Ordered:
    """The last failures of each task: what an earlier policy did wrong, the present one may not do any more."""
    if cap is None:
        return failures
    kept: Ordered = []
    taken: Counter[object] = Counter()
    for order, trajectory in sorted(failures, key=lambda pair: -pair[0]):
        if taken[_task(trajectory)] == cap:
            left_out[LeftOut.OVER_THE_CAP] += 1
            continue
        taken[_task(trajectory)] += 1
        kept.append((order, trajectory))
    return kept


def _weigh(trajectory: Trajectory, passed: bool, selection: Selection) -> Weighted:
    if selection.labelled:
        return Weighted(trajectory, 1.0, SUCCESS_LABEL if passed else FAIL_LABEL)
    if selection.own_reward:
        return Weighted(trajectory, 1.0 if trajectory.success else trajectory.reward)
    return Weighted(trajectory, 1.0 if passed else selection.failed_weight or 0.0)


def _failed_scale(
    kept: Sequence[Weighted], failed: Sequence[Weighted], max_share: float | None, num_tokens: Callable[[Trajectory], int]
) -> float:
    """s such that s·F / (S + s·F) = max_share where the share would be larger; S and F are |weight| x tokens."""
    success_mass, failed_mass = _mass(kept, num_tokens), _mass(failed, num_tokens)
    if max_share is None or _share(failed_mass, success_mass + failed_mass) <= max_share:
        return 1.0
    return max_share * success_mass / ((1 - max_share) * failed_mass)


def _stats(
    kept: Sequence[Weighted],
    failed: Sequence[Weighted],
    scale: float,
    left_out: Counter[LeftOut],
    num_tokens: Callable[[Trajectory], int],
    chat: Sequence[Weighted] = (),
) -> Stats:
    num_successes = Counter(_task(w.trajectory) for w in kept)
    failed_tasks = {_task(w.trajectory) for w in failed}
    per_task = Counter(num_successes[task] for task in failed_tasks)
    mean = _share(sum(k * count for k, count in per_task.items()), len(failed_tasks))
    failed_mass = _mass(failed, num_tokens)
    return Stats(
        total=_amount([*kept, *failed, *chat], num_tokens),
        failed=_amount(failed, num_tokens),
        num_tasks=len({*num_successes, *failed_tasks}),
        num_failed_tasks=len(failed_tasks),
        successes_per_failed_task=dict(sorted(per_task.items())),
        mean_successes_per_failed_task=mean,
        failed_weight_share=_share(failed_mass, failed_mass + _mass(kept, num_tokens) + _mass(chat, num_tokens)),
        failed_weight_scale=scale,
        left_out={reason.value: left_out[reason] for reason in LeftOut if left_out[reason]},
        chat=_amount(chat, num_tokens),
    )


def _task(trajectory: Trajectory) -> object:
    return trajectory.task.split, trajectory.task.task_id


def _mass(weighted: Iterable[Weighted], num_tokens: Callable[[Trajectory], int]) -> float:
    return sum(abs(w.weight) * num_tokens(w.trajectory) for w in weighted)


def _amount(weighted: Sequence[Weighted], num_tokens: Callable[[Trajectory], int]) -> Amount:
    trajectories = [w.trajectory for w in weighted]
    return Amount(len(trajectories), sum(t.num_steps for t in trajectories), sum(map(num_tokens, trajectories)))


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
