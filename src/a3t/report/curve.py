"""The learning curve as a picture file, for a README or a talk: SVG or PNG, by the name's ending."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from a3t.errors import A3TError, RecipeError
from a3t.report.series import Series, learning_series, spread_labels
from a3t.report.view import RunView, round_name
from a3t.report.visible import one_line

INK, SOFT, GRID = "#16181d", "#565d69", "#e6e7ea"
TONES = ("#7d8491", "#2f5bea", "#0b7f66", "#8a4fd3", "#94690a")
"""The light page's."""
SIZE = (7.6, 4.0)
"""Inches; a PNG has 200 pixels to each."""


def write_curve(run: RunView, path: Path, title: str = "") -> Path:
    """Success in percent by round, with intervals as bands. The same run gives the same bytes (with the same matplotlib).

    Raises:
        RecipeError: the ending is neither .svg nor .png.
        A3TError: nothing was evaluated yet, or the file cannot be written.
    """
    if path.suffix not in (".svg", ".png"):
        raise RecipeError(f"cannot draw {path.name!r}: expected a name that ends in .svg or .png.")
    series = learning_series(run)
    if not series:
        raise A3TError(
            "there is no curve to draw: no round of this run was evaluated.\n  `a3t report` tells what the run has so far."
        )
    # Figure without pyplot: no global state, no display. Imported here because it takes half a second.
    import matplotlib
    from matplotlib.figure import Figure

    # A dollar in a name (a split may have any) would start mathematics; the hash salt keeps ids the same from run to run.
    settings = {"svg.hashsalt": "a3t", "font.size": 11, "font.family": "sans-serif", "text.parse_math": False}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=SIZE, facecolor="white")
        figure.set_layout_engine("constrained", w_pad=0.16, h_pad=0.14)
        axes = figure.add_subplot()
        _frame(axes, series, one_line(title) or f"{one_line(run.name)}: success, one trial a task (%)")
        for one in series:
            _line(axes, one)
        _name_lines(axes, series)
        metadata: dict[str, str | None] = {"Date": None} if path.suffix == ".svg" else {"Software": None}
        try:
            figure.savefig(path, dpi=200, metadata=metadata)
        except OSError as error:
            raise A3TError(f"cannot write the picture to {path}: {error.strerror}.") from error
    return path


def _frame(axes: Any, series: list[Series], title: str) -> None:
    indices = sorted({point.round_index for one in series for point in one.points})
    floor = min(100 * (point.value if point.low is None else point.low) for one in series for point in one.points)
    axes.set_title(title, loc="left", fontsize=12.5, fontweight="bold", color=INK, pad=14)
    axes.set_ylim(10 * (floor // 10), 101)
    axes.set_xticks(indices, [round_name(i) for i in indices])
    axes.margins(x=0.06)
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=SOFT, pad=8)
    for side in axes.spines.values():
        side.set_visible(False)


def _line(axes: Any, one: Series) -> None:
    tone = TONES[one.tone % len(TONES)]
    x, y = [p.round_index for p in one.points], [100 * p.value for p in one.points]
    style = {"linestyle": (0, (1, 2)), "markerfacecolor": "white"} if one.dashed else {"markeredgecolor": "white"}
    axes.plot(x, y, color=tone, linewidth=2.2, marker="o", markersize=7, markeredgewidth=1.5, zorder=3, clip_on=False, **style)
    banded = [(p.round_index, 100 * p.low, 100 * p.high) for p in one.points if p.low is not None and p.high is not None]
    if not one.dashed and len(banded) > 1:
        at, low, high = zip(*banded, strict=True)
        axes.fill_between(at, low, high, color=tone, alpha=0.13, linewidth=0)
    elif not one.dashed:
        for at_one, low_one, high_one in banded:
            axes.plot([at_one, at_one], [low_one, high_one], color=tone, linewidth=7, alpha=0.2, solid_capstyle="round")


def _name_lines(axes: Any, series: list[Series]) -> None:
    """Names at the ends of their lines say more than a legend, and need no colours to be told apart."""
    low, high = axes.get_ylim()
    places = spread_labels([100 * one.points[-1].value for one in series], (high - low) * 0.062)
    # What was pushed above the top comes down again, all together.
    shift = max(0.0, max(places) - high)
    for one, place in zip(series, places, strict=True):
        label = f"{one_line(one.name, 30)}  {100 * one.points[-1].value:.0f} %"
        axes.annotate(
            label,
            (one.points[-1].round_index, place - shift),
            xytext=(13, 0),
            textcoords="offset points",
            va="center",
            color=TONES[one.tone % len(TONES)],
            fontweight="bold" if one is series[0] else "normal",
            annotation_clip=False,
        )
