"""Pictures: figures end up where they belong."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from a3t.errors import A3TError, RecipeError
from a3t.evaluate import score
from a3t.report.charts import bars, learning_curve, merge_bins, time_bars, training_curve, type_chart
from a3t.report.curve import write_curve
from a3t.report.series import Point, Series, learning_series, spread_labels
from a3t.report.svg import linear, nice_ticks
from a3t.report.view import RunView, view_run


def test_a_higher_success_stands_higher_in_the_picture() -> None:
    svg = ElementTree.fromstring(learning_curve([Series("s", [Point(0, 0.2), Point(1, 0.9)], 1)], 640, 340))
    first, last = svg.findall("circle")
    assert float(first.attrib["cx"]) < float(last.attrib["cx"])
    assert float(first.attrib["cy"]) > float(last.attrib["cy"])


def test_labels_at_the_ends_of_lines_never_overlap() -> None:
    assert spread_labels([50.0, 52.0, 10.0, 51.0], 5) == [50.0, 60.0, 10.0, 55.0]
    assert spread_labels([], 5) == []


def test_one_round_is_a_dot_with_a_whisker() -> None:
    svg = learning_curve([Series("s", [Point(0, 0.5, 0.4, 0.6)], 1)], 350, 300)
    assert 'class="whisker tone-1"' in svg and 'class="band' not in svg
    ElementTree.fromstring(svg)


def test_ticks_are_round_and_inside() -> None:
    assert nice_ticks(0, 100, 5) == [0, 20, 40, 60, 80, 100]
    assert nice_ticks(0.13, 1.08, 3) == [0.5, 1.0]
    assert nice_ticks(3, 3) == [3]
    assert linear(2, 2, 0, 10)(2) == 5


def test_empty_charts_are_still_pictures() -> None:
    for svg in (
        bars("b", [], [], 300),
        training_curve("Round 0", [{}], 1.0),
        training_curve("Round 0", [], 0.0),
        time_bars([], {}, 300),
    ):
        ElementTree.fromstring(svg)


def test_bars_are_as_tall_as_their_counts() -> None:
    svg = ElementTree.fromstring(bars("b", ["0", "1", "2"], [5, 10, 0], 300))
    heights = [float(rect.attrib["height"]) for rect in svg.findall("rect")]
    assert heights[1] == pytest.approx(2 * heights[0])
    assert len(heights) == 2


def test_bins_are_merged_without_losing_any_or_crossing_zero() -> None:
    """Thirty single nats around zero become pairs: −1 and −2 together, 0 and 1 together."""
    merged = merge_bins({edge: float(-10 <= edge < 20) for edge in range(-60, 60)})
    assert list(merged) == [float(edge) for edge in range(-10, 20, 2)]
    assert set(merged.values()) == {2.0}
    assert merge_bins(dict.fromkeys(range(-60, 60), 0.0)) == {}
    assert merge_bins({0: 7.0}) == {0.0: 7.0}
    assert merge_bins({-1.0: 1.0, -0.5: 2.0, 0.0: 3.0, 0.5: 4.0}) == {-1.0: 3.0, 0.0: 7.0}


def test_hostile_names_stay_text_in_pictures() -> None:
    svg = learning_curve([Series('"><script>', [Point(0, 0.5)], 1)], 640, 340)
    assert "<script" not in svg
    ElementTree.fromstring(svg)


def test_the_name_of_a_type_is_shown_whole_and_a_long_one_says_that_it_goes_on() -> None:
    scores = score([]).total
    some = replace(scores, n=4, successes=2, rate=0.5, low=0.15, high=0.85)
    long = "scienceworld: chemistry-mix-paint-secondary-color"
    svg = type_chart([("household: Examine", some, some), (long, None, some), ("Total", some, some)], "Base", "Round 3", 350)
    drawn = [one[0].tail or "" if len(one) else one.text for one in ElementTree.fromstring(svg).iter() if one.tag == "text"]
    assert "household: Examine" in drawn and "scienceworld: chemist…" in drawn and f"{long}, 4 tasks" in svg


def test_papers_line_is_there_only_where_asked(made: RunView) -> None:
    assert [one.name for one in learning_series(made)] == [
        "valid_unseen",
        "valid_unseen, accumulated",
        "valid_seen",
        "valid_unseen, paper, 7B",
    ]
    assert [point.round_index for point in learning_series(made)[0].points] == [-1, 0, 1, 2, 3]


def test_the_curve_is_written_as_svg_and_png_the_same_each_time(made: RunView, tmp_path: Path) -> None:
    for name, start in (("curve.svg", b"<?xml"), ("curve.png", b"\x89PNG")):
        first = write_curve(made, tmp_path / name).read_bytes()
        assert first.startswith(start)
        assert write_curve(made, tmp_path / name).read_bytes() == first
    assert not re.search(rb"<dc:date>|<script", (tmp_path / "curve.svg").read_bytes())


def test_a_curve_that_cannot_be_drawn_says_why(made: RunView, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"\.svg or \.png"):
        write_curve(made, tmp_path / "curve.gif")
    with pytest.raises(A3TError, match="no round of this run was evaluated"):
        write_curve(view_run("x", []), tmp_path / "curve.svg")
    with pytest.raises(A3TError, match="cannot write the picture"):
        write_curve(made, tmp_path / "nowhere" / "curve.svg")


def test_labels_of_crowded_bars_are_thinned_out_and_zero_stays() -> None:
    names = [f"{edge:+d}" if edge else "0" for edge in range(-12, 12)]
    svg = ElementTree.fromstring(bars("b", names, [1000.0] * 24, 420))
    labels = [(float(label.attrib["x"]), label.text or "") for label in svg.findall("text")]
    assert "0" in [name for _x, name in labels] and "1,000" not in [name for _x, name in labels]
    assert all(after - before > 7.5 * 3 for (before, _), (after, _) in pairwise(labels))
    roomy = ElementTree.fromstring(bars("b", ["0", "1", "2"], [5, 10, 15], 420))
    assert [label.text for label in roomy.findall("text")] == ["5", "0", "10", "1", "15", "2"]
