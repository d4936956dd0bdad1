"""Several runs beside each other: what each came to in its last round, runs that differ in the seed alone as one row.

Two tables: success and what it was paid for, and how mistakes are dealt with. Both hold every row against the first recipe, on
the same tasks (and the same wrong beginnings) of the same seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from a3t.errors import RecipeError
from a3t.evaluate import Scores, compare, sign_test, spread
from a3t.report.table import Cell, Row, Table, number, p_text
from a3t.report.view import RoundView

GATHERING = ("collect", "explore", "search", "revise")
"""Stages whose tokens bought what is trained on; trials cost tokens too, but teach nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """One run."""

    recipe: Mapping[str, Any]
    """Resolved, as nested tables."""
    rounds: Sequence[RoundView]
    base: Mapping[str, Scores]
    """By test split: the untuned base."""
    recovered: Scores | None = None
    """The last policy after wrong beginnings, a task being a beginning; None where none were played."""
    base_recovered: Scores | None = None
    where: str = ""
    """Its folder, for messages."""

    @property
    def seed(self) -> int:
        return int(self.recipe.get("seed", 0))


class _Arm(NamedTuple):
    """One row: runs by seed."""

    label: str
    trials: Mapping[int, Scores]
    recovered: Mapping[int, Scores]
    last: Sequence[RoundView] = ()
    """Empty for the base."""
    gathering: float | None = None
    """Model tokens, mean of a run."""
    trained: float | None = None
    """Tokens of all training rows, all epochs of all rounds, mean of a run."""


def beside(runs: Sequence[Told], confidence: float = 0.95) -> tuple[Table, ...]:
    """Success, and where any run measured it what mistakes came to. A row for each recipe, in the order in which they first come;
    above them the base, where it was tried.

    Args:
        runs: each with at least one finished round.

    Raises:
        RecipeError: two of them have the same recipe and seed; one row has place for one of them.
    """
    groups: dict[tuple[tuple[str, str], ...], dict[int, Told]] = {}
    for one in runs:
        other = groups.setdefault(_decided(one.recipe), {}).setdefault(one.seed, one)
        if other is not one:
            both = f"{one.where or 'a run'} and {other.where or 'another'}"
            raise RecipeError(
                f"{both} have one recipe and one seed ({one.seed}): a row holds one run of each seed.\n"
                "  Leave one of them out, or give runs that differ in more than their name."
            )
    arms = [_arm(label, group) for label, group in zip(_labels(groups), groups.values(), strict=True)]
    rows = [_base(runs), *arms] if any(one.base for one in runs) else arms
    tables = [_success(rows, arms[0], confidence, _unfinished(runs))]
    if any(arm.recovered or any(one.behaviour or one.revise for one in arm.last) for arm in arms):
        tables.append(_mistakes(rows, arms[0], confidence))
    return tuple(tables)


def _arm(label: str, group: Mapping[int, Told]) -> _Arm:
    ordered = [group[seed] for seed in sorted(group)]
    gathering = [sum(_tokens(each) for each in one.rounds) for one in ordered]
    trained = [sum(epoch.get("row_tokens") or 0 for each in one.rounds for epoch in each.epochs) for one in ordered]
    return _Arm(
        label,
        {one.seed: list(one.rounds[-1].scores.values())[-1] for one in ordered if one.rounds[-1].scores},
        {one.seed: one.recovered for one in ordered if one.recovered is not None},
        [one.rounds[-1] for one in ordered],
        sum(gathering) / len(gathering),
        sum(trained) / len(trained),
    )


def _base(runs: Sequence[Told]) -> _Arm:
    """The same base wherever the seed is the same: counted once for each seed."""
    by_seed = {one.seed: one for one in reversed(runs) if one.base}
    chosen = [by_seed[seed] for seed in sorted(by_seed)]
    return _Arm(
        "base",
        {one.seed: list(one.base.values())[-1] for one in chosen},
        {one.seed: one.base_recovered for one in chosen if one.base_recovered is not None},
    )


def _tokens(one: RoundView) -> int:
    spent = (cost for stage, cost in one.cost.items() if stage in GATHERING)
    return sum((cost.get(name) or 0) for cost in spent for name in ("prompt_tokens", "completion_tokens"))


def _unfinished(runs: Sequence[Told]) -> tuple[str, ...]:
    """A note where a run has more rounds to come: its last one is not what it will have come to."""
    behind = [one for one in runs if len(one.rounds) < int(one.recipe.get("num_rounds", 0))]
    told = [f"{one.recipe['name']} seed {one.seed}: {len(one.rounds)} of {one.recipe['num_rounds']} rounds" for one in behind]
    return (f"Unfinished: {'; '.join(told)}.",) if behind else ()


def _success(rows: Sequence[_Arm], first: _Arm, confidence: float, more_notes: Sequence[str]) -> Table:
    columns = (
        "Seeds",
        "Tasks",
        "Success by seed",
        "Mean",
        "±",
        "Gained / lost",
        "p",
        "Reward",
        "±",
        "Gathered",
        "× first",
        "Trained",
    )
    made = []
    for arm in rows:
        dear = None if arm.gathering is None or not first.gathering else arm.gathering / first.gathering
        cells = [
            Cell(str(len(arm.trials)), float(len(arm.trials))),
            *_shares(arm.trials, first.trials if arm is not first else None, confidence),
            *_mean([one.total.reward for one in arm.trials.values()], confidence),
            Cell(number(arm.gathering, 0, 1e-3), arm.gathering),
            Cell(number(dear, 2, 1), dear),
            Cell(number(arm.trained, 0, 1e-3), arm.trained),
        ]
        made.append(Row(arm.label, tuple(cells)))
    notes = (
        f"The last round of each run, the last test split. ±: half of Student's {confidence:.0%} interval over seeds, in points.",
        f"Gained / lost, p: tasks against {first.label!r}, the same seeds and tasks, all seeds together; sign test.",
        "Gathered: model tokens, read and written, of collecting, exploring, searching and revising, thousands, a run.",
        "Trained: tokens of training rows, every epoch, thousands, a run.",
        *more_notes,
    )
    return Table("beside", "Runs beside each other", columns, tuple(made), head="Recipe", notes=notes)


def _mistakes(rows: Sequence[_Arm], first: _Arm, confidence: float) -> Table:
    columns = (
        "Beginnings",
        "Recovered by seed",
        "Mean",
        "±",
        "Gained / lost",
        "p",
        "Actions",
        "Repeated",
        "Loops",
        "Mistake",
        "Ending",
    )
    made = []
    for arm in rows:
        cells = _shares(arm.recovered, first.recovered if arm is not first else None, confidence)
        told = [one.recovery for one in arm.last], [one.behaviour for one in arm.last], [one.revise for one in arm.last]
        for where, name in zip((0, 1, 1, 2, 2), ("length", "repeated", "loops", "mistake_length", "ending_length"), strict=True):
            mean = spread([one.get(name) for one in told[where]]).mean
            cells.append(Cell(number(mean, 2, 1), mean))
        made.append(Row(arm.label, tuple(cells)))
    notes = (
        "Recovered: solved after wrong beginnings, in %; actions: from there to the goal, where it was reached. As above else.",
        "Repeated, loops: a held-out trial. Mistake, ending: actions of a revision before and after its thought, last round.",
    )
    return Table("beside-mistakes", "Mistakes, runs beside each other", columns, tuple(made), head="Recipe", notes=notes)


def _shares(its: Mapping[int, Scores], first: Mapping[int, Scores] | None, confidence: float) -> list[Cell]:
    """How many, success by seed, mean and half an interval, and what changed against the first; None where it is the first."""
    num = sum(scores.total.n for scores in its.values())
    rates = [its[seed].total.rate for seed in sorted(its)]
    cells = [Cell(str(num) if its else "–", float(num)), Cell(" ".join(number(rate, 1) for rate in rates) or "–")]
    cells += _mean(rates, confidence)
    between = [compare(first[seed], its[seed]) for seed in its if seed in first] if first else []
    if not sum(one.n for one in between):
        return [*cells, Cell("–"), Cell("–")]
    gained, lost = sum(one.gained for one in between), sum(one.lost for one in between)
    p = sign_test(gained, lost)
    return [*cells, Cell(f"+{gained} −{lost}", float(gained - lost)), Cell(p_text(p), p)]


def _mean(values: Sequence[float | None], confidence: float) -> list[Cell]:
    it = spread(values, confidence)
    half = None if it.mean is None or it.high is None else it.high - it.mean
    return [Cell(number(it.mean, 1), it.mean, it.low, it.high), Cell(number(half, 1), half)]


def _decided(recipe: Mapping[str, Any], prefix: str = "") -> tuple[tuple[str, str], ...]:
    """Everything that decides a run but its seed and its name, as sorted (key.sub, value)."""
    flat: list[tuple[str, str]] = []
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            flat += _decided(value, f"{prefix}{key}.")
        elif f"{prefix}{key}" not in ("seed", "name"):
            flat.append((f"{prefix}{key}", str(value)))
    return tuple(sorted(flat))


def _labels(groups: Mapping[tuple[tuple[str, str], ...], Mapping[int, Told]]) -> list[str]:
    """Names, where each recipe has one of its own; else what is different from the first recipe."""
    names = [{str(one.recipe.get("name", "")) for one in group.values()} for group in groups.values()]
    if all(len(its) == 1 for its in names) and len(set.union(*names)) == len(names):
        return [its.pop() for its in names]
    known = set(next(iter(groups), ()))
    return [
        ", ".join(f"{key}={value}" for key, value in decided if (key, value) not in known) or "as it is" for decided in groups
    ]
