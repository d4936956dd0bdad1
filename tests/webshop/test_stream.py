"""Big JSON files are read an element at a time, from any element on, and name the byte at which they break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a3t.envs.webshop.stream import read_elements
from a3t.errors import BadDataError, MissingDataError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(VALUES, max_size=6), st.integers(1, 9), st.sampled_from([None, 1]), st.booleans())
def test_elements_are_what_json_says_whatever_the_chunk_size(
    tmp_path: Path, values: list[object], size: int, indent: int | None, ascii_only: bool
) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=ascii_only), encoding="utf-8", errors="surrogatepass")
    assert [element.value for element in read_elements(path, chunk_bytes=size)] == values


def test_an_objects_members_come_with_their_keys(tmp_path: Path) -> None:
    path = tmp_path / "object.json"
    path.write_text('\ufeff { "a" : [1, 2] , "b":{} }', encoding="utf-8")
    assert [(e.key, e.value) for e in read_elements(path, chunk_bytes=3)] == [("a", [1, 2]), ("b", {})]


def test_reading_goes_on_where_an_element_ended(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text(json.dumps([{"name": "é" * n} for n in range(20)], ensure_ascii=False), encoding="utf-8")
    whole = list(read_elements(path))
    for element in whole:
        assert list(read_elements(path, element.end, element.index + 1, chunk_bytes=5)) == whole[element.index + 1 :]
        assert json.loads(path.read_bytes()[element.start : element.end]) == element.value


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[{"asin": "B1"}, {"asin": "B2", "name": "half', r"element 1 \(B2\), which begins at byte 17.*in the middle"),
        (
            '[{"asin": "B1"}, {"asin": "B2" "name": 3}, {"asin": "B3"}' + " " * 99 + "]",
            r"element 1 \(B2\).*begins at byte 17.*byte 31",
        ),
        ('[{"asin": "B1"}', "cut short.*byte 15"),
        ('[{"asin": "B1"} {"asin": "B2"}]', "expected ',' or ']' after element 0"),
        ("3", "expected a JSON array or object"),
        ("", "cut short: it ends at byte 0"),
        ("{3: 4}", "element 0.*byte 1"),
        ("[" * 100_000, "nested too deeply|in the middle"),
    ],
)
def test_a_broken_file_names_the_product_and_the_byte(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "items.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadDataError, match=f"(?s){why}"):
        list(read_elements(path, chunk_bytes=16))


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "items.json"
    path.write_bytes(b'["\xff\xfe"]')
    with pytest.raises(BadDataError, match="not UTF-8 at about byte 2"):
        list(read_elements(path))
    with pytest.raises(MissingDataError, match="cannot read"):
        list(read_elements(tmp_path / "nothing.json"))
