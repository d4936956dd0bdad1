"""The paper's tables, made from a run: Tables 1, 2, 3, 14, 15 and 16, and ours for comparisons, exploration and cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from a3t.evaluate import Score, Scores, compare
from a3t.report import paper
from a3t.report.table import Cell, Row, Table, count_cell, mark_best, number, p_text, seconds_cell, signed
from a3t.report.view import BASE, RunView, round_name

HOUSEHOLD_COLUMNS: Mapping[str, str] = {
    "pick_and_place_simple": "Pick",
    "pick_clean_then_place_in_recep": "Clean",
    "pick_heat_then_place_in_recep": "Heat",
    "pick_cool_then_place_in_recep": "Cool",
    "look_at_obj_in_light": "Examine",
    "pick_two_obj_and_place": "PickTwo",
    "pick": "Pick",
    "clean": "Clean",
    "heat": "Heat",
    "cool": "Cool",
    "look": "Examine",
    "examine": "Examine",
    "two": "PickTwo",
    "pick_two": "PickTwo",
}
"""Task type -> column of the paper. A world with any other type keeps its own names."""


def tables(run: RunView) -> list[Table]:
    """Every table that this run has the records for, in the order of the report."""
    found: list[Table] = []
    for split in run.test_splits:
        found.append(single_trial(run, split))
    for split in run.test_splits:
        found.append(accumulated_trials(run, split))
    found += [training_set(run, split) for split in run.train_splits]
    if any(one.validation for one in run.rounds):
        found.append(validation(run))
    found += [paired(run, split) for split in run.test_splits if len(run.single(split)) > 1]
    if any(one.dataset for one in run.rounds):
        found.append(dataset(run))
    if any(one.explore for one in run.rounds):
        found.append(exploring(run))
    if any(one.cost for one in run.rounds):
        found.append(costs(run))
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
    types = in_order({kind for _label, scores in scored for kind in scores.by_type})
    names = [column_of(kind) for kind in types]
    real = any(_is_real(scores.total) for _label, scores in scored)
    columns = (*names, "Total", *(("Reward",) if real else ()), _interval_name(scored))
    rows = []
    for label, scores in scored:
        cells = [_percent(scores.by_type.get(kind)) for kind in types]
        total = replace(_percent(scores.total), text=number(scores.total.rate, 1))
        reward = [Cell(number(scores.total.reward, 1), scores.total.reward)] if real else []
        rows.append(Row(label, (*cells, total, *reward, _interval(scores.total))))
    rows = mark_best(rows, len(columns) - 1)
    if scored:
        sizes = [
            *(scored[-1][1].by_type[kind].n if kind in scored[-1][1].by_type else 0 for kind in types),
            scored[-1][1].total.n,
        ]
        counts = [Cell(str(n), float(n), n=n) for n in sizes]
        rows.append(Row("Tasks", (*counts, *(Cell("") for _ in columns[len(counts) :]))))
    if tuple(names) == paper.COLUMNS[:-1]:
        empty = tuple(Cell("") for _ in columns[len(paper.COLUMNS) :])
        rows += [
            Row(f"Round {i}", (*(Cell(str(value), value / 100) for value in figure), *empty), paper.SOURCE)
            for i, figure in enumerate(figures)
        ]
    return Table(name, title, columns, tuple(rows), notes=_broken_notes(scored), like=like)


def scores_table(scores: Scores, title: str = "") -> Table:
    """One evaluation by task type, everything in it: what `a3t evaluate` prints."""
    groups = [
        *((column_of(kind), scores.by_type[kind]) for kind in in_order(scores.by_type)),
        ("Total", scores.total),
    ]
    percent, real = f"{scores.confidence:.0%} interval", _is_real(scores.total)
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
    columns = ("Tasks", "Solved", "%", percent, *(("Reward", "R≥0.75", "R≥0.5") if real else ()))
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
    types = in_order({kind for _index, scores in scored for kind in scores.by_type})
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


def paired(run: RunView, split: str) -> Table:
    """Every round against round 0 and against the one before; the base, where it was tried, against the first and the last."""
    scored = run.single(split, with_base=False)
    pairs = [(scored[0], later) for later in scored[1:]] + list(pairwise(scored[1:]))
    if split in run.base:
        pairs = [
            ((BASE, run.base[split]), end) for end in dict(enumerate([scored[0], scored[-1]][: len(scored)])).values()
        ] + pairs
    rows = []
    for (i, before), (j, after) in pairs:
        test = compare(before, after)
        change = None if test.change is None else 100 * test.change
        cells = (
            Cell(str(test.n), float(test.n)),
            Cell(f"+{test.gained}", float(test.gained)),
            Cell(f"−{test.lost}", float(test.lost)),
            Cell("–" if change is None else signed(change, 1), test.change),
            Cell(p_text(test.p_value), test.p_value),
        )
        rows.append(Row(f"{round_name(i)} → {j}", cells))
    note = "Gained: failed before, solved after. p: McNemar's exact test, two-sided."
    return Table(
        f"paired-{split}",
        f"The same tasks, round against round, {split}",
        ("Tasks", "Gained", "Lost", "Points", "p"),
        tuple(rows),
        notes=(note,),
    )


def dataset(run: RunView) -> Table:
    """Table 16, and K of Remark 3."""
    columns = ("#Total", "#Failed", "Failed %", "Trajectories", "K", "Weight %")
    rows = []
    for one in run.rounds:
        if not one.dataset:
            continue
        total, failed = (_inner(one.dataset, name) for name in ("total", "failed"))
        share = _ratio(failed.get("steps"), total.get("steps"))
        k = one.dataset.get("mean_successes_per_failed_task") if failed.get("trajectories") else None
        weight = one.dataset.get("failed_weight_share")
        cells = (
            count_cell(total.get("steps")),
            count_cell(failed.get("steps")),
            Cell(number(share, 1), share),
            count_cell(total.get("trajectories")),
            Cell(number(k, 1, 1), k),
            Cell(number(weight, 1), weight),
        )
        rows.append(Row(f"Round {one.index}", cells))
    if run.with_paper:
        empty = (Cell(""),) * 3
        rows += [
            Row(f"Round {i}", (count_cell(total), count_cell(failed), Cell(share, failed / total), *empty), paper.SOURCE)
            for i, (total, failed, share) in enumerate(paper.DATASET)
        ]
    notes = (
        "#Total and #Failed count steps (the paper: sentences). K: kept successes per failed task. "
        "Weight: the failures' share of |weight| × tokens, as trained.",
    )
    return Table("dataset", "What each round was trained on", columns, tuple(rows), notes=notes, like="Table 16")


def exploring(run: RunView) -> Table:
    """What composing on failed tasks brought, by round."""
    columns = ("Failed tasks", "Recovered", "Composed", "Succeeded", "Duplicates", "Tokens", "Gate")
    rows = []
    for one in run.rounds:
        if not one.explore:
            continue
        e = one.explore
        gain = _inner(e, "gate").get("mean")
        cells = (
            count_cell(e.get("tasks")),
            count_cell(e.get("solved_tasks")),
            count_cell(e.get("compositions")),
            count_cell(e.get("successes")),
            count_cell(e.get("duplicates")),
            count_cell(e.get("completion_tokens")),
            Cell("–" if gain is None else signed(gain, 2), gain),
        )
        rows.append(Row(f"Round {one.index}", cells))
    note = "Gate: mean nats by which ActRe's reason makes the explored action likelier. Tokens: written by policy and ActRe."
    return Table("explore", "Exploration of failed tasks", columns, tuple(rows), notes=(note,))


def costs(run: RunView) -> Table:
    """Episodes, model tokens and wall-clock seconds, by round and stage."""
    rows = []
    totals = [0.0, 0.0, 0.0, 0.0]
    for one in run.rounds:
        for stage, cost in one.cost.items():
            # A stage without episodes (training) has no count of them, not a count of zero.
            figures = [cost.get(key) or None for key in ("episodes", "prompt_tokens", "completion_tokens", "seconds")]
            if not any(figures):
                continue
            totals = [total + (figure or 0) for total, figure in zip(totals, figures, strict=True)]
            rows.append(Row(f"{one.index} · {stage}", (*map(count_cell, figures[:3]), seconds_cell(figures[3]))))
    rows.append(Row("All", (*map(count_cell, totals[:3]), seconds_cell(totals[3]))))
    return Table("cost", "What it cost", ("Episodes", "Tokens read", "Tokens written", "Time"), tuple(rows), head="Round · stage")


# --- cells -----------------------------------------------------------------------------


def column_of(task_type: str) -> str:
    return HOUSEHOLD_COLUMNS.get(task_type, task_type)


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


def _is_real(score: Score) -> bool:
    return score.reward is not None and score.rate is not None and abs(score.reward - score.rate) > 1e-9


def _broken_notes(scored: Sequence[tuple[str, Scores]]) -> tuple[str, ...]:
    counts = [(label, sum(scores.broken.values())) for label, scores in scored]
    told = ", ".join(f"{n} in {label}" if label else str(n) for label, n in counts if n)
    return (f"Broken episodes left out: {told}.",) if told else ()


def _inner(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = data.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _ratio(part: Any, whole: Any) -> float | None:
    return part / whole if isinstance(part, int | float) and isinstance(whole, int | float) and whole else None
