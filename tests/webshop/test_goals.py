"""Goals: what they say, in which order, how they are split, and that files name them for good."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from a3t.envs.webshop import prices as price_module
from a3t.envs.webshop.agentboard import read_boards
from a3t.envs.webshop.catalogue import Catalogue
from a3t.envs.webshop.goals import (
    NO_LIMIT,
    catalogue_goals,
    human_goals,
    price_limit,
    product_price,
    read_goals,
    split_places,
    synthetic_goals,
    write_goals,
    write_prices,
)  # fmt: skip
from a3t.envs.webshop.prices import prices_from_file
from a3t.errors import BadDataError, MissingDataError, UnknownNameError


def test_limits_are_the_larger_of_two_of_the_next_four_tens() -> None:
    drawn = {price_limit(25.5, random.Random(seed)) for seed in range(200)}
    assert drawn == {40.0, 50.0, 60.0}
    assert price_limit(975.0, random.Random(0)) == 990.0
    assert price_limit(985.0, random.Random(0)) == NO_LIMIT


def test_a_human_goal_says_its_limit_and_keeps_the_originals_fields(catalogue: Catalogue) -> None:
    goals = human_goals(catalogue)
    for goal in goals[:200]:
        product = catalogue.by_asin(goal.asin)
        assert goal.price_upper > product_price(product, 233)
        assert goal.instruction_text.endswith(f", and price lower than {goal.price_upper:.2f} dollars") == (
            goal.price_upper != NO_LIMIT
        )
        assert set(goal.attributes) <= set(product.attributes) and goal.name == product.title and goal.weight == 1.0
    assert human_goals(catalogue) == goals


def test_the_order_is_that_of_seed_233_and_another_price_seed_keeps_it(catalogue: Catalogue) -> None:
    plain = [
        product.asin
        for product, entries in catalogue.human_instructions()
        for entry in entries
        if entry["instruction_attributes"]
    ]
    random.Random(233).shuffle(plain)
    assert [goal.asin for goal in human_goals(catalogue)] == plain
    other = human_goals(catalogue, seed=7)
    assert [goal.asin for goal in other] == plain
    assert [goal.price_upper for goal in other] != [goal.price_upper for goal in human_goals(catalogue)]


def test_a_synthetic_goal_stands_for_every_combination_of_options(catalogue: Catalogue) -> None:
    goals = synthetic_goals(catalogue)
    product, instruction, wanted = next(entry for entry in catalogue.synthetic_instructions() if len(entry[0].options) == 2)
    mine = [goal for goal in goals if goal.asin == product.asin]
    groups = dict(product.options)
    assert len(mine) == len(groups[sorted(groups)[0]]) * len(groups[sorted(groups)[1]])
    first = mine[0]
    told = ", and ".join(f"{name}: {value}" for name, value in first.goal_options)
    assert first.instruction_text.startswith(f"{instruction} with {told}") and list(first.attributes) == wanted
    assert json.loads(first.to_json())["goal_options"] == dict(first.goal_options)
    assert 0 < first.weight < 1


def test_official_splits_go_by_place_and_the_papers_and_agentboards_are_drawn_from_them(catalogue: Catalogue) -> None:
    goals = human_goals(catalogue)
    assert split_places("test", goals) == list(range(500))
    assert split_places("validation", goals) == list(range(500, 1500))
    assert split_places("train", goals) == list(range(1500, len(goals)))
    train, validation = split_places("a3t_train", goals), split_places("a3t_validation", goals)
    assert not set(train) & set(validation) and min(train + validation) >= 500 and len(train) > 5 * len(validation)
    easy, hard = split_places("agentboard_easy", goals), split_places("agentboard_hard", goals)
    assert sorted(easy + hard) == list(range(251)) and easy and hard
    full = goals * 8
    assert [len(split_places(name, full[:12_087])) for name in ("a3t_train", "a3t_validation")] == [2300, 400]


@pytest.mark.parametrize(
    "text",
    [
        '{"easy": [3, 1], "hard": [2]}',
        '{"id": 3, "difficulty": "easy"}\n{"id": 2, "difficulty": "hard", "goal": "x"}\n\n{"id": "1", "difficulty": "easy"}\n',
    ],
    ids=["json", "jsonl"],
)
def test_agentboards_own_index_file_takes_precedence_in_either_notation(catalogue: Catalogue, tmp_path: Path, text: str) -> None:
    goals, path = human_goals(catalogue), tmp_path / "index"
    path.write_text(text)
    boards = read_boards(path, len(goals))
    assert split_places("agentboard_easy", goals, boards) == [3, 1]
    assert split_places("agentboard_hard", goals, boards) == [2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"easy": [99], "hard": []}', "'easy': places must be whole numbers below 50, found 99"),
        ('{"easy": [true], "hard": []}', "whole numbers below 50, found True"),
        ('{"easy": [1]}', "'hard' is None, no list"),
        ('{"easy": [1], "hard": [1]}', "'hard': the place 1 came before"),
        ('{"id": 50, "difficulty": "easy"}', "line 1: places must be whole numbers below 50"),
        ('{"id": 1, "difficulty": "easy"}\n{"id": 2}', "line 2 is no AgentBoard task: 'difficulty'"),
        ('{"id": 1, "difficulty": "middling"}', "line 1: the difficulty is 'middling'"),
        ("[1, 2]", "line 1 is no AgentBoard task"),
        ("{", "line 1 is no AgentBoard task"),
        ("", "names no tasks"),
    ],
)
def test_an_index_file_that_makes_no_sense_says_where(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "index").write_text(text)
    with pytest.raises(BadDataError, match=why):
        read_boards(tmp_path / "index", 50)


def test_a_split_that_nobody_knows_is_refused_and_an_index_file_that_is_not_there(catalogue: Catalogue, tmp_path: Path) -> None:
    goals = human_goals(catalogue)
    with pytest.raises(MissingDataError):
        read_boards(tmp_path / "none.json", 50)
    with pytest.raises(UnknownNameError, match="'test'"):
        split_places("tests", goals)


def test_exported_goals_and_prices_read_back_equal_and_have_a_hash(catalogue: Catalogue, tmp_path: Path) -> None:
    for goals in (human_goals(catalogue), synthetic_goals(catalogue)[:300]):
        first = write_goals(goals, tmp_path / "goals.jsonl")
        assert read_goals(tmp_path / "goals.jsonl") == goals
        assert write_goals(goals, tmp_path / "again.jsonl") == first and len(first) == 64
    write_prices(catalogue, tmp_path / "prices.json")
    prices = json.loads((tmp_path / "prices.json").read_text())
    assert prices == {product.asin: product_price(product, 233) for product in catalogue.products()}
    assert any(
        product.prices[0] < prices[product.asin] < product.prices[1]
        for product in catalogue.products()
        if len(product.prices) == 2
    )


def test_goals_are_made_once_and_then_read_from_the_catalogues_folder(catalogue: Catalogue) -> None:
    first = catalogue_goals(catalogue, "human", seed=11)
    assert (catalogue.folder / "goals-human-11.jsonl").is_file()
    assert catalogue_goals(catalogue, "human", seed=11) == first == human_goals(catalogue, seed=11)


def goal_line(**changes: object) -> str:
    texts = dict.fromkeys(("asin", "query", "name", "product_category", "instruction_text"), "mug")
    return json.dumps(texts | {"attributes": ["red"], "price_upper": 10.0, "goal_options": []} | changes)


@pytest.mark.parametrize("pairs", [[["color", "red"], ["size", "12"]], {"color": "red", "size": "12"}], ids=["list", "object"])
def test_options_may_be_pairs_of_name_and_value_in_either_notation(tmp_path: Path, pairs: object) -> None:
    (tmp_path / "goals.jsonl").write_text(goal_line(goal_options=pairs))
    (goal,) = read_goals(tmp_path / "goals.jsonl")
    assert goal.goal_options == (("color", "red"), ("size", "12"))


def test_a_goals_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "goals.jsonl").write_text(goal_line(), encoding="utf-8-sig")
    assert read_goals(tmp_path / "goals.jsonl")[0].attributes == ("red",)


def test_a_blank_line_between_goals_is_refused_by_its_number_and_blank_lines_at_the_end_are_not(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    goals, path = human_goals(catalogue)[:3], tmp_path / "goals.jsonl"
    one, two, three = [goal.to_json() for goal in goals]
    path.write_text(f"{one}\n{two}\n  \n\n{three}\n")
    with pytest.raises(BadDataError, match=r"line 2 is blank, and a goal follows in line 4: .*\n  Try: delete the blank line"):
        read_goals(path)
    path.write_text(f"\n{one}\n")
    with pytest.raises(BadDataError, match="line 0 is blank"):
        read_goals(path)
    path.write_text(f"{one}\n{two}\n{three}\n\n \n")
    assert read_goals(path) == goals


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{}", "no field 'asin'"),
        ("{", "line 0: not a goal"),
        ("3", "not a goal"),
        ("", "is empty"),
        ('{"goal_options": 3}', "asin"),
        (goal_line(attributes="abc"), "line 0: not a goal: attributes should be a list of texts, found 'abc'"),
        (goal_line(attributes=[1]), "attributes should be a list of texts"),
        (goal_line(goal_options="red"), "goal_options should be a list of texts, found 'red'"),
        (goal_line(goal_options=[["color", "red"], "blue"]), "goal_options should be values, or pairs of name and value"),
        (goal_line(goal_options=[["color", "red", "blue"]]), "goal_options should be values, or pairs"),
        (goal_line(goal_options={"color": 3}), "goal_options should be values, or pairs"),
    ],
)
def test_a_broken_goals_file_names_the_line(tmp_path: Path, line: str, why: str) -> None:
    (tmp_path / "goals.jsonl").write_text(line + "\n")
    with pytest.raises(BadDataError, match=why):
        read_goals(tmp_path / "goals.jsonl")


def test_a_price_file_is_used_whole_or_searched_when_large(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prices(catalogue, tmp_path / "prices.json")
    whole = prices_from_file(tmp_path / "prices.json")
    monkeypatch.setattr(price_module, "_SMALL_FILE_BYTES", 10)
    searched = prices_from_file(tmp_path / "prices.json")
    for product in list(catalogue.products())[:100]:
        assert whole(product) == searched(product) == product_price(product, 233)


@pytest.mark.parametrize("text", ["[", "[]", '{"B1": "cheap"}', '{"B1": true}'])
def test_a_broken_price_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(BadDataError, match="price"):
        prices_from_file(tmp_path / "prices.json")
