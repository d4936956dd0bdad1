"""Agent-R's tables: results in its paper's shape, recovery and behaviour on held-out tasks, and what became of the mistakes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from a3t.report import paper_agent_r as paper
from a3t.report.table import Cell, Row, Table, count_cell, number, signed
from a3t.report.view import RoundView, RunView
from a3t.text.joint import versions_of


def agent_r_tables(run: RunView) -> list[Table]:
    """Every table of Agent-R that this run has the records for; none where it made no revisions and measured no recovery."""
    found = []
    if any(one.revise for one in run.rounds):
        found += [results(run), revisions(run)]
    if any(one.recovery or one.behaviour for one in run.rounds):
        found.append(recovery(run))
    return found


def results(run: RunView) -> Table:
    """The main table: one number a world, our iterations in the column of the world they were played in.

    Of a joint run each world stands in its own, and the average is of the worlds, as in the paper's.
    """
    played = run.provenance.get("environment", "")
    versions = versions_of(played) or {"": played}
    # `household/2.1.2 …` is a name and a version.
    theirs_too = Counter(paper.column_of(version) for version in versions.values())
    named = {
        # Two worlds of one kind have names of their own alone.
        world: (paper.column_of(version) if theirs_too[paper.column_of(version)] == 1 else None)
        or world
        or re.split(r"[^A-Za-z]", version)[0]
        or "Ours"
        for world, version in versions.items()
    }
    own_columns = tuple(dict.fromkeys(name for name in named.values() if name not in paper.WORLDS))
    columns = (*paper.WORLDS, *own_columns, "Average", "Recovery")
    rows = []
    for iteration, one in enumerate(_iterations(run), start=1):
        cells = [Cell("–")] * len(columns)
        values = {name: _score(one, run.test_splits, world, name) for world, name in named.items()}
        for name, value in values.items():
            cells[columns.index(name)] = Cell(number(value, 2), value)
        known = [value for value in values.values() if value is not None]
        if len(known) > 1 and len(known) == len(values):
            cells[-2] = Cell(number(sum(known) / len(known), 2), sum(known) / len(known))
        cells[-1] = Cell(number(one.recovery.get("rate"), 2), one.recovery.get("rate"))
        rows.append(Row(f"Iteration {iteration}", tuple(cells)))
    for name, figures in paper.RESULTS.items():
        theirs = [
            _theirs(figure) for figure in (*figures[:3], *([None] * len(own_columns)), figures[3], paper.RECOVERY.get(name))
        ]
        rows.append(Row(name, tuple(theirs), paper.SOURCE))
    notes = (
        "Mean final reward × 100; in TextCraft, success in percent. Recovery: right ends after wrong beginnings, in percent.",
        "The paper's: Llama-3.1-8B-Instruct, 200 / 200 / 100 test tasks; model, tasks and wrong beginnings here are our own.",
    )
    return Table("agent-r", "Agent-R, iteration by iteration", columns, tuple(rows), notes=notes, like="main table")


def recovery(run: RunView) -> Table:
    """Held-out tasks: what follows a wrong beginning, and what trials look like, success apart."""
    is_textcraft = paper.column_of(run.provenance.get("environment", "")) == "TextCraft"
    columns = (
        "Wrong beginnings",
        "Recovered",
        "%",
        "interval",
        "Actions after",
        "Repeated after",
        "Repeated",
        "Loops",
        "With loops %",
    )
    rows = []
    measured: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [("Base", one.base_recovery, {}) for one in run.rounds[:1]]
    measured += [(f"Round {one.index}", one.recovery, one.behaviour) for one in run.rounds]
    for label, r, b in measured:
        if not (r or b):
            continue
        low, high = r.get("low"), r.get("high")
        interval = "–" if low is None or high is None else f"{100 * low:.0f}–{100 * high:.0f}"
        cells = (
            count_cell(r.get("num")),
            count_cell(r.get("recovered")),
            Cell(number(r.get("rate"), 1), r.get("rate"), low, high, r.get("num")),
            Cell(interval, None, low, high),
            *(
                Cell(number(value, 2, 1), value)
                for value in (r.get("length"), r.get("repeated"), b.get("repeated"), b.get("loops"))
            ),
            Cell(number(b.get("with_loops"), 1), b.get("with_loops")),
        )
        rows.append(Row(label, cells))
    if is_textcraft:
        for iteration, length in enumerate(paper.LENGTH, start=1):
            cells = tuple(Cell(f"{length}", length) if name == "Actions after" else Cell("") for name in columns)
            rows.append(Row(f"Iteration {iteration}", cells, paper.SOURCE))
    notes = (
        "Wrong beginnings: first halves of failed draws of the base, the same every round. Actions after: until solved.",
        "Repeated: actions taken before and answered as then, a trial. Loops: blocks of 1 to 4 turns that follow themselves.",
    )
    return Table("recovery", "After wrong beginnings, and in ordinary trials", columns, tuple(rows), notes=notes)


def revisions(run: RunView) -> Table:
    """What became of the mistakes, by round."""
    outcomes = ("confirmed", "repaired", "rejected", "no transition", "duplicate", "unjudged")
    columns = ("α", "Tasks", "Tries", "Good", "Pairs", *map(str.capitalize, outcomes), "Agree %", "Gate", "Mistake", "Ending")
    rows = []
    for one in run.rounds:
        r = one.revise
        if not r:
            continue
        told = _inner(r, "outcomes")
        agreed = _inner(r, "agreement")
        share = agreed["same"] / agreed["num"] if agreed.get("num") else None
        gain = r.get("gain")
        cells = (
            Cell(number(r.get("alpha"), 1, 1), r.get("alpha")),
            *(count_cell(r.get(name)) for name in ("tasks", "tries", "good", "pairs")),
            *(count_cell(told.get(outcome)) for outcome in outcomes),
            Cell(number(share, 0), share, n=agreed.get("num")),
            Cell("–" if gain is None else signed(gain, 2), gain),
            *(Cell(number(r.get(name), 1, 1), r.get(name)) for name in ("mistake_length", "ending_length")),
        )
        rows.append(Row(f"Round {one.index}", cells))
    notes = (
        "Confirmed: the environment answered the splice as recorded; repaired: otherwise, with a good end; both are kept.",
        "Agree: the actor and the values of the tries name the same first mistake. Gate: nats a thought adds to the next action.",
        "Mistake, ending: actions of a revision before its thought (from where the pair parts) and after it.",
    )
    left = [f"{count_cell(one.revise['left']).text} in round {one.index}" for one in run.rounds if one.revise.get("left")]
    also = (f"Pairs beside these that the round's tokens did not reach: {', '.join(left)}.",) if left else ()
    return Table("revisions", "What became of the mistakes", columns, tuple(rows), notes=notes + also)


def _iterations(run: RunView) -> list[RoundView]:
    return [one for one in run.rounds if one.revise]


def _score(one: RoundView, splits: tuple[str, ...], world: str, column: str) -> float | None:
    """Mean reward of the last test split, of one world of a joint run where there is one; in TextCraft, success."""
    if not splits or splits[-1] not in one.scores:
        return None
    scores = one.scores[splits[-1]]
    told = scores.by_type.get(world) if world else scores.total
    if told is None:
        return None
    return told.rate if column == "TextCraft" else told.reward


def _theirs(figure: float | None) -> Cell:
    return Cell("–") if figure is None else Cell(f"{figure}" if isinstance(figure, int) else f"{figure:.2f}", figure / 100)


def _inner(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = data.get(key)
    return inner if isinstance(inner, Mapping) else {}
