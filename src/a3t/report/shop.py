"""The paper's tables of WebShop, made from a run: 4, 5, 6, 10 and 17, its figures in marked columns beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from a3t.evaluate import THRESHOLDS, Outcome, Scores
from a3t.report import paper_shop as paper
from a3t.report.accounts import mixed_in
from a3t.report.table import Cell, Row, Table, count_cell, mark_best, number, theirs
from a3t.report.view import RoundView, RunView

EASY, HARD = "agentboard_easy", "agentboard_hard"


def shop_tables(run: RunView) -> list[Table]:
    """Every table of the paper's second world that this run has the records for."""
    splits = [split for split in run.test_splits if split not in (EASY, HARD)]
    found = [trials(run, split) for split in splits]
    if any(one.validation for one in run.rounds):
        found.append(validation(run))
    boards = {one.index: one.scores for one in run.rounds if EASY in one.scores and HARD in one.scores}
    if boards:
        found.append(agentboard(boards))
    for split in run.train_splits:
        found.append(training_set(run, split))
        if any(index == 1 for index, _scores in run.accumulated(split)):
            found.append(composed_by(run, split))
    if any(one.dataset for one in run.rounds):
        found.append(dataset(run.rounds))
    return found


def trials(run: RunView, split: str) -> Table:
    """Table 4: one trial a task by each round's agent, then the best over the agents so far."""
    single = [(f"Round {index}", scores) for index, scores in run.single(split, with_base=False)]
    best = [(f"Rounds 0–{index}, best", scores) for index, scores in run.accumulated(split) if index]
    figures = [*paper.SINGLE.get(split, ())[: len(single)], *paper.ACCUMULATED.get(split, ())[1 : len(best) + 1]]
    rows = mark_best([_row(label, scores.total.reward, scores.total.rate) for label, scores in single], 2)
    rows += [_row(label, scores.total.reward, scores.total.rate) for label, scores in best]
    base = run.base.get(split)
    if base is not None:
        rows = [_row("Base, prompted", base.total.reward, base.total.rate), *rows]
        figures = [*([paper.REACT[split]] if split in paper.REACT else []), *figures]
    size = single[-1][1].total.n if single else 0
    return _beside(f"table-4-{split}", f"Reward and success, {split}", "Table 4", REWARD_SUCCESS, rows, figures, f"{size} tasks.")


def validation(run: RunView) -> Table:
    """Table 4's other half; the best over the agents so far from what each task came to in each round."""
    scored = [(one.index, one.validation) for one in run.rounds if one.validation]
    rows = mark_best([_row(f"Round {index}", scores.total.reward, scores.total.rate) for index, scores in scored], 2)
    figures = list(paper.SINGLE["validation"][: len(scored)])
    for upto in range(1, len(scored)):
        reward, rate = best_of([scores for _index, scores in scored[: upto + 1]])
        rows.append(_row(f"Rounds 0–{scored[upto][0]}, best", reward, rate))
        figures += paper.ACCUMULATED["validation"][upto : upto + 1]
    note = f"{scored[-1][1].total.n} tasks."
    return _beside("table-4-validation", "Reward and success, validation", "Table 4", REWARD_SUCCESS, rows, figures, note)


def agentboard(boards: Mapping[int, Mapping[str, Scores]]) -> Table:
    """Table 5: mean reward on AgentBoard's easy and hard tasks, and on all.

    Args:
        boards: round -> scores by split, both splits among them.
    """
    rows, figures = [_board(f"Round {index}", scores) for index, scores in sorted(boards.items())], list[tuple[float, ...]]()
    for index in sorted(boards):
        figures += paper.AGENTBOARD[index : index + 1]
    return _beside("table-5", BOARD, "Table 5", ("easy", "hard", "all"), rows, figures, _sizes(boards[max(boards)]))


def agentboard_of(model: str, scores: Mapping[str, Scores]) -> Table:
    """Table 5 for any one model, all four of the paper's rounds beside it."""
    own = _board(model, scores).cells
    rows = tuple(
        Row(name, (cell, *(Cell(f"{figure[at]:.1f}", figure[at] / 100) for figure in paper.AGENTBOARD)))
        for at, (name, cell) in enumerate(zip(("easy", "hard", "all"), own, strict=True))
    )
    columns = (model, *(theirs(f"Round {index}") for index in range(len(paper.AGENTBOARD))))
    return Table("table-5", BOARD, columns, rows, notes=(_sizes(scores), NOTE), like="Table 5")


BOARD = "AgentBoard's easy and hard tasks"


def _board(label: str, scores: Mapping[str, Scores]) -> Row:
    outcomes = [*scores[EASY].outcomes.values(), *scores[HARD].outcomes.values()]
    together = sum(outcome.reward for outcome in outcomes) / len(outcomes) if outcomes else None
    figures = (scores[EASY].total.reward, scores[HARD].total.reward, together)
    return Row(label, tuple(Cell(number(figure, 1), figure) for figure in figures))


def _sizes(scores: Mapping[str, Scores]) -> str:
    return f"Reward × 100; {scores[EASY].total.n} easy tasks and {scores[HARD].total.n} hard ones."


def training_set(run: RunView, split: str) -> Table:
    """Table 6: the best trajectory of each training task, own or composed, of all rounds so far."""
    scored = run.accumulated(split)
    rows = [Row(f"Round {index}", _quality(scores)) for index, scores in scored]
    note = f"{scored[-1][1].total.n} tasks; own and composed trajectories of all rounds so far."
    return _beside(
        "table-6", f"Training tasks: the accumulated trajectories, {split}", "Table 6", QUALITY, rows, paper.TRAINING, note
    )


def composed_by(run: RunView, split: str) -> Table:
    """Table 10: the accumulated trajectories of round 1, by the model that composed them."""
    scores = next(scores for index, scores in run.accumulated(split) if index == 1)
    rows = [
        Row(name, (cell, Cell(f"{ours}", ours / 100), Cell(f"{gpt}", gpt / 100)))
        for name, cell, ours, gpt in zip(QUALITY, _quality(scores), paper.TRAINING[1], paper.TRAINING_GPT, strict=True)
    ]
    columns = ("This run", theirs("Mistral-7B"), theirs("gpt-3.5-turbo"))
    return Table("table-10", "Round 1's accumulated trajectories", columns, tuple(rows), notes=(NOTE,), like="Table 10")


def dataset(rounds: Sequence[RoundView]) -> Table:
    """Table 17: what each round was trained on."""
    rows: list[Row] = []
    figures: list[tuple[float, ...]] = []
    for one in rounds:
        total, failed = (_steps(one.dataset, name) for name in ("total", "failed"))
        share = failed / total if total and failed is not None else None
        rows.append(Row(f"Round {one.index}", (count_cell(total), count_cell(failed), Cell(number(share, 1), share))))
        figures += paper.DATASET[one.index : one.index + 1]
    columns = ("#Total", "#Failed", "Failed %")
    note = " ".join(("Ours counts steps, the paper sentences.", *mixed_in(rounds)))
    return _beside(
        "table-17", "What each round was trained on", "Table 17", columns, rows, figures, note, shares=(False, False, True)
    )


def best_of(scored: Sequence[Scores]) -> tuple[float | None, float | None]:
    """Mean over tasks of the best reward, and share of tasks that some agent solved."""
    best: dict[str, Outcome] = {}
    for scores in scored:
        for task, outcome in scores.outcomes.items():
            best[task] = max(best.get(task, outcome), outcome, key=lambda one: (one.success, one.reward))
    if not best:
        return None, None
    return sum(one.reward for one in best.values()) / len(best), sum(one.success for one in best.values()) / len(best)


REWARD_SUCCESS = ("Reward", "Success %")
QUALITY = ("Reward", "Success %", "R≥0.75 %", "R≥0.5 %")
NOTE = paper.NOTE


def _beside(
    name: str,
    title: str,
    like: str,
    columns: Sequence[str],
    rows: Sequence[Row],
    figures: Sequence[Sequence[float]],
    note: str,
    shares: Sequence[bool] = (),
) -> Table:
    """A table with the paper's column to the right of each of ours; a dash where the paper has no such row."""
    shares = shares or [True] * len(columns)
    made = []
    for place, row in enumerate(rows):
        known = figures[place] if place < len(figures) else None
        cells: list[Cell] = []
        for at, cell in enumerate(row.cells):
            cells.append(cell)
            if known is None:
                cells.append(Cell("–"))
            elif shares[at]:
                cells.append(Cell(f"{known[at]:.1f}", known[at] / 100))
            else:
                cells.append(count_cell(known[at]))
        made.append(replace(row, cells=tuple(cells)))
    both = tuple(heading for column in columns for heading in (column, theirs(column)))
    return Table(name, title, both, tuple(made), notes=(note, NOTE), like=like)


def _row(label: str, reward: float | None, rate: float | None) -> Row:
    return Row(label, (Cell(number(reward, 1), reward), Cell(number(rate, 1), rate)))


def _quality(scores: Scores) -> tuple[Cell, ...]:
    total = scores.total
    figures = (total.reward, total.rate, *(total.at_least.get(str(limit)) for limit in THRESHOLDS))
    return tuple(Cell(number(figure, 1), figure) for figure in figures)


def _steps(data: Mapping[str, Any], key: str) -> float | None:
    inner = data.get(key)
    steps = inner.get("steps") if isinstance(inner, Mapping) else None
    return steps if isinstance(steps, int | float) else None
