"""The shop's rules, the original's quirks among them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t.envs.webshop.catalogue import Catalogue
from a3t.envs.webshop.session import Session, Shop, parse_action

WISH = "i need shoes"


def clicked(shop: Shop, session: Session, *labels: str) -> Session:
    for label in labels:
        session = shop.click(session, label, shop.render(session, WISH))
    return session


@pytest.fixture
def shop(catalogue: Catalogue) -> Shop:
    return Shop(catalogue)


@pytest.fixture
def item(shop: Shop) -> Session:
    """The page of the first product with two option groups."""
    found = shop.search(Session(), ("running", "shoes"))
    for number in shop.results(found.keywords):
        product = shop.catalogue.product(number)
        if len(product.options) == 2:
            return replace(found, page="item_page", asin=product.asin, url=f"x/item_page/{product.asin}")
    raise AssertionError("no running shoes with two option groups")


@given(st.text(alphabet="[]ab\n", max_size=12))
def test_actions_are_parsed_as_the_originals_expression_does(action: str) -> None:
    found = re.match(r"(.+)\[(.+)\]", action)
    assert parse_action(action) == ((action, None) if found is None else found.groups())


def test_parsing_a_megabyte_of_brackets_takes_no_time() -> None:
    assert parse_action("[" * 1_000_000)[1] is None


def test_choosing_twice_in_a_group_keeps_the_later_choice(shop: Shop, item: Session) -> None:
    (first, values), (second, others) = shop.product(item).options
    chosen = clicked(shop, item, values[0], others[0], values[1])
    assert chosen.options == ((first, values[1]), (second, others[0]))
    assert f'"{values[1]}"' in chosen.url and chosen.page == "item_page"


def test_sub_pages_keep_the_options_and_lead_back(shop: Shop, item: Session) -> None:
    value = shop.product(item).options[0][1][0]
    below = clicked(shop, item, value, "features")
    assert (below.page, below.sub_page) == ("item_sub_page", "Features")
    assert clicked(shop, below, "< prev") == clicked(shop, item, value)


def test_going_back_to_the_results_or_searching_anew_forgets_the_options(shop: Shop, item: Session) -> None:
    chosen = clicked(shop, item, shop.product(item).options[0][1][0])
    back = clicked(shop, chosen, "< prev")
    assert (back.page, back.number, back.options, back.asin) == ("search_results", 1, (), "")
    assert shop.search(chosen, ("boots",)).options == ()


def test_products_that_were_opened_stay_marked_until_the_search_page(shop: Shop) -> None:
    found = shop.search(Session(), ("shoes",))
    asin = shop.catalogue.product(shop.results(("shoes",))[0]).asin
    back = clicked(shop, found, asin.lower(), "< prev")
    assert back.visited == {asin}
    assert clicked(shop, back, "back to search") == Session()


def test_next_is_always_shown_even_past_the_end(shop: Shop) -> None:
    session = shop.search(Session(), ("shoes",))
    for _ in range(7):
        session = clicked(shop, session, "next >")
    page = shop.render(session, WISH)
    assert session.number == 8 and page.pieces[3].text.startswith("Page 8 (Total results: ")
    assert list(page.clickables) == ["back to search", "< prev", "next >"]


def test_a_query_that_names_a_page_confuses_the_original_and_so_ours(shop: Shop) -> None:
    """`< Prev` on an item found with 'search_results' in the query turns a results page instead."""
    found = shop.search(Session(), ("search_results", "shoes"))
    asin = shop.catalogue.product(shop.results(found.keywords)[0]).asin
    assert clicked(shop, found, asin.lower(), "< prev").number == 0


def test_magic_queries_list_by_category_query_attribute_and_chance(shop: Shop) -> None:
    product = shop.catalogue.product(5)
    everything = list(shop.catalogue.products())
    assert shop.results(("<c>", product.category)) == tuple(n for n, p in enumerate(everything) if p.category == product.category)
    assert shop.results(("<q>", *product.query.split())) == tuple(n for n, p in enumerate(everything) if p.query == product.query)
    attribute = product.attributes[0]
    assert shop.results(("<a>", *attribute.split())) == tuple(n for n, p in enumerate(everything) if attribute in p.attributes)
    drawn = shop.results(("<r>",))
    assert len(set(drawn)) == 50 and drawn == shop.results(("<r>",)) and drawn != Shop(shop.catalogue, seed=3).results(("<r>",))
    assert shop.results(("<c>",)) == () and shop.results(("<a>", "no such thing")) == ()
