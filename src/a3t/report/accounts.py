"""Tables of what stands behind the scores: paired comparisons, effort, training data (Table 16), exploration and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from a3t.evaluate import compare
from a3t.report import paper
from a3t.report.table import Cell, Row, Table, count_cell, filled, number, p_text, seconds_cell, signed
from a3t.report.view import BASE, RoundView, RunView, is_real, round_name


def paired(run: RunView, split: str) -> Table:
    """Every round against round 0 and against the one before; the base, where it was tried, against the first and the last."""
    scored = run.single(split, with_base=False)
    pairs = [(scored[0], later) for later in scored[1:]] + list(pairwise(scored[1:]))
    if split in run.base:
        ends = [scored[0], *scored[1:][-1:]]
        pairs = [((BASE, run.base[split]), end) for end in ends] + pairs
    real = any(is_real(scores.total) for _index, scores in scored)
    rows = []
    for (i, before), (j, after) in pairs:
        test = compare(before, after)
        change = None if test.change is None else 100 * test.change
        cells = [
            Cell(str(test.n), float(test.n)),
            Cell(f"+{test.gained}", float(test.gained)),
            Cell(f"−{test.lost}", float(test.lost)),
            Cell("–" if change is None else signed(change, 1), test.change),
            Cell(p_text(test.p_value), test.p_value),
        ]
        if real:
            moved = None if test.reward_change is None else 100 * test.reward_change
            told = "–" if moved is None else signed(moved, 1)
            cells += [Cell(told, test.reward_change), Cell(p_text(test.reward_p_value), test.reward_p_value)]
        rows.append(Row(f"{round_name(i)} → {j}", tuple(cells)))
    note = "Gained: failed before, solved after. p: McNemar's exact test, two-sided."
    if real:
        note += " Reward: mean change × 100, and the sign test on it."
    return Table(
        f"paired-{split}",
        f"The same tasks, round against round, {split}",
        ("Tasks", "Gained", "Lost", "Points", "p", *(("Reward", "p of it") if real else ())),
        tuple(rows),
        notes=(note,),
    )


def effort(run: RunView, split: str) -> Table:
    """What a trial took on average: actions, refusals, model tokens."""
    rows = []
    for index, scores in run.single(split):
        e = scores.effort
        figures = (
            (e.turns, 1, 1),
            (e.turns_of_successes, 1, 1),
            (e.invalid_rate, 1, 100),
            (e.prompt_tokens, 0, 1),
            (e.completion_tokens, 0, 1),
        )
        rows.append(Row(round_name(index), tuple(Cell(number(value, digits, scale), value) for value, digits, scale in figures)))
    columns = ("Actions", "Solved in", "Invalid %", "Read", "Written")
    notes = ("Means per trial. Invalid: refused or malformed actions. Read, written: model tokens.",)
    return Table(f"effort-{split}", f"What a trial took, {split}", columns, tuple(rows), notes=notes)


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
        rows += [
            Row(f"Round {i}", filled([count_cell(total), count_cell(failed), Cell(share, failed / total)], columns), paper.SOURCE)
            for i, (total, failed, share) in enumerate(paper.DATASET)
        ]
    notes = (
        "#Total and #Failed count steps (the paper: sentences). K: kept successes per failed task. "
        "Weight: the failures' share of |weight| × tokens, as trained.",
        *mixed_in(run.rounds),
    )
    return Table("dataset", "What each round was trained on", columns, tuple(rows), notes=notes, like="Table 16")


def mixed_in(rounds: Sequence[RoundView]) -> tuple[str, ...]:
    """What `[mixture]` did, in words; nothing where it did nothing."""
    chats = {one.index: _inner(one.dataset, "chat").get("trajectories") for one in rounds}
    plain = {one.index: _inner(one.dataset, "left_out").get("over_the_plain_share") for one in rounds}
    told = (
        ("Of these, conversations of the user's own: {}.", chats),
        ("Left out by mixture.plain_share, and not counted: {}.", plain),
    )
    return tuple(
        text.format(", ".join(f"{count} in round {index}" for index, count in counts.items() if count))
        for text, counts in told
        if any(counts.values())
    )


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
    """Episodes, model tokens, wall-clock seconds and, where anything was paid for, dollars, by round and stage."""
    keys = ["episodes", "prompt_tokens", "completion_tokens", "seconds"]
    columns = ["Episodes", "Tokens read", "Tokens written", "Time"]
    if any(cost.get("usd") for one in run.rounds for cost in one.cost.values()):
        keys, columns = [*keys, "usd"], [*columns, "Dollars"]
    rows = []
    totals = [0.0] * len(keys)
    for one in run.rounds:
        for stage, cost in one.cost.items():
            # A stage without episodes (training) has no count of them, not a count of zero.
            figures = [cost.get(key) or None for key in keys]
            if not any(figures):
                continue
            totals = [total + (figure or 0) for total, figure in zip(totals, figures, strict=True)]
            rows.append(Row(f"{one.index} · {stage}", _cost_cells(figures)))
    rows.append(Row("All", _cost_cells(totals)))
    return Table("cost", "What it cost", tuple(columns), tuple(rows), head="Round · stage")


def _cost_cells(figures: Sequence[float | None]) -> tuple[Cell, ...]:
    money = tuple(Cell("–" if usd is None else f"{usd:,.2f}", usd) for usd in figures[4:])
    return (*map(count_cell, figures[:3]), seconds_cell(figures[3]), *money)


def servers(run: RunView) -> Table:
    """What the servers were asked, and what it cost, as they count."""
    columns = ("Calls", "Failed", "Remembered", "Tokens read", "Tokens written", "Dollars")
    keys = ("num_calls", "num_failed", "num_remembered", "prompt_tokens", "completion_tokens")
    rows = []
    for name, spent in run.rounds[-1].servers.items():
        usd = spent.get("usd")
        counted = [count_cell(spent.get(key)) for key in keys]
        rows.append(Row(name, (*counted, Cell("–" if not usd else f"{usd:.4f}", usd))))
    note = (
        "The whole run, sittings before a resume included. Calls: tries, with probes and those that failed. "
        "Remembered: answers that had been paid for before. Dollars: whole answers at the recipe's prices; – where none is known."
    )
    return Table("servers", "What the servers were asked", columns, tuple(rows), notes=(note,), head="Model")


def _inner(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = data.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _ratio(part: Any, whole: Any) -> float | None:
    return part / whole if isinstance(part, int | float) and isinstance(whole, int | float) and whole else None
