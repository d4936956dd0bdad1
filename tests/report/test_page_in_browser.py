"""The page in a real browser: what must be shown is in its document, at the width of a desk and of a phone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hostile_run import SHOWN, hostile_run
from parsed_page import Page

from a3t.report.html import write_report
from a3t.report.view import RunView

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a headless Chromium (apt-get install chromium)"),
]

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def browse(path: Path, profile: Path, *options: str) -> str:
    command = [str(CHROMIUM), *OPTIONS, f"--user-data-dir={profile}", *options, path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_browser_shows_what_the_page_says(made: RunView, tmp_path: Path) -> None:
    page = Page(browse(write_report(made, tmp_path / "report.html"), tmp_path / "profile", "--dump-dom"))
    assert "Success on valid_unseen rose" in page.text
    assert [tag for tag, _attributes in page.tags].count("svg") >= 8
    for case in made.cases:
        assert case.task.instruction in page.text
    assert "Single trial, valid_unseen" in page.text and "What this was made of" in page.text


def test_browser_runs_nothing_that_an_environment_wrote(tmp_path: Path) -> None:
    page = Page(browse(write_report(hostile_run(), tmp_path / "report.html"), tmp_path / "profile", "--dump-dom"))
    assert not {tag for tag, _attributes in page.tags} & {"script", "img"}
    assert page.text.count(SHOWN) >= 12


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_sticks_out_at_the_side(made: RunView, tmp_path: Path, width: int) -> None:
    """Measured by a page around it, because the report itself runs no script."""
    report = write_report(made, tmp_path / "report.html")
    frame = tmp_path / "frame.html"
    # srcdoc keeps the two of one origin, so that the outer page may look inside; the report's own policy stays in force.
    inside = report.read_text(encoding="utf-8").replace("&", "&amp;").replace('"', "&quot;")
    frame.write_text(
        f'<!doctype html><meta charset="utf-8"><iframe srcdoc="{inside}" style="width:{width}px;height:900px;border:0"></iframe>'
        "<output>?</output><script>onload = () => { const d = document.querySelector('iframe').contentDocument.documentElement;"
        "document.querySelector('output').textContent = d.clientWidth + ' ' + d.scrollWidth }</script>",
        encoding="utf-8",
    )
    source = browse(frame, tmp_path / "profile", "--dump-dom", "--virtual-time-budget=3000")
    measured = source.split("<output>")[1].split("</output>")[0].split()
    assert measured == [str(width), str(width)]
