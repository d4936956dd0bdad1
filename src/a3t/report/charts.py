"""The report's pictures: learning curve, task types, training curves, histograms, time. Each returns one `<svg>` as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from a3t.evaluate import Score
from a3t.report.series import Point, Series, spread_labels
from a3t.report.svg import Scale, element, escape, linear, nice_ticks, path, picture, text
from a3t.report.table import duration
from a3t.report.view import BASE, round_name


def learning_curve(series: Sequence[Series], width: float, height: float) -> str:
    """Success in percent by round, with intervals as bands; the last value of each line is written beside it."""
    left, right, top, bottom = 44.0, width - 54, 14.0, height - 40
    indices = sorted({point.round_index for one in series for point in one.points})
    lows = [100 * (p.value if p.low is None else p.low) for one in series for p in one.points]
    floor = max(0.0, 20 * (min(lows, default=0) // 20)) if len(indices) > 1 else 0.0
    x = linear(indices[0], indices[-1], left + 18, right - 18) if indices else linear(0, 0, left, right)
    y = linear(floor, 100, bottom, top)
    parts = []
    for tick in nice_ticks(floor, 100, 5):
        parts.append(element("line", x1=left, x2=right, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(text(f"{tick:.0f}", left - 10, y(tick) + 4, "axis", "end"))
    parts += [text(round_name(i) if width > 500 or i < 0 else str(i), x(i), bottom + 22, "axis", "middle") for i in indices]
    if width <= 500 and BASE not in indices:
        parts.append(text("Round", left - 10, bottom + 22, "axis", "end"))
    for one in series:
        if not one.dashed:
            parts.append(_band(one, x, y))
    ends = spread_labels([y(100 * one.points[-1].value) for one in series if one.points], 16)
    for one, end in zip([one for one in series if one.points], ends, strict=True):
        spots = [(x(p.round_index), y(100 * p.value)) for p in one.points]
        parts.append(element("path", d=path(spots), class_=f"line tone-{one.tone}{' dashed' if one.dashed else ''}"))
        for point, (px, py) in zip(one.points, spots, strict=True):
            hover = element("title", escape(f"{one.name}, {round_name(point.round_index)}: {_told(point)}"))
            parts.append(
                element("circle", hover, cx=px, cy=py, r=4, class_=f"dot tone-{one.tone}{' open' if one.dashed else ''}")
            )
        last = one.points[-1]
        parts.append(text(f"{100 * last.value:.0f} %", x(last.round_index) + 12, end + 5, f"value tone-{one.tone}"))
    told = "; ".join(f"{one.name}: " + ", ".join(f"{round_name(p.round_index)} {_told(p)}" for p in one.points) for one in series)
    return picture(f"Success by round. {told}.", width, height, parts)


def _band(one: Series, x: Scale, y: Scale) -> str:
    known = [(p.round_index, 100 * p.low, 100 * p.high) for p in one.points if p.low is not None and p.high is not None]
    if len(known) == 1:
        i, low, high = known[0]
        return element("line", x1=x(i), x2=x(i), y1=y(low), y2=y(high), class_=f"whisker tone-{one.tone}")
    around = [(x(i), y(high)) for i, _low, high in known] + [(x(i), y(low)) for i, low, _high in reversed(known)]
    return element("path", d=path(around, close=True), class_=f"band tone-{one.tone}") if known else ""


def _told(point: Point) -> str:
    interval = "" if point.low is None or point.high is None else f" ({100 * point.low:.0f}–{100 * point.high:.0f})"
    return f"{100 * point.value:.1f} %{interval}"


LONGEST_NAME = 22
"""Characters of a task type that a chart shows; all of it where the pointer rests."""


def type_chart(groups: Sequence[tuple[str, Score | None, Score]], first: str, last: str, width: float) -> str:
    """A row per task type: where it stood first (open dot), where it stands now (full dot, with its interval)."""
    names = [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…" for name, _before, _after in groups]
    row, left, right, top = 42.0, max(118.0, _widest(names)), width - 22, 26.0
    height = top + row * len(groups) + 12
    x = linear(0, 100, left, right)
    parts = []
    for tick in (0, 25, 50, 75, 100):
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=top - 6, y2=height - 8, class_="grid"))
        parts.append(text(f"{tick}", x(tick), top - 12, "axis", "middle"))
    told = []
    for i, (name, before, after) in enumerate(groups):
        y = top + row * (i + 0.5)
        if after.rate is None or after.low is None or after.high is None:
            continue
        strong = " strong" if i == len(groups) - 1 else ""
        parts.append(text(names[i], 0, y + 4, f"label{strong}", title=f"{name}, {after.n} tasks"))
        now = element("title", escape(f"{name}, {last}: {after.successes} of {after.n}, {_share(after)}"))
        parts.append(element("line", now, x1=x(100 * after.low), x2=x(100 * after.high), y1=y, y2=y, class_="whisker tone-1"))
        if before is not None and before.rate is not None:
            then = element("title", escape(f"{name}, {first}: {before.successes} of {before.n}, {_share(before)}"))
            parts.append(element("line", x1=x(100 * before.rate), x2=x(100 * after.rate), y1=y, y2=y, class_="travel tone-1"))
            parts.append(element("circle", then, cx=x(100 * before.rate), cy=y, r=5, class_="dot tone-0 open"))
            told.append(f"{name} {100 * before.rate:.0f} to {100 * after.rate:.0f} %")
        else:
            told.append(f"{name} {100 * after.rate:.0f} %")
        parts.append(element("circle", now, cx=x(100 * after.rate), cy=y, r=6, class_="dot tone-1"))
    return picture(f"Success by task type, {first} to {last}: {', '.join(told)}.", width, height, parts)


def _share(score: Score) -> str:
    return f"{100 * (score.rate or 0):.0f} % ({100 * (score.low or 0):.0f}–{100 * (score.high or 0):.0f})"


def training_curve(
    title: str,
    epochs: Sequence[Mapping[str, object]],
    ceiling: float,
    floor: float = 0.0,
    width: float = 250,
    height: float = 170,
) -> str:
    """NLL of successes (full) and failures (dashed) by epoch; `floor` and `ceiling` are shared by all rounds."""
    left, right, top, bottom = 34.0, width - 10, 28.0, height - 26
    x, y = linear(1, max(len(epochs), 1), left + 6, right - 6), linear(floor, ceiling, bottom, top)
    parts = [text(title, left, 14, "label strong")]
    for tick in nice_ticks(floor, ceiling, 3):
        parts.append(element("line", x1=left, x2=right, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(text(f"{tick:g}", left - 6, y(tick) + 4, "axis", "end"))
    told = []
    for key, name, style in (("success_nll", "successes", "tone-2"), ("failed_nll", "failures", "tone-3 dashed")):
        known = [(i + 1, value) for i, epoch in enumerate(epochs) if isinstance(value := epoch.get(key), int | float)]
        if not known:
            continue
        spots = [(x(i), y(value)) for i, value in known]
        parts.append(element("path", d=path(spots), class_=f"line {style}"))
        for (i, value), (px, py) in zip(known, spots, strict=True):
            hover = element("title", escape(f"{title}, epoch {i}, {name}: {value:.3f} nats a token"))
            parts.append(element("circle", hover, cx=px, cy=py, r=2.5, class_=f"speck {style.split()[0]}"))
        told.append(f"{name} {known[0][1]:.2f} to {known[-1][1]:.2f}")
    for i in dict.fromkeys((1, len(epochs))):
        parts.append(text(str(i), x(i), bottom + 18, "axis", "middle"))
    parts.append(text("epoch", (left + right) / 2, bottom + 18, "axis", "middle"))
    return picture(f"{title}, negative log-likelihood by epoch: {', '.join(told) or 'not recorded'}.", width, height, parts)


def bars(
    label: str, names: Sequence[str], counts: Sequence[float], width: float, height: float = 170, tones: Sequence[str] = ()
) -> str:
    """A histogram: every bar has its name below it as far as there is room, and its count on top or on hover."""
    left, right, top, bottom = 4.0, width - 4, 20.0, height - 24
    most = max(counts, default=0) or 1
    slot = (right - left) / max(len(counts), 1)
    y = linear(0, most, bottom, top)
    told_counts = [f"{count:,.0f}" for count in counts]
    every = math.ceil((_widest(names) + 8) / slot)
    # Where some names must go, 0 stays.
    first = names.index("0") % every if "0" in names else 0
    parts = [element("line", x1=left, x2=right, y1=bottom + 0.5, y2=bottom + 0.5, class_="grid")]
    for i, (name, count) in enumerate(zip(names, counts, strict=True)):
        x = left + i * slot
        tone = tones[i] if tones else "tone-1"
        hover = element("title", escape(f"{name}: {count:,.0f}"))
        if count:
            tall = max(bottom - y(count), 1.5)
            parts.append(
                element(
                    "rect", hover, x=x + slot * 0.12, y=bottom - tall, width=slot * 0.76, height=tall, rx=2, class_=f"bar {tone}"
                )
            )
        if count and slot > _widest(told_counts):
            parts.append(text(told_counts[i], x + slot / 2, y(count) - 5, "axis", "middle"))
        if i % every == first:
            parts.append(text(name, x + slot / 2, bottom + 17, "axis", "middle"))
    told = ", ".join(f"{name}: {count:,.0f}" for name, count in zip(names, counts, strict=True) if count)
    return picture(f"{label}. {told or 'nothing'}.", width, height, parts)


def _widest(labels: Sequence[str]) -> float:
    """Pixels of the longest at the size of an axis; figures are about 7.5 wide in the widest of our fonts."""
    return 7.5 * max(map(len, labels), default=0)


def merge_bins(counts: Mapping[float, float], most: int = 24) -> dict[float, float]:
    """The occupied part of a fine histogram, in at most about `most` bins of 1, 2, 5, 10 … that never straddle 0.

    Args:
        counts: lower edge of each fine bin -> its count.

    Returns:
        Lower edge of each bin -> its count, in order, empty bins between others included.
    """
    filled = sorted(edge for edge, count in counts.items() if count)
    if not filled:
        return {}
    width = next(w * 10**power for power in range(9) for w in (1, 2, 5) if (filled[-1] - filled[0]) / (w * 10**power) < most)
    start, end = (int(edge // width) for edge in (filled[0], filled[-1]))
    merged = {float(i * width): 0.0 for i in range(start, end + 1)}
    for edge in filled:
        merged[float(edge // width * width)] += counts[edge]
    return merged


def time_bars(rounds: Sequence[tuple[str, Mapping[str, float]]], tones: Mapping[str, str], width: float) -> str:
    """Wall-clock seconds by round, stacked by stage."""
    row, left, right = 34.0, 66.0, width - 84
    longest = max((sum(stages.values()) for _name, stages in rounds), default=0)
    x = linear(0, longest or 1, left, right)
    parts, told = [], []
    for i, (name, stages) in enumerate(rounds):
        y, spent = row * i + 6, 0.0
        parts.append(text(name, 0, y + 15, "label"))
        for stage, seconds in stages.items():
            hover = element("title", escape(f"{name}, {stage}: {duration(seconds)}"))
            start, end = x(spent), x(spent + seconds)
            parts.append(
                element(
                    "rect", hover, x=start, y=y, width=max(end - start - 1, 0.5), height=22.0, rx=2, class_=f"bar {tones[stage]}"
                )
            )
            spent += seconds
        parts.append(text(duration(spent), x(spent) + 8, y + 15, "axis"))
        told.append(f"{name} {duration(spent)} (" + ", ".join(f"{stage} {duration(s)}" for stage, s in stages.items()) + ")")
    return picture(f"Time by round: {'; '.join(told)}.", width, row * len(rounds) + 6, parts)
