"""Pages read as the original's do, byte for byte, whatever text a product brings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from a3t.envs.webshop.observe import as_react, as_rich_text, as_text
from a3t.envs.webshop.pages import done_page, item_page, results_page, search_page, sub_page
from a3t.envs.webshop.product import Product

WISH = "i need a mug, and price lower than 20.00 dollars"


def test_the_search_page() -> None:
    page = search_page(WISH)
    assert as_text(page) == f"WebShop [SEP] Instruction: [SEP] {WISH} [SEP] Search"
    assert as_rich_text(page, "", ()) == f"WebShop\nInstruction: \n{WISH}\n[button] Search [button_]\n"
    assert as_react(page, True, "") == f"\nWebShop \nInstruction:  \n{WISH} \n[Search] "
    assert list(page.clickables) == ["search"]


def test_a_results_page(mug: Product) -> None:
    page = results_page(WISH, [mug, replace(mug, asin="B000000002", title="Cup")], 2, 50)
    assert as_text(page) == (
        f"Instruction: [SEP] {WISH} [SEP] Back to Search [SEP] Page 2 (Total results: 50) [SEP] < Prev [SEP] "
        f"Next > [SEP] B000000MUG "
        "[SEP] Stoneware Mug, Dishwasher Safe [SEP] $9.5 [SEP] B000000002 [SEP] Cup [SEP] $9.5"
    )
    assert as_rich_text(page, "", {"B000000002"}) == (
        f"Instruction:\n{WISH}\n[button] Back to Search [button_]\nPage 2 (Total results: 50)\n[button] < Prev [button_]\n"
        "[button] Next > [button_]\n\n[button] B000000MUG [button_]\nStoneware Mug, Dishwasher Safe\n$9.5\n"
        "\n[clicked button] B000000002 [clicked button_]\nCup\n$9.5\n"
    )
    assert as_react(page, False, "") == (
        "\n[Back to Search] \nPage 2 (Total results: 50) \n[< Prev] \n[Next >] \n[B000000MUG] \nStoneware "
        "Mug, Dishwasher Safe \n$9.5 "
        "\n[B000000002] \nCup \n$9.5 "
    )
    assert list(page.clickables) == ["back to search", "< prev", "next >", "b000000mug", "b000000002"]


def test_react_sees_three_products_and_may_click_ten(mug: Product) -> None:
    page = results_page(WISH, [replace(mug, asin=f"B00000000{n}") for n in range(10)], 1, 50, shown=3)
    assert as_react(page, False, "").count("$9.5") == 3
    assert [label for label in page.clickables if label.startswith("b0")] == [f"b00000000{n}" for n in range(10)]
    assert "< prev" not in page.clickables


def test_an_item_page_marks_the_options_that_its_address_holds(mug: Product) -> None:
    page = item_page(WISH, mug)
    assert as_text(page) == (
        f"Instruction: [SEP] {WISH} [SEP] Back to Search [SEP] < Prev [SEP] color [SEP] red [SEP] dark blue "
        f"[SEP] size [SEP] 12 ounce [SEP] "
        "Stoneware Mug, Dishwasher Safe [SEP] Price: $9.5 [SEP] Rating: N.A. [SEP] Description [SEP] Features "
        "[SEP] Reviews [SEP] Buy Now"
    )
    rich = as_rich_text(page, '/{"color": "red"}', ())
    assert rich.startswith(f"You have clicked red.\nInstruction:\n{WISH}\n")
    assert "color\n  [clicked button] red [clicked button_]\n  [button] dark blue [button_]\nsize\n" in rich
    assert as_react(page, False, "/{'color': 'red'}") == (
        "\n[Back to Search] \n[< Prev] \ncolor [[red]][dark blue]\nsize [12 ounce]\nStoneware Mug, Dishwasher Safe \nPrice: $9.5 "
        "\nRating: N.A. \n[Description] \n[Features] \n[Reviews] \n[Buy Now] "
    )
    assert list(page.clickables) == [
        "back to search", "< prev", "description", "features", "reviews", "buy now", "red", "dark blue", "12 ounce",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("Description", ["A mug. Holds 12 ounces."]),
        ("Features", [" Dishwasher safe ", " Made of clay"]),
        ("Reviews", []),
        ("Attributes", [" dishwasher safe", " lead free", "garden", "coffee mugs", "Home & Kitchen › Dining › Mugs"]),
    ],
)
def test_sub_pages(mug: Product, name: str, texts: list[str]) -> None:
    page = sub_page(WISH, mug, name)
    start = [f"Instruction: [SEP] {WISH} [SEP] Back to Search [SEP] < Prev", *(text.strip() for text in texts)]
    assert as_text(page) == " [SEP] ".join(start)
    assert as_react(page, False, "") == "\n[Back to Search] \n[< Prev] " + "".join(f"\n{text} " for text in texts)


def test_the_last_page_tells_the_score_and_what_a_text_browser_sees_of_the_rest() -> None:
    page = done_page(2 / 3, "B000000MUG", {"size": "12 ounce", "color": "rock & roll's"})
    assert as_react(page, False, "") == "Your score (min 0.0, max 1.0): 0.6666666666666666"
    assert as_text(page) == (
        "Thank you for shopping with us! [SEP] Your code: [SEP] None [SEP] (Paste it in your MTurk "
        "interface.) [SEP] Purchased [SEP] asin "
        "[SEP] B000000MUG [SEP] options [SEP] "
        '{"color": "rock \\u0026 roll\\u0027s", "size": "12 ounce"} [SEP] attrs [SEP] None [SEP] '
        "category [SEP] None [SEP] query [SEP] None [SEP] product category [SEP] None [SEP] Target [SEP] asin "
        "[SEP] options [SEP] attrs "
        "[SEP] price upper [SEP] instuction text [SEP] category [SEP] product category [SEP] query [SEP] Goal "
        "[SEP] None [SEP] Reward [SEP] "
        "Your score (min 0.0, max 1.0) [SEP] 0.6666666666666666 [SEP] Reward Details [SEP] None"
    )


@pytest.mark.parametrize(
    "text", ["[click me]", "</s><script>alert(1)</script>", "a\x00\x07b", "&amp; <b>", "<!-- x -->", "x" * 1_000_000]
)
def test_hostile_product_text_stays_text(mug: Product, text: str) -> None:
    page = item_page(WISH, replace(mug, title=text))
    assert f" [SEP] {text} [SEP] Price: $9.5" in as_text(page)
    assert f"\n{text}\n" in as_rich_text(page, "", ())
    assert f"\n{text} \n" in as_react(page, False, "")
    assert text.lower() not in page.clickables


@pytest.mark.parametrize(("title", "shown"), [("", []), (" ", [""]), ("\n", []), ("  \n ", []), ("\t", [""]), ("\xa0", [""])])
def test_empty_text_leaves_what_an_html_parser_leaves(mug: Product, title: str, shown: list[str]) -> None:
    texts = as_text(results_page(WISH, [replace(mug, title=title)], 1, 1)).split(" [SEP] ")
    assert texts[-2 - len(shown) :] == ["B000000MUG", *shown, "$9.5"]


def test_an_option_named_like_a_button_takes_its_place(mug: Product) -> None:
    page = item_page(WISH, replace(mug, options=(("color", ("buy now", "red")), ("trim", ("red",)))))
    assert page.clickables["buy now"].group == "color"
    assert page.clickables["red"].group == "trim"
