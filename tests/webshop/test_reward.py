"""Rewards and their parts, against recorded purchases and worked examples of the original."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from a3t.envs.webshop.goals import Goal
from a3t.envs.webshop.nouns import load_tagger, small_nouns
from a3t.envs.webshop.product import Product
from a3t.envs.webshop.reward import alike, first_color, matches_option, score_purchase, type_parts
from a3t.errors import MissingExtraError, UnknownNameError


@pytest.fixture
def goal(mug: Product) -> Goal:
    return Goal(
        mug.asin,
        mug.category,
        mug.query,
        mug.title,
        mug.product_category,
        "",
        ("dishwasher safe", "made of clay"),
        20.0,
        ("red",),
    )


def score(product: Product, goal: Goal, price: float = 9.5, **options: str):
    return score_purchase(product, goal, price, options, small_nouns, "small-1")


def test_the_goal_product_with_its_option_in_budget_earns_one(mug: Product, goal: Goal) -> None:
    reward, parts = score(mug, goal, color="red")
    assert reward == 1.0
    assert parts == {
        "r_type": 1.0, "r_att": 1.0, "w_att": 0.5, "query_match": True, "category_match": True, "title_score": 1.0,
        "r_option": 1.0, "w_option": 0.25, "r_price": True, "w_price": 0.25,
        "matched_attributes": ["dishwasher safe", "made of clay"], "matched_options": ["red"], "noun_tagger": "small-1",
    }  # fmt: skip


def test_each_part_costs_its_share(mug: Product, goal: Goal) -> None:
    assert score(mug, goal).reward == 0.75
    assert score(mug, goal, price=20.01, color="red").reward == 0.75
    assert score(mug, replace(goal, attributes=("dishwasher safe", "blue willow")), color="red").reward == 0.75
    assert score(mug, replace(goal, goal_options=()), color="dark blue").reward == 1.0


def test_an_option_part_is_told_only_where_options_were_wanted(mug: Product, goal: Goal) -> None:
    parts = score(mug, replace(goal, goal_options=())).parts
    assert "r_option" not in parts and "w_option" not in parts


def test_colours_are_compared_by_their_first_colour_word() -> None:
    assert first_color("z2-pink") == "pink" and first_color("navy blue") == "blue" and first_color("8 wide") == "8 wide"
    assert matches_option("z2-pink", "pink") and matches_option("navy blue", "royal blue") and not matches_option("black", "pink")


def test_options_of_synthetic_goals_are_compared_as_pairs() -> None:
    """A pair holds a colour word only as one of its members; otherwise its printed form is compared."""
    assert first_color(("color", "red")) == "red"
    assert first_color(("color", "dark red")) == ("color", "dark red")
    assert matches_option("dark red", ("color", "dark red"))
    assert matches_option("12 ounce", ("size", "12 ounce")) and not matches_option("16 fl oz", ("size", "12 ounce"))


def test_a_ratio_of_85_and_a_bit_is_rounded_down_to_no_match() -> None:
    """The original rounds before it compares: 85.2 is 85, and 85 is not above 85."""
    from rapidfuzz import fuzz, utils

    one, other = "abcdefghijklmnopqrstuvwxyzab", "abcdefghijklmnopqrstuvwx0123"
    ratio = fuzz.token_set_ratio(one, other, processor=utils.default_process)
    assert 85 < ratio < 86 and alike(one, other) == (round(ratio) > 85)
    assert alike("Essential-Oils!", "essential oil") and alike("café", "caf") and not alike("", "")


def test_types_and_thresholds(mug: Product, goal: Goal) -> None:
    other = replace(mug, query="plates", product_category="Garden › Plates")
    assert type_parts(other, goal, small_nouns)["r_type"] == 1.0
    # Ten nouns wanted: two shared is 0.2 and no match; none shared overrides even the query.
    ten = replace(goal, name="Alpha Beta Gamma Delta Epsilon Zeta Eta Theta Iota Kappa")
    assert type_parts(replace(other, title="Alpha Beta"), ten, small_nouns) == {
        "r_type": 0.5, "query_match": False, "category_match": False, "title_score": 0.2,
    }  # fmt: skip
    assert type_parts(replace(mug, title="Alpha"), ten, small_nouns)["r_type"] == 1.0
    assert type_parts(replace(mug, title="Omega"), ten, small_nouns)["r_type"] == 0.0
    twenty = replace(ten, name=ten.name + " Lambda My Nu Xi Omikron Pi Rho Sigma Tau Ypsilon Phi")
    assert type_parts(replace(mug, title="Alpha"), twenty, small_nouns)["r_type"] == 0.1


def test_a_noun_that_the_goal_repeats_counts_against_it(mug: Product, goal: Goal) -> None:
    """So the goal's own product can stay below 1."""
    again = replace(mug, title="Spray Bottle Spray")
    assert type_parts(again, replace(goal, name=again.title), small_nouns)["title_score"] == 2 / 3


def test_categories_need_two_distinct_parts_in_common(mug: Product, goal: Goal) -> None:
    def shared(path: str) -> bool:
        return type_parts(replace(mug, product_category=path), replace(goal, product_category="a › b › c"), small_nouns)[
            "category_match"
        ]

    assert [shared(path) for path in ("b › c › a", "d › e › f", "a › a › b", "a › a › d")] == [True, False, True, False]


@pytest.mark.parametrize(
    ("goal_name", "title", "low", "high"),
    [
        ("adidas Unisex-Adult D.o.n. Issue 2 Basketball Shoe", "adidas Unisex-Adult D.o.n. Issue 2 Indoor Court Shoe", 0.7, 0.95),
        (
            "Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD Soundbar",
            "BRST AC Power Cord Outlet Socket Cable Plug Lead for Panasonic SC-HT830V DVD/VCR Combo Home Theater System",
            0.1,
            0.2,
        ),
        (
            "Rusticware 921ORB Kitchen and Bath Cabinet Knob",
            "Minkissy 2pcs Stainless Steel Eyebrow Tweezers Blackhead Acne Remover Portable Makeup Tweezers (Silver)",
            0.0,
            0.05,
        ),
    ],
)
def test_our_small_tagger_scores_titles_near_spacys(
    mug: Product, goal: Goal, goal_name: str, title: str, low: float, high: float
) -> None:
    """Examples of the original's own tests, whose spaCy scores are 0.85, 0.17 and below 0.05."""
    assert low <= type_parts(replace(mug, title=title), replace(goal, name=goal_name), small_nouns)["title_score"] <= high


def test_taggers_are_named_and_an_absent_one_says_how_to_get_it() -> None:
    assert load_tagger("small")[0] == "small-1"
    with pytest.raises(MissingExtraError, match=r"a3t\[spacy\]"):
        load_tagger("en_core_web_nothing")
    with pytest.raises(UnknownNameError, match="'small'"):
        load_tagger("smal")


@pytest.mark.data
def test_parts_of_recorded_human_purchases(real_files: Path, mug: Product) -> None:
    """Three people, three purchases on the full catalogue; what does not hang on the product's text must agree."""
    seen = 0
    for path in sorted((real_files / "human_trajs").glob("*.jsonl")):
        last = [json.loads(line) for line in path.read_text().splitlines()][-1]
        wanted = last["goal"]
        goal = Goal(**{**wanted, "attributes": tuple(wanted["attributes"]), "goal_options": tuple(wanted["goal_options"])})
        parts = score(mug, goal, price=last["content"]["price"], **last["content"]["options"]).parts
        info = last["reward_info"]
        assert parts.get("r_option") == info.get("r_option") and parts["r_price"] == info["r_price"]
        # The recorded reward is its parts, weighed as ours weighs them.
        total = (
            info["r_att"] * parts["w_att"]
            + info.get("r_option", 0) * parts.get("w_option", 0)
            + info["r_price"] * parts["w_price"]
        )
        assert last["reward"] == pytest.approx(info["r_type"] * total)
        seen += 1
    assert seen == 3
