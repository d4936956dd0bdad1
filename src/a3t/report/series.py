"""The lines of the learning curve: each test split, and for the main one the accumulated score and the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from a3t.evaluate import Scores
from a3t.report import paper
from a3t.report.story import main_split
from a3t.report.view import RunView


class Point(NamedTuple):
    """A share in [0, 1] with its interval, where there is one."""

    round_index: int
    value: float
    low: float | None = None
    high: float | None = None


class Series(NamedTuple):
    name: str
    points: Sequence[Point]
    tone: int
    """Number of its colour; 0 is the grey of what is not ours."""
    dashed: bool = False


def learning_series(run: RunView) -> list[Series]:
    """The main split first; lines without a point are left out."""
    split = main_split(run)
    if split is None:
        return []
    series = [Series(split, _points(run.single(split)), 1)]
    if len(run.rounds) > 1:
        series.append(Series(f"{split}, accumulated", _points(run.accumulated(split)), 1, dashed=True))
    others = [other for other in run.test_splits if other != split]
    series += [Series(other, _points(run.single(other)), tone) for tone, other in enumerate(others, start=2)]
    if run.with_paper and split in paper.SINGLE:
        figures = [Point(i, row[-1] / 100) for i, row in enumerate(paper.SINGLE[split][: len(run.rounds)])]
        series.append(Series(f"{split}, {paper.SOURCE}", figures, 0, dashed=True))
    return [one for one in series if one.points]


def _points(scored: Iterable[tuple[int, Scores]]) -> list[Point]:
    totals = [(index, scores.total) for index, scores in scored]
    return [Point(index, total.rate, total.low, total.high) for index, total in totals if total.rate is not None]


def spread_labels(places: Sequence[float], gap: float) -> list[float]:
    """Move labels apart so that none covers another: order is kept, and the first one's place."""
    moved = list(places)
    last: float | None = None
    for i in sorted(range(len(places)), key=lambda i: places[i]):
        moved[i] = moved[i] if last is None else max(moved[i], last + gap)
        last = moved[i]
    return moved
