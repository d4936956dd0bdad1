"""The report as one self-contained page: inline styles and pictures, no script, nothing fetched.

What environments and models wrote is hostile until shown otherwise: the template escapes all of it, and `visible` takes away what
a browser or a reader could be fooled by. A content policy in the page forbids scripts and requests besides.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from a3t.errors import NO_SPACE, A3TError, DiskFullError
from a3t.report import tables as the
from a3t.report.cases import CHOICE, Case, is_explained
from a3t.report.charts import bars, learning_curve, merge_bins, time_bars, training_curve, type_chart
from a3t.report.series import learning_series
from a3t.report.story import main_split, tell
from a3t.report.table import Table, duration, signed
from a3t.report.view import RoundView, RunView, round_name
from a3t.report.visible import visible

STAGE_TONES = {
    "import": "tone-0",
    "collect": "tone-1",
    "explore": "tone-4",
    "search": "tone-3",
    "revise": "tone-5",
    "train": "tone-2",
    "evaluate": "tone-6",
    "recover": "tone-0",
}
SHOWN_STEPS = range(6, 13)
"""Of a failed try in a case, so that it is about as long as the success beside it; the rest is folded."""
LONG_TEXT = 320
"""Characters of an observation or a thought before the rest is folded."""
MAX_COLUMNS = 10
"""A wider table is turned on its side."""


def write_report(run: RunView, path: Path) -> Path:
    """Write the page; whoever opens it meanwhile sees the old one or the new one, never half of one.

    Raises:
        DiskFullError: no space left; an earlier report is still there.
        A3TError: the folder cannot be written.
    """
    page = render(run)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(page, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in NO_SPACE:
            raise DiskFullError(f"no space left to write {path}; the run itself is safe.") from error
        raise A3TError(f"cannot write the report to {path}: {error.strerror}.") from error
    return path


def render(run: RunView) -> str:
    """The page as text. The same run gives the same bytes."""
    environment = Environment(
        loader=PackageLoader("a3t.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.tests["explained"] = is_explained
    environment.globals.update(signed=signed, long_text=LONG_TEXT, shown_steps=_shown_steps)
    return environment.get_template("report.html.j2").render(**context(run))


def _finalize(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _shown_steps(case: Case) -> int:
    return min(max(case.composed.num_steps + 1, SHOWN_STEPS[0]), SHOWN_STEPS[-1])


def context(run: RunView) -> dict[str, Any]:
    """All that the template shows, as data and finished pictures."""
    split = main_split(run)
    found = {table.name: _upright(table) for table in the.tables(run)}
    return {
        "run": run,
        "story": tell(run),
        "split": split,
        "confidence": run.single(split)[-1][1].confidence if split else 0.95,
        "curve": _learning(run),
        "types": _types(run, split),
        "results": [t for name, t in found.items() if name.split("-")[0] in ("single", "accumulated", "training", "validation")],
        "paired": [t for name, t in found.items() if name.startswith(("paired", "effort"))],
        "dataset": found.get("dataset"),
        "explore": found.get("explore"),
        "revising": [found[name] for name in ("agent-r", "revisions", "recovery") if name in found],
        "cost": found.get("cost"),
        "estimate": found.get("estimate"),
        "choice": CHOICE,
        "histograms": _histograms(run),
        "training": _training(run),
        "time": _time(run),
    }


def _upright(table: Table) -> Table:
    return table.transposed() if len(table.columns) > MAX_COLUMNS else table


# --- pictures ---------------------------------------------------------------------------


def _learning(run: RunView) -> dict[str, Any] | None:
    """The curve twice, for wide and for narrow screens, and its legend."""
    series = learning_series(run)
    if not series:
        return None
    return {
        "wide": Markup(learning_curve(series, 640, 340)),
        "narrow": Markup(learning_curve(series, 350, 300)),
        "legend": [(one.name, f"tone-{one.tone}", "dashed" if one.dashed else "") for one in series],
    }


def _types(run: RunView, split: str | None) -> dict[str, Any] | None:
    scored = run.single(split) if split else []
    if not scored or not scored[-1][1].by_type:
        return None
    (first, before), (last, after) = scored[0], scored[-1]
    start = before if first != last else None
    groups = [(the.column_of(k), start.by_type.get(k) if start else None, after.by_type[k]) for k in the.in_order(after.by_type)]
    groups.append(("Total", start.total if start else None, after.total))
    names = round_name(first), round_name(last)
    return {"chart": Markup(type_chart(groups, *names, 350)), "first": names[0] if start else "", "last": names[1]}


def _histograms(run: RunView) -> list[dict[str, Any]]:
    """K before selection, and gate gains, over all rounds together."""
    per_task: dict[int, int] = {}
    gains: dict[float, float] = {}
    for one in run.rounds:
        for number, count in (one.explore.get("successes_per_task") or {}).items():
            per_task[int(number)] = per_task.get(int(number), 0) + int(count)
        gate = one.explore.get("gate") or {}
        for edge, count in zip(gate.get("edges") or (), gate.get("counts") or (), strict=False):
            gains[edge] = gains.get(edge, 0.0) + count
    found = []
    if per_task:
        ends = list(range(min(max(per_task), 12) + 1))
        counts = [sum(c for n, c in per_task.items() if n == end or (end == 12 and n > 12)) for end in ends]
        names = [f"{end}+" if end == 12 and max(per_task) > 12 else str(end) for end in ends]
        tones = ["tone-3" if end == 0 else "tone-2" for end in ends]
        chart = Markup(bars("Failed tasks by number of composed successes", names, counts, 420, tones=tones))
        found.append(
            {"title": "Successes per failed task", "chart": chart, "note": "K before selection, all rounds. 0: still unsolved."}
        )
    if merged := merge_bins(gains):
        names = [signed(edge, 0) for edge in merged]
        tones = ["tone-3" if edge < 0 else "tone-2" for edge in merged]
        chart = Markup(bars("Explained actions by gate gain in nats", names, list(merged.values()), 420, tones=tones))
        note = "Nats by which ActRe's reason makes the explored action likelier under the policy; each bar begins at its number."
        found.append({"title": "Consistency gate", "chart": chart, "note": note})
    return found


def _training(run: RunView) -> list[Markup]:
    keys = ("success_nll", "failed_nll")
    values = [v for one in run.rounds for epoch in one.epochs for key in keys if isinstance(v := epoch.get(key), int | float)]
    if not values:
        return []
    low, high = min(0.0, *values), max(values) * 1.05
    return [Markup(training_curve(f"Round {one.index}", one.epochs, high, low)) for one in run.rounds if one.epochs]


def _time(run: RunView) -> dict[str, Any] | None:
    rounds = [(f"Round {one.index}", _seconds(one)) for one in run.rounds]
    rounds = [(name, stages) for name, stages in rounds if stages]
    if not rounds:
        return None
    names = [stage for stage in STAGE_TONES if any(stage in stages for _name, stages in rounds)]
    others = sorted({stage for _name, stages in rounds for stage in stages} - set(STAGE_TONES))
    tones = {**STAGE_TONES, **dict.fromkeys(others, "tone-0")}
    total = duration(sum(sum(stages.values()) for _name, stages in rounds))
    return {
        "wide": Markup(time_bars(rounds, tones, 990)),
        "narrow": Markup(time_bars(rounds, tones, 350)),
        "legend": [(name, tones[name], "block") for name in [*names, *others]],
        "total": total,
    }


def _seconds(one: RoundView) -> Mapping[str, float]:
    known = {stage: cost.get("seconds") for stage, cost in one.cost.items()}
    return {stage: float(seconds) for stage, seconds in known.items() if isinstance(seconds, int | float) and seconds > 0}
