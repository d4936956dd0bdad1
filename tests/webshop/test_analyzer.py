"""Index terms equal those of Lucene's English analysis; the expected lists were read off Anserini 0.14.3 (Lucene 8.11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t.envs.webshop.analyzer import STOP_WORDS, terms, words
from a3t.envs.webshop.porter import stem


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Women's Shoes, Men’s Boots", ["women", "shoe", "men", "boot"]),
        ("15.6-inch 1,000 mAh 3.5mm v2.0", ["15.6", "inch", "1,000", "mah", "3.5mm", "v2.0"]),
        ("parameters:upper material", ["parameters:upp", "materi"]),
        ("snake_case __x__ ___", ["snake_cas", "__x__"]),
        ("this is the end of it", ["end"]),
        ("❤️ love ★ ™", ["❤️", "love", "★", "™"]),
        ("漢字ひらカタカナ 한국", ["漢", "字", "ひ", "ら", "カタカナ", "한국"]),
        ("o'neil's i.e. a.b.c. u.s.a", ["o'neil", "i.", "a.b.c", "u.s.a"]),
        ("", []),
    ],
)
def test_terms_equal_lucenes(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_a_token_longer_than_lucenes_buffer_is_cut_into_pieces() -> None:
    assert [len(word) for word in words("x" * 600)] == [255, 255, 90]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"), ("ponies", "poni"), ("feed", "feed"), ("agreed", "agre"), ("plastered", "plaster"),
        ("motoring", "motor"),
        ("conflated", "conflat"), ("hopping", "hop"), ("falling", "fall"), ("filing", "file"), ("happy", "happi"), ("sky", "sky"),
        ("relational", "relat"), ("conditional", "condit"), ("vietnamization", "vietnam"), ("triplicate", "triplic"),
        ("adoption", "adopt"),
        ("controll", "control"), ("probate", "probat"), ("archaeology", "archaeolog"), ("possibly", "possibl"),
        ("is", "is"), ("yyy", "yyi"),
    ],
)  # fmt: skip
def test_stems_are_porters(word: str, expected: str) -> None:
    assert stem(word) == expected


def test_there_are_33_stop_words() -> None:
    assert len(STOP_WORDS) == 33


@given(st.text())
def test_any_text_has_terms_and_none_is_empty(text: str) -> None:
    assert all(terms(text)) or not terms(text)


@given(st.text(alphabet="ab1._':;,- x\"", max_size=60))
def test_the_fast_way_through_ascii_finds_the_same_words(text: str) -> None:
    assert words(text) == [word for word in words(text + " é") if word != "é"]
