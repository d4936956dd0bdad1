"""What a run came to, in a headline, a sentence and a few tiles: said only as far as its figures carry it."""

from __future__ import annotations

from typing import NamedTuple

from a3t.evaluate import Scores, compare
from a3t.report.table import duration, p_text
from a3t.report.view import RunView, is_real

SIGNIFICANT = 0.05
NO_BREAK = "\u00a0"


class Tile(NamedTuple):
    figure: str
    unit: str
    label: str
    note: str


class Story(NamedTuple):
    headline: str
    sentence: str
    tiles: tuple[Tile, ...]


def tell(run: RunView) -> Story:
    """The story of the split that asks most: the last that is called unseen, or else the last."""
    split = main_split(run)
    if split is None:
        done = (
            f"{len(run.rounds)} round{'s' * (len(run.rounds) != 1)} finished" if run.rounds else "No round has been finished yet"
        )
        return Story(f"{done}, nothing evaluated.", "Scores appear here after the first evaluation.", _effort_tiles(run))
    scored = [(index, scores) for index, scores in run.single(split, with_base=False) if scores.total.n]
    if not scored:
        return Story(
            f"Every episode on {split} broke.", "There is no score to report: see the errors of its episodes.", _effort_tiles(run)
        )
    (first, before), (last, after) = scored[0], scored[-1]
    tiles = [Tile(_points(after), "%", f"solved by round {last}", f"{_interval(after)}, {split}")]
    if first == last:
        headline = f"Round {first} solves {_points(after)} % of {after.total.n} tasks in {split}."
        sentence = f"{after.confidence:.0%} interval {_interval(after)}, one greedy trial a task."
    else:
        test = compare(before, after)
        from_to = f"{_points(before)} → {_points(after)} %".replace(" ", NO_BREAK)
        verb = "rose" if (test.change or 0) > 0 else "fell"
        if test.p_value < SIGNIFICANT:
            headline = f"Success on {split} {verb}: {from_to}."
        else:
            headline = f"Success on {split}: {from_to}, not beyond chance."
        p = f"p {'' if test.p_value < 0.0001 else '= '}{p_text(test.p_value)}".replace(" ", NO_BREAK)
        sentence = (
            f"Round {first} against round {last} on the same {test.n} tasks: {test.gained} gained, {test.lost} lost "
            f"(McNemar {p})."
        )
        change = 100 * (test.change or 0)
        tiles.append(Tile(f"{change:+.1f}".replace("-", "−"), "points", f"since round {first}", f"on {test.n} shared tasks"))
    if after.total.reward is not None and is_real(after.total):
        tiles.append(Tile(f"{100 * after.total.reward:.1f}", "", "mean reward × 100", f"by round {last}"))
    if split in run.base and run.base[split].total.n:
        sentence += f" The base alone: {_points(run.base[split])} %."
    accumulated = [scores for _index, scores in run.accumulated(split)]
    if accumulated and accumulated[-1].total.n and len(accumulated) > 1:
        best = accumulated[-1]
        tiles.append(Tile(_points(best), "%", "accumulated", f"best of {best.num_trials} rounds"))
    return Story(headline, sentence, (*tiles, *_effort_tiles(run)))


def main_split(run: RunView) -> str | None:
    splits = [split for split in run.test_splits if "unseen" in split] or run.test_splits
    return splits[-1] if splits else None


def _effort_tiles(run: RunView) -> tuple[Tile, ...]:
    every = [cost for one in run.rounds for cost in one.cost.values()]
    seconds = sum(cost.get("seconds") or 0 for cost in every)
    episodes = sum(cost.get("episodes") or 0 for cost in every)
    if not episodes:
        return ()
    if not seconds:
        return (Tile(f"{episodes:,}", "", "episodes", "in all stages"),)
    figure, _, unit = duration(seconds).partition(" ")
    return (Tile(figure, unit, "of work", f"{episodes:,} episodes in {len(run.rounds)} rounds"),)


def _points(scores: Scores) -> str:
    return "–" if scores.total.rate is None else f"{100 * scores.total.rate:.1f}"


def _interval(scores: Scores) -> str:
    if scores.total.low is None or scores.total.high is None:
        return "–"
    return f"{100 * scores.total.low:.0f}–{100 * scores.total.high:.0f} %"
