"""The page: complete, self-contained, and deaf to what environments and models write into it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from hostile_run import SHOWN, hostile_run
from made_run import make_run
from parsed_page import Page

from a3t.errors import A3TError, DiskFullError
from a3t.evaluate import score
from a3t.report.html import render, write_report
from a3t.report.tables import tables
from a3t.report.view import RunView, view_run
from a3t.types import Author, Round, Stage, Stop


def test_page_shows_verdict_curve_tables_cases_cost_and_provenance(made: RunView) -> None:
    page = Page(render(made))
    first, last = (made.rounds[i].scores["valid_unseen"].total for i in (0, -1))
    assert f"{100 * (first.rate or 0):.1f} → {100 * (last.rate or 0):.1f} %" in page.text.replace("\u00a0", " ")
    for table in tables(made):
        assert table.title in page.text
    for case in made.cases:
        assert case.task.instruction in page.text
        assert any(step.thought in page.text for step in case.composed.steps if step.thought_by is Author.ANNOTATOR)
    assert "5f3a9c01d2be" in page.text
    assert made.rounds[-1].scores["valid_unseen"].tasks_hash in page.text
    assert "paper, 7B" in page.text


def test_page_is_one_file_that_fetches_nothing_and_runs_nothing(made: RunView) -> None:
    source = render(made)
    page = Page(source)
    tags = {tag for tag, _attributes in page.tags}
    assert not tags & {
        "script",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
        "img",
        "audio",
        "video",
        "use",
        "image",
        "foreignObject",
    }
    for tag, name, value in page.attributes():
        assert not name.startswith("on"), (tag, name)
        if name in {"href", "src", "srcset", "xlink:href"}:
            assert value.startswith("#"), (tag, name, value)
    assert "url(" not in source and "@import" not in source
    policy = next(attributes for tag, attributes in page.tags if attributes.get("http-equiv") == "Content-Security-Policy")
    assert (policy["content"] or "").startswith("default-src 'none'")


def test_hostile_text_stays_text_wherever_it_stands() -> None:
    source = render(hostile_run())
    page = Page(source)
    assert not {tag for tag, _attributes in page.tags} & {"script", "img"}
    assert not [name for _tag, name, _value in page.attributes() if name.startswith("on")]
    assert "\x1b" not in source and "\u202e" not in source
    # Name, headline, case title, type and id, thoughts, actions, observations, provenance, split, stage.
    assert page.text.count(SHOWN) >= 12


def test_every_picture_says_in_words_what_it_shows(made: RunView) -> None:
    labels = [attributes.get("aria-label") or "" for tag, attributes in Page(render(made)).tags if tag == "svg"]
    assert len(labels) >= 8
    last = made.rounds[-1].scores["valid_unseen"].total
    assert any(f"Round 3 {100 * (last.rate or 0):.1f} %" in label for label in labels)
    assert all(re.search(r"\d", label) for label in labels)


def test_headings_do_not_skip_a_level_and_anchors_lead_somewhere(made: RunView) -> None:
    page = Page(render(made))
    levels = [int(tag[1]) for tag, _attributes in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [value for _tag, name, value in page.attributes() if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for _tag, name, value in page.attributes() if name == "href"} <= set(ids)


def test_colours_have_enough_contrast_in_both_themes() -> None:
    """WCAG AA: 4.5 for text on what it stands on; lines and bars (3.0) are the same colours as text here."""
    css = files("a3t.report").joinpath("report.css").read_text(encoding="utf-8")
    light, dark = (
        dict(re.findall(r"--(\w[\w-]*): (#[0-9a-f]{6})", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)[:2]
    )
    assert light.keys() == dark.keys()
    for theme in (light, dark):
        for text in ("ink", "soft", "won", "lost", *(f"t{i}" for i in range(1, 7))):
            for ground in ("card", "page"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
        assert contrast(theme["t0"], theme["card"]) >= 3.0
        assert contrast(theme["mark-ink"], theme["mark"]) >= 4.5


def contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_a_run_that_has_not_finished_a_round_has_a_page() -> None:
    page = Page(render(view_run("young", [])))
    assert "No round has been finished yet" in page.text
    assert "a3t resume" in page.text


def test_round_zero_alone_makes_no_claim_of_change() -> None:
    rounds, trajectories = make_run(num_rounds=1, num_test=12, num_train=12, with_base=False)
    text = Page(render(view_run("x", rounds, trajectories))).text
    assert re.search(r"Round 0 solves [\d.]+ % of 12 tasks in valid_unseen\.", text)
    assert "rose" not in text and "What exploring found" not in text


def test_a_run_without_a_composed_success_leaves_the_cases_out() -> None:
    rounds, trajectories = make_run(num_rounds=2, num_test=12, num_train=12)
    run = view_run("x", rounds, [t for t in trajectories if not (t.stage is Stage.EXPLORE and t.success)])
    text = Page(render(run)).text
    assert "What exploring found" not in text
    assert "Exploration of failed tasks" in text


def test_metrics_that_hold_nothing_or_nan_still_make_a_page() -> None:
    nan = float("nan")
    epochs = [{"success_nll": nan, "failed_nll": None}, {"success_nll": -0.2}, {}]
    metrics = {
        "training": {"epochs": epochs},
        "explore": {"gate": {"mean": nan}},
        "cost": {"train": {"seconds": nan}},
        "dataset": {"total": None},
    }
    source = render(view_run("x", [Round(0, "", {}), Round(1, "", metrics)]))
    assert "nan" not in Page(source).text.lower().split()
    assert "NaN" not in source and "None" not in Page(source).text


def test_a_run_whose_every_trial_broke_says_so() -> None:
    _rounds, trajectories = make_run(num_rounds=1, num_test=12, num_train=12)
    broken = score(replace(t, stop=Stop.MODEL_ERROR) for t in trajectories if t.task.split == "valid_seen").to_json()
    text = Page(render(view_run("x", [Round(0, "", {"scores": {"valid_seen": broken}})]))).text
    assert "Every episode on valid_seen broke." in text


def test_long_failures_are_folded_and_nothing_of_them_is_lost(made: RunView) -> None:
    source = render(made)
    case = max(made.cases, key=lambda case: case.failed.num_steps)
    assert case.failed.num_steps > 13
    assert re.search(r"<summary>\d+ more turns</summary>", source)
    page = Page(source)
    assert all(step.observation in page.text for step in case.failed.steps)


def test_the_same_run_gives_the_same_bytes(made: RunView) -> None:
    assert render(made) == render(made)


def test_report_is_written_whole_or_not_at_all(made: RunView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.html"
    path.write_text("the old one")

    def full(self: Path, *_arguments: object, **_options: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(DiskFullError, match="run itself is safe"):
            write_report(made, path)
    assert path.read_text() == "the old one"
    assert write_report(made, path) == path
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_folder_that_cannot_be_written_is_one_clear_message(made: RunView, tmp_path: Path) -> None:
    with pytest.raises(A3TError, match="cannot write the report"):
        write_report(made, tmp_path / "nowhere" / "report.html")


def test_the_page_is_made_without_a_model_or_plotting_library() -> None:
    heavy = {"torch", "transformers", "matplotlib", "numpy"}
    code = f"import sys, a3t.report.html, a3t.report.show; print(sorted({heavy} & sys.modules.keys()))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    assert printed.strip() == "[]"
