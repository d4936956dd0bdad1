"""The paper's tables of success, made from a run: 1, 2, 3, 14 and 15; real rewards bring the columns of 4 and 6."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from a3t.evaluate import Score, Scores
from a3t.report import accounts, paper
from a3t.report.agent_r import agent_r_tables
from a3t.report.foretold import estimate_beside_actual
from a3t.report.shop import shop_tables
from a3t.report.table import Cell, Row, Table, count_cell, filled, mark_best, number
from a3t.report.view import RunView, is_real, round_name
from a3t.text.joint import is_part, part_named

HOUSEHOLD_COLUMNS: Mapping[str, str] = {
    "pick_and_place_simple": "Pick",
    "pick_clean_then_place_in_recep": "Clean",
    "pick_heat_then_place_in_recep": "Heat",
    "pick_cool_then_place_in_recep": "Cool",
    "look_at_obj_in_light": "Examine",
    "pick_two_obj_and_place": "PickTwo",
}
"""Task type -> column of the paper. A world with any other type keeps its own names."""


REWARDS = ("Reward", "R≥0.75", "R≥0.5")
"""Columns of Tables 4 and 6, × 100, where rewards are real numbers."""


def tables(run: RunView) -> list[Table]:
    """Every table that this run has the records for, in the order of the report."""
    found: list[Table] = shop_tables(run) if run.is_shop else []
    for split in run.test_splits:
        found.append(single_trial(run, split))
    for split in run.test_splits:
        found.append(accumulated_trials(run, split))
    found += [training_set(run, split) for split in run.train_splits]
    if any(one.validation for one in run.rounds):
        found.append(validation(run))
    found += [accounts.paired(run, split) for split in run.test_splits if len(run.single(split)) > 1]
    found += [accounts.effort(run, split) for split in run.test_splits]
    if any(one.dataset for one in run.rounds):
        found.append(accounts.dataset(run))
    if any(one.explore for one in run.rounds):
        found.append(accounts.exploring(run))
    found += agent_r_tables(run)
    if any(one.cost for one in run.rounds):
        found.append(accounts.costs(run))
        if run.rounds[-1].servers:
            found.append(accounts.servers(run))
        if run.estimate is not None:
            found.append(estimate_beside_actual(run.estimate, run.rounds))
    return found


def single_trial(run: RunView, split: str) -> Table:
    """Tables 1 and 14: success by task type, one trial a task."""
    scored = [(round_name(index), scores) for index, scores in run.single(split)]
    like = {"valid_unseen": "Table 1", "valid_seen": "Table 14"}.get(split, "Table 1")
    figures = paper.SINGLE.get(split, ()) if run.with_paper else ()
    return by_type(scored, f"single-{split}", f"Single trial, {split}", like, figures)


def accumulated_trials(run: RunView, split: str) -> Table:
    """Table 2: the best of each task over the agents of all rounds so far."""
    scored = [(f"Rounds 0–{index}" if index else "Round 0", scores) for index, scores in run.accumulated(split)]
    figures = paper.ACCUMULATED.get(split, ()) if run.with_paper else ()
    # Broken episodes add up over rounds, so the last row tells them all.
    scored = [(label, scores if scores is scored[-1][1] else replace(scores, broken={})) for label, scores in scored]
    return by_type(scored, f"accumulated-{split}", f"Accumulated over rounds, {split}", "Table 2", figures)


def training_set(run: RunView, split: str) -> Table:
    """Table 3: training tasks that the accumulated set has a success for, own or composed."""
    scored = [(round_name(index), replace(scores, broken={})) for index, scores in run.accumulated(split)]
    figures = paper.TRAINING if run.with_paper else ()
    table = by_type(scored, f"training-{split}", f"Training tasks solved so far, {split}", "Table 3", figures)
    return replace(table, notes=(*table.notes, "Own and composed trajectories of all rounds so far."))


def by_type(
    scored: Sequence[tuple[str, Scores]], name: str, title: str, like: str = "", figures: Iterable[Sequence[int]] = ()
) -> Table:
    """Success in percent by task type and in total, with n, and the total's interval.

    Args:
        scored: label of a row and its scores.
        figures: the paper's rows in the order of `paper.COLUMNS`, shown where the columns are the same.
    """
    types = columns_of({kind for _label, scores in scored for kind in scores.by_type})
    names = [column_of(kind) for kind in types]
    real = any(is_real(scores.total) for _label, scores in scored)
    columns = (*names, "Total", *(REWARDS if real else ()), _interval_name(scored))
    rows = []
    for label, scores in scored:
        total = replace(_percent(scores.total), text=number(scores.total.rate, 1))
        rewards = [Cell(number(value, 1), value) for value in _rewards(scores.total)] if real else []
        rows.append(
            Row(label, (*(_percent(scores.by_type.get(kind)) for kind in types), total, *rewards, _interval(scores.total)))
        )
    rows = mark_best(rows, len(columns) - 1)
    if scored:
        last = scored[-1][1]
        groups = [*(last.by_type.get(kind) for kind in types), last.total]
        rows.append(Row("Tasks", filled([count_cell(group.n if group else 0) for group in groups], columns)))
    if tuple(names) == paper.COLUMNS[:-1]:
        rows += [
            Row(f"Round {i}", filled([Cell(str(value), value / 100) for value in figure], columns), paper.SOURCE)
            for i, figure in enumerate(figures)
        ]
    return Table(name, title, columns, tuple(rows), notes=_broken_notes(scored), like=like)


def scores_table(scores: Scores, title: str = "") -> Table:
    """One evaluation by task type, everything in it: what `a3t evaluate` prints."""
    groups = [
        *((column_of(kind), scores.by_type[kind]) for kind in in_order(scores.by_type)),
        ("Total", scores.total),
    ]
    percent, real = f"{scores.confidence:.0%} interval", is_real(scores.total)
    rows = tuple(
        Row(
            label,
            (
                Cell(str(one.n), float(one.n)),
                Cell(str(one.successes), float(one.successes)),
                replace(_percent(one), text=number(one.rate, 1)),
                _interval(one),
                *(Cell(number(value, 1), value) for value in _rewards(one) if real),
            ),
        )
        for label, one in groups
    )
    columns = ("Tasks", "Solved", "%", percent, *(REWARDS if real else ()))
    effort = scores.effort
    notes = [
        f"A trial: {number(effort.turns, 1, 1)} actions ({number(effort.turns_of_successes, 1, 1)} where solved), "
        f"{number(effort.invalid_rate, 1)} % of them invalid; {number(effort.completion_tokens, 0, 1)} tokens written."
    ]
    return Table(
        "detail", title or f"{scores.split}, one trial a task", columns, rows, notes=(*notes, *_broken_notes([("", scores)]))
    )


def validation(run: RunView) -> Table:
    """Table 15: successes of all, by type."""
    scored = [(one.index, one.validation) for one in run.rounds if one.validation]
    types = columns_of({kind for _index, scores in scored for kind in scores.by_type})
    rows = []
    for index, scores in scored:
        groups = [*(scores.by_type.get(kind) for kind in types), scores.total]
        rows.append(
            Row(
                f"Round {index}",
                tuple(Cell(f"{g.successes}/{g.n}", g.rate, g.low, g.high, g.n) if g else Cell("–") for g in groups),
            )
        )
    rows = mark_best(rows, len(types) + 1)
    names = tuple(column_of(kind) for kind in types)
    if names == paper.COLUMNS[:-1] and run.with_paper:
        sizes = paper.VALIDATION_TASKS
        for i, figure in enumerate(paper.VALIDATION):
            cells = tuple(Cell(f"{s}/{n}", s / n, n=n) for s, n in zip(figure, sizes, strict=True))
            rows.append(Row(f"Round {i}", cells, paper.SOURCE))
    return Table("validation", "Validation tasks: solved / all", (*names, "Total"), tuple(rows), like="Table 15")


# --- cells -----------------------------------------------------------------------------


def column_of(task_type: str) -> str:
    return part_named(task_type, lambda kind: HOUSEHOLD_COLUMNS.get(kind, kind))


def columns_of(task_types: Collection[str]) -> list[str]:
    """Types side by side: of a joint run its worlds alone, whose types have no room beside each other."""
    return in_order(kind for kind in task_types if not is_part(kind, task_types))


def in_order(task_types: Iterable[str]) -> list[str]:
    """The paper's order first, then by name."""
    return sorted(task_types, key=_column_order)


def _column_order(task_type: str) -> tuple[int, str]:
    name = column_of(task_type)
    return (paper.COLUMNS.index(name) if name in paper.COLUMNS else len(paper.COLUMNS), name)


def _percent(score: Score | None) -> Cell:
    return Cell("–") if score is None else Cell(number(score.rate, 0), score.rate, score.low, score.high, score.n)


def _interval(score: Score) -> Cell:
    if score.low is None or score.high is None:
        return Cell("–")
    return Cell(f"{100 * score.low:.0f}–{100 * score.high:.0f}", None, score.low, score.high, score.n)


def _interval_name(scored: Sequence[tuple[str, Scores]]) -> str:
    return f"{scored[-1][1].confidence:.0%} int." if scored else "95% int."


def _rewards(score: Score) -> tuple[float | None, ...]:
    return score.reward, score.at_least.get("0.75"), score.at_least.get("0.5")


def _broken_notes(scored: Sequence[tuple[str, Scores]]) -> tuple[str, ...]:
    counts = [(label, sum(scores.broken.values())) for label, scores in scored]
    told = ", ".join(f"{n} in {label}" if label else str(n) for label, n in counts if n)
    return (f"Broken episodes left out: {told}.",) if told else ()
