"""Official files become a catalogue once, whatever interrupts it, and what is missing or broken is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from a3t.envs.webshop import importing
from a3t.envs.webshop.catalogue import Catalogue
from a3t.envs.webshop.goals import catalogue_goals
from a3t.envs.webshop.importing import import_catalogue, open_catalogue
from a3t.errors import BadDataError, MissingDataError

RECORD = {
    "name": "Red Mug", "full_description": "A mug.", "pricing": "$9.98", "images": ["x.jpg"], "product_category": "Home › Mugs",
    "small_description": ["Holds tea ", "Red"], "customization_options": {"Color": [{"value": " Red/Blue "}], "Style": None},
    "asin": "B000000001", "category": "garden", "query": " Mugs ", "average_rating": "", "page": 1,
}  # fmt: skip


def write(folder: Path, records: list[dict], attributes: dict | None = None, human: dict | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "items_shuffle.json").write_text(json.dumps(records))
    (folder / "items_ins_v2.json").write_text(json.dumps(attributes or {}))
    if human is not None:
        (folder / "items_human_ins.json").write_text(json.dumps(human))
    return folder


def contents(catalogue: Catalogue) -> list[object]:
    return [*catalogue.products(), catalogue.search("water resistant shoes"), catalogue.manifest["hash"]]


def test_a_record_becomes_the_product_that_the_original_shows(tmp_path: Path) -> None:
    write(tmp_path / "raw", [RECORD], {"B000000001": {"attributes": ["lead free"]}})
    product = Catalogue(import_catalogue(tmp_path / "raw", tmp_path / "out")).product(0)
    assert (product.title, product.price_tag, product.prices) == ("Red Mug", "$9.98", (9.98,))
    assert product.options == (("color", ("red | blue",)),)
    assert (product.query, product.attributes, product.bullets) == ("mugs", ("lead free",), ("Holds tea ", "Red"))
    assert product.indexed_text == "red mug a mug. holds tea  color: red | blue"


def test_what_the_original_skips_is_skipped(tmp_path: Path) -> None:
    """No usable ASIN, or one that came before."""
    records = [
        RECORD,
        RECORD | {"name": "Twin"},
        RECORD | {"asin": "nan"},
        RECORD | {"asin": "B00000000012"},
        RECORD | {"asin": "B2"},
    ]
    catalogue = Catalogue(import_catalogue(write(tmp_path / "raw", records), tmp_path / "out"))
    assert [(p.asin, p.title) for p in catalogue.products()] == [("B000000001", "Red Mug"), ("B2", "Red Mug")]
    assert catalogue.product(1).attributes == ("DUMMY_ATTR",)


@pytest.mark.parametrize(
    ("pricing", "prices", "tag"),
    [("$19.99$27.99", (19.99, 27.99), "$19.99 to $27.99"), ("", (100.0,), "$100.0"), (None, (100.0,), "$100.0"),
     ("$1,299.00", (1299.0,), "$1299.0"),
     ("$1$2$3", (1.0, 2.0), "$1.0 to $2.0"), ("free", (100.0,), "$100.0"), ("$.", (100.0,), "$100.0")],
)  # fmt: skip
def test_prices_are_read_as_the_original_reads_them(pricing: str | None, prices: tuple[float, ...], tag: str) -> None:
    from a3t.envs.webshop.product import parse_price

    assert parse_price(pricing) == (prices, tag)


def test_an_interrupted_import_goes_on_and_ends_with_the_same_catalogue(
    generated: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK_PRODUCTS", 300)
    real, calls = importing.write_block, []

    def dying(path: Path, texts: list[str]) -> None:
        calls.append(path.name)
        real(path, texts)
        if len(calls) % 3 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(importing, "write_block", dying)
    for _ in range(20):
        try:
            import_catalogue(generated / "official", tmp_path / "out")
            break
        except KeyboardInterrupt:
            continue
    # Eight blocks of 300; each death repeats the one whose commit it prevented.
    assert sorted(set(calls)) == [f"{first:09d}.npz" for first in range(0, 2300, 300)]
    assert 8 < len(calls) <= 12
    assert contents(Catalogue(tmp_path / "out"))[:-1] == contents(catalogue)[:-1]
    assert not (tmp_path / "out" / "blocks").exists()


def killed_at_the_end(monkeypatch: pytest.MonkeyPatch, raw: Path, out: Path) -> None:
    """Die when the index is laid out, all but the manifest being done."""

    def dies(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(importing.Path, "replace", lambda path, to: dies(path) if to.name == "catalogue.json" else path.rename(to))
        import_catalogue(raw, out)


def test_an_import_killed_just_before_it_was_complete_still_has_its_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = write(tmp_path / "raw", [RECORD, RECORD | {"asin": "B2"}])
    killed_at_the_end(monkeypatch, raw, tmp_path / "out")
    catalogue = Catalogue(import_catalogue(raw, tmp_path / "out"))
    assert sorted(catalogue.search("red mug")) == ["B000000001", "B2"]
    assert not (tmp_path / "out" / "blocks").exists()


@pytest.mark.parametrize(
    "harm", [lambda block: block.unlink(), lambda block: block.write_bytes(b"PK half")], ids=["lost", "torn"]
)
def test_products_whose_terms_were_lost_are_read_again(
    harm: Callable[[Path], object], generated: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BLOCK_PRODUCTS", 800)
    killed_at_the_end(monkeypatch, generated / "official", tmp_path / "out")
    harm(tmp_path / "out" / "blocks" / "000000800.npz")
    assert contents(Catalogue(import_catalogue(generated / "official", tmp_path / "out")))[:-1] == contents(catalogue)[:-1]


def test_blocks_left_behind_by_a_complete_import_are_cleared_away(tmp_path: Path) -> None:
    out = import_catalogue(write(tmp_path / "raw", [RECORD]), tmp_path / "out")
    (out / "blocks").mkdir()
    import_catalogue(tmp_path / "raw", out)
    assert not (out / "blocks").exists()


def test_a_catalogue_whose_index_knows_fewer_products_is_refused(tmp_path: Path) -> None:
    out = import_catalogue(write(tmp_path / "raw", [RECORD]), tmp_path / "out")
    manifest = json.loads((out / "catalogue.json").read_text())
    (out / "catalogue.json").write_text(json.dumps(manifest | {"num_products": 2}))
    with pytest.raises(BadDataError, match=r"knows 1 of 2 products.\n  Try: delete the folder and import again"):
        Catalogue(out)


def test_a_truncated_file_names_the_product_and_a_mended_one_goes_on(generated: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(generated / "official", raw)
    whole = (raw / "items_shuffle.json").read_bytes()
    (raw / "items_shuffle.json").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadDataError, match=r"element \d+ \(\w.*\), which begins at byte \d+: the file ends at byte"):
        import_catalogue(raw, tmp_path / "out")
    (raw / "items_shuffle.json").write_bytes(whole)
    assert Catalogue(import_catalogue(raw, tmp_path / "out")).num_products == 2300


def test_a_malformed_product_is_named(tmp_path: Path) -> None:
    write(tmp_path / "raw", [RECORD, RECORD | {"asin": "B2", "name": None}])
    with pytest.raises(BadDataError, match=r"product 1 \(B2\), which begins at byte \d+: field 'name': expected text"):
        import_catalogue(tmp_path / "raw", tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "entry", "why"),
    [
        ("items_ins_v2", {"attributes": 5}, "attributes: expected a list of texts, found 5"),
        ("items_ins_v2", {"attributes": "abc"}, "attributes: expected a list of texts, found 'abc'"),
        ("items_ins_v2", {"instruction": {}}, "instruction: expected text"),
        ("items_ins_v2", {"instruction_attributes": "abc"}, "instruction_attributes: expected a list of texts"),
        ("items_ins_v2", [], "expected an object"),
        ("items_human_ins", {}, "expected a list of instructions"),
        ("items_human_ins", ["buy it"], "expected an object, found 'buy it'"),
        ("items_human_ins", [{"instruction_attributes": "red"}], "instruction_attributes: expected a list of texts"),
        ("items_human_ins", [{"instruction_attributes": ["red"], "instruction_options": 3}], "instruction_options: expected"),
        ("items_human_ins", [{"instruction_attributes": ["red"]}], "instruction: expected text, found None"),
        ("items_human_ins", [{"instruction_attributes": ["\ud800"]}], "instruction_attributes: .* half a character"),
        ("items_ins_v2", {"instruction": "\ud800"}, "instruction: .* half a character"),
    ],
)  # fmt: skip
def test_malformed_instructions_are_named_before_the_import_counts_as_done(
    tmp_path: Path, file: str, entry: object, why: str
) -> None:
    raw = write(tmp_path / "raw", [RECORD])
    (raw / f"{file}.json").write_text(json.dumps({"B000000001": entry}))
    for _ in range(2):
        with pytest.raises(BadDataError, match=rf"{file}\.json: 'B000000001', which begins at byte 1: {why}"):
            import_catalogue(raw, tmp_path / "out")


@pytest.mark.parametrize(
    "options",
    ["red", [1], {"Color": "red"}, {"Color": [{"values": "red"}]}, {"Color": [None]}, {"Color": [{"value": 3}]}],
    ids=str,
)
def test_options_of_another_shape_are_refused_and_not_dropped(tmp_path: Path, options: object) -> None:
    raw = write(tmp_path / "raw", [RECORD | {"customization_options": options}])
    with pytest.raises(BadDataError, match=r"product 0 \(B000000001\), which begins at byte 1: customization_options"):
        import_catalogue(raw, tmp_path / "out")


@pytest.mark.parametrize("field", ["asin", "category", "query"])
def test_what_is_looked_up_cannot_be_half_a_character(tmp_path: Path, field: str) -> None:
    raw = write(tmp_path / "raw", [RECORD | {field: "\ud800"}])
    with pytest.raises(BadDataError, match=rf"product 0 .*, which begins at byte 1: {field}: expected text, found half a char"):
        import_catalogue(raw, tmp_path / "out")


def test_a_title_may_hold_half_a_character_and_goals_for_it_are_written(tmp_path: Path) -> None:
    human = {"B000000001": [{"instruction": "a mug", "instruction_attributes": ["red"], "instruction_options": []}]}
    raw = write(tmp_path / "raw", [RECORD | {"name": "half \ud83d"}], human=human)
    catalogue = Catalogue(import_catalogue(raw, tmp_path / "out"))
    assert [goal.name for goal in catalogue_goals(catalogue, "human")] == ["half \ud83d"]


@pytest.mark.parametrize("file", ["items_ins_v2", "items_human_ins"])
def test_instructions_that_belong_to_no_product_are_refused(tmp_path: Path, file: str) -> None:
    raw = write(tmp_path / "raw", [RECORD])
    (raw / f"{file}.json").write_text('[{"attributes": ["red"]}]')
    with pytest.raises(BadDataError, match=rf"{file}\.json: expected a JSON object, found '\[.*' at byte 0"):
        import_catalogue(raw, tmp_path / "out")


@pytest.mark.parametrize("none", ["", None, {}, []], ids=repr)
def test_a_product_without_options_may_say_so_in_any_way(tmp_path: Path, none: object) -> None:
    raw = write(tmp_path / "raw", [RECORD | {"customization_options": none}])
    assert Catalogue(import_catalogue(raw, tmp_path / "out")).product(0).options == ()


def test_what_follows_the_end_of_a_file_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", [RECORD])
    whole = (raw / "items_shuffle.json").read_text()
    (raw / "items_shuffle.json").write_text(whole + " \n[]")
    with pytest.raises(BadDataError, match=rf"after the final '\]' nothing should follow, found '\[\]' at byte {len(whole) + 2}"):
        import_catalogue(raw, tmp_path / "out")
    (raw / "items_shuffle.json").write_text(whole + "\n \n")
    assert Catalogue(import_catalogue(raw, tmp_path / "out")).num_products == 1


def test_a_folder_of_official_files_is_imported_once_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A3T_CACHE", str(tmp_path / "cache"))
    raw = write(tmp_path / "raw", [RECORD])
    first = open_catalogue(raw)
    assert open_catalogue(raw).folder == first.folder and first.num_products == 1
    assert open_catalogue(first.folder).num_products == 1
    write(raw, [RECORD, RECORD | {"asin": "B2"}])
    assert open_catalogue(raw).num_products == 2


def test_a_folder_that_holds_the_catalogue_of_other_files_is_not_taken_for_theirs(tmp_path: Path) -> None:
    old, new = write(tmp_path / "old", [RECORD]), write(tmp_path / "new", [RECORD, RECORD | {"asin": "B2"}])
    out = import_catalogue(old, tmp_path / "out")
    assert import_catalogue(old, out) == out
    with pytest.raises(
        BadDataError, match=r"out holds another catalogue, of 1 products.*other files than those in .*new.*\n  Try: "
    ):
        import_catalogue(new, out)
    assert Catalogue(out).num_products == 1


def test_a_catalogue_that_does_not_say_what_it_was_made_of_still_opens(tmp_path: Path) -> None:
    raw = write(tmp_path / "raw", [RECORD])
    out = import_catalogue(raw, tmp_path / "out")
    manifest = json.loads((out / "catalogue.json").read_text())
    del manifest["fingerprint"]
    (out / "catalogue.json").write_text(json.dumps(manifest))
    assert Catalogue(import_catalogue(raw, out)).num_products == 1


def test_missing_files_are_named_with_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"there is no folder.*\n.*princeton-nlp/WebShop"):
        open_catalogue(tmp_path / "nowhere")
    (tmp_path / "items_shuffle.json").write_text("[]")
    with pytest.raises(MissingDataError, match=r"with items_ins_v2\.json.*found items_shuffle\.json"):
        open_catalogue(tmp_path)
    (tmp_path / "items_ins_v2.json").write_text("{}")
    with pytest.raises(BadDataError, match="no usable product"):
        import_catalogue(tmp_path, tmp_path / "out")


def test_a_catalogue_of_another_version_is_refused(tmp_path: Path) -> None:
    out = import_catalogue(write(tmp_path / "raw", [RECORD]), tmp_path / "out")
    (out / "catalogue.json").write_text('{"format": 99}')
    with pytest.raises(BadDataError, match=r"format 99; this a3t reads 1"):
        Catalogue(out)
    (out / "catalogue.json").write_text("{")
    with pytest.raises(BadDataError, match="damaged"):
        Catalogue(out)


def test_titles_of_a_megabyte_and_every_kind_of_text_survive(tmp_path: Path) -> None:
    title = "<script>alert(1)</script> [click me] </s> \x00\x1f \u202e é " + "x" * 1_000_000
    catalogue = Catalogue(import_catalogue(write(tmp_path / "raw", [RECORD | {"name": title}]), tmp_path / "out"))
    assert catalogue.product(0).title == title
    assert catalogue.search("script alert") == ["B000000001"]
