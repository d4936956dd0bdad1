"""The shop's tokenizer copies well, its lessons are reproducible, and the base that ships shops."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from a3t.config import load_recipe
from a3t.models import BASES
from a3t.pretrain.command import load, world_of
from a3t.pretrain.shop.base import share
from a3t.text.segments import segments_text

RECIPES = BASES["builtin:shop"].parent / "recipes"


@pytest.fixture(scope="module")
def small(tmp_path_factory, monkeypatch_module):
    """The shipped recipe on one small catalogue."""
    monkeypatch_module.setenv("A3T_CACHE", str(tmp_path_factory.mktemp("cache")))
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(
        'world = "webshop"\nvocabulary_transcripts = 60\n'
        '[[environments]]\nseeds = [1000, 1]\nnum_products = 2300\nproducts_shown = 3\nnoun_tagger = "small"\n'
        "[[lessons]]\nnum_transcripts = 20\n[[lessons]]\nnum_transcripts = 20\n"
    )
    return load(path, [])


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def test_a_lesson_tells_the_same_rows_again_and_the_next_one_goes_on_from_it(small):
    world = world_of(small)
    first, again = (list(islice(world.told(small, 0), 22)) for _ in range(2))
    assert [segments_text(row) for row in first] == [segments_text(row) for row in again]
    assert segments_text(next(world.told(small, 1))) == segments_text(first[20])


def test_capitals_and_small_letters_are_the_same_tokens_and_nothing_else_is_lost(small):
    world = world_of(small)
    tokenizer = world.make_tokenizer(small)

    def ids(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False).input_ids

    assert ids("[B0UL9CNM96]")[1:-1] == ids(" click[b0ul9cnm96]")[1:-1] and len(ids("[B0UL9CNM96]")) == 7
    assert len(ids(" Individually Wrapped")) == len(ids(" navy blue")) == len(ids("pack of 12")) == 1
    assert ids("$26.5") != ids("$6.5") and tokenizer.decode(ids("$26.5")[1:2]) == "26"
    text = segments_text(next(world.told(small, 0))) + "Ünïcode → ☃ b0 B0 b0zz 1,234.567"
    assert tokenizer.decode(ids(text)) == text.lower()


def test_numbers_share_as_many_steps_as_both_are_above():
    assert share("0") == () or "number" in share("0")
    assert set(share("20")) < set(share("60")) and share("52") == share("55")
    assert share("teal") == ("teal",)


def test_the_pretraining_never_sees_the_shop_that_is_played_in():
    recipe = load(RECIPES / "pretrain-shop.toml", [])
    for entry in recipe.environments:
        first, count = entry["seeds"]
        assert 0 not in range(first, first + count)


def test_the_shops_recipe_is_the_papers_rule_in_small():
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "webshop.toml")
    assert recipe.environment.name == "webshop" and recipe.environment.test_splits == ("test",)
    assert (recipe.agent.max_turns, recipe.explore.min_compositions) == (15, 3)
    assert recipe.num_rounds >= 2
    assert (recipe.environment.num_test_tasks or 500) >= 200


def test_the_7b_recipe_is_the_papers():
    recipe = load_recipe(Path(__file__).parents[2] / "recipes" / "webshop-7b.toml")
    train, explore, environment = recipe.train, recipe.explore, recipe.environment
    assert (environment.num_train_tasks, environment.num_validation_tasks, environment.num_test_tasks) == (2300, 400, 500)
    assert (explore.probability, explore.num_compositions, explore.min_compositions, explore.rescue_after) == (0.5, 20, 3, 3)
    assert (recipe.agent.max_turns, recipe.agent.num_examples, recipe.bootstrap.prompt) == (15, 1, "few-shot")
    assert (train.method, train.lora_rank, train.lora_alpha, train.lora_modules) == ("qlora", 16, 32, ("q_proj", "v_proj"))
    assert (train.optimizer, train.lr, train.epochs_first, train.epochs) == ("paged_adamw_32bit", 1e-4, 10, 6)


def test_the_base_that_ships_is_small_and_says_how_it_was_made():
    folder = BASES["builtin:shop"]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 5_000_000
    told = json.loads((folder / "pretraining.json").read_text())
    assert told["recipe"]["world"] == "webshop"


def test_the_base_that_ships_shops(shop):
    """One greedy episode by the whole machinery: it searches, opens a product of the page and buys."""
    from a3t.agents.asking import run
    from a3t.agents.react import ReactPolicy
    from a3t.config import ModelConfig
    from a3t.episode import Terms, Worlds, policy_mover, rollout
    from a3t.models import load as load_model
    from a3t.text.prompting import load_header
    from a3t.text.react import WEBSHOP
    from a3t.types import Stage

    model = load_model(ModelConfig(path="builtin:shop"))
    header = load_header("bare", kind="react", dialect="webshop")
    policy = ReactPolicy(model, WEBSHOP, header, tokenizer=model.fingerprint, max_tokens=60)
    terms = Terms(Stage.EVALUATE, 0, "base", "webshop", max_turns=15)
    worlds = Worlds(lambda: shop)
    worlds.give_back(shop)
    mover = policy_mover(policy, temperature=0.0, seed=0, session="x")
    (played,) = run([rollout(worlds, shop.tasks("all")[0], mover, terms, seed=0)], 1)
    assert played.steps[0].action.startswith("search[") and played.steps[0].thought.startswith("need ")
    assert sum(step.valid for step in played.steps) >= 2
