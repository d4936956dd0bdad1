"""Nothing that has no glyph reaches a reader unseen."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t.report.visible import one_line, visible


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\x00b", r"a\x00b"),
        ("pay \u202e001$", r"pay \u202e001$"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("lone \ud800 surrogate", r"lone \ud800 surrogate"),
        ("tag \U000e0041", r"tag \U000e0041"),
        ("line\u2028separator", r"line\u2028separator"),
    ],
)
def test_what_has_no_glyph_becomes_an_escape(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


def test_ordinary_text_of_any_language_stays() -> None:
    for text in ("You arrive at desk 1.\n\nA mug.", "größer als 3 ½ — 漢字 и кириллица", "naïve café"):
        assert visible(text) == text


def test_windows_newlines_and_tabs_are_tidied() -> None:
    assert visible("a\r\nb\tc\r") == "a\nb c\\x0d"


@given(st.text())
def test_visible_text_can_always_be_written_and_hides_nothing(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not [c for c in shown if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"}]
    assert visible(shown) == shown


@given(st.text(), st.integers(1, 30))
def test_one_line_is_one_line_and_no_longer_than_asked(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert "\n" not in line
    assert len(line) <= limit
