"""WebShop as an environment: the contract, both semantics, and that it passes the suite of all environments."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import a3t
from a3t.envs.conformance import check
from a3t.envs.webshop import WebshopEnv, open_catalogue
from a3t.envs.webshop.catalogue import Catalogue
from a3t.envs.webshop.goals import human_goals, write_goals, write_prices
from a3t.errors import BadDataError, MissingDataError, RecipeError, UnknownTaskError


@pytest.fixture(scope="module")
def data(generated: Path) -> Path:
    return generated / "catalogue"


def played(env: Any, *actions: str) -> tuple[str, float, bool, dict[str, Any]]:
    observation, reward, done, info = "", 0.0, False, {}
    for action in actions:
        observation, reward, done, _, info = env.step(action)
    return observation, reward, done, info


@pytest.mark.parametrize(
    "options", [{}, {"observation": "text_rich", "semantics": "lenient"}, {"observation": "text", "products_shown": 3}], ids=str
)
def test_the_suite_of_all_environments_passes(data: Path, options: dict[str, Any]) -> None:
    check(lambda: a3t.make("webshop", data=data, **options), num_sequences=40, num_malformed=2000).raise_if_broken()


def test_the_goal_product_can_be_bought_for_reward_one(data: Path) -> None:
    env = a3t.make("webshop", data=data)
    solved = 0
    for task in env.tasks("test")[:60]:
        actions = env.solution(task.task_id)
        if actions is None:
            continue
        env.reset(options={"task_id": task.task_id})
        observation, reward, done, info = played(env, *actions)
        assert (observation, reward, done, info["success"]) == ("Your score (min 0.0, max 1.0): 1.0", 1.0, True, True)
        assert info["reward_parts"]["r_type"] == 1.0 and info["reward_parts"]["noun_tagger"] and info["actions"] == []
        solved += 1
    assert solved >= 50


def test_strict_refuses_what_react_refuses(data: Path) -> None:
    env = WebshopEnv(data=data)
    env.reset(options={"task_id": "0"})
    assert played(env, "click[Buy Now]")[0] == "Invalid action!"
    assert played(env, "buy it")[0] == "Invalid action!"
    assert played(env, "think[where are they?]")[0] == "OK."
    page = played(env, "search[shoes]")[0]
    assert page.startswith("\n[Back to Search] \nPage 1 (Total results: ")
    observation, reward, done, info = played(env, "search[boots]")
    assert (observation, reward, done, info["valid"]) == ("Invalid action!", 0.0, False, False)
    assert played(env, "click[Next >]")[0].startswith("\n[Back to Search] \nPage 2 ")
    assert played(env, "click[next >]")[0].startswith("\n[Back to Search] \nPage 3 ")
    assert played(env, "click[next >")[0] == played(env, "click[NEXT >]")[0] == "Invalid action!"


OWN_BUTTONS = ("Buy Now", "Next >", "Description", "Features", "Reviews", "Attributes")


def test_strict_shows_the_first_page_and_sub_pages_again_for_a_label_that_is_no_button(data: Path) -> None:
    """As ReAct's `webshopEnv.step` does: it asks for a product or an option where there are some, and nowhere else."""
    env = WebshopEnv(data=data)
    first, _ = env.reset(options={"task_id": "0"})
    for label in ("B000000000", "red", "search now", "buy now", "SEARCH"):
        observation, _, done, info = played(env, f"click[{label}]")
        assert (observation, done, info["valid"]) == (first, False, False)
    assert played(env, "click[Search]")[3]["valid"]
    for label in (*OWN_BUTTONS, "< Prev", "Back to Search"):
        assert played(env, f"click[{label}]")[0] == "Invalid action!"
    assert played(env, "search[shoes]", "click[red]")[0] == "Invalid action!"
    asin = env.catalogue.search("shoes")[0]
    assert played(env, f"click[{asin}]", "click[no such option]")[0] == "Invalid action!"
    below = played(env, "click[Features]")[0]
    for label in ("B000000000", "red", "back to SEARCH"):
        observation, _, _, info = played(env, f"click[{label}]")
        assert (observation, info["valid"]) == (below, False)
    for label in OWN_BUTTONS:
        assert played(env, f"click[{label}]")[0] == "Invalid action!"
    assert played(env, "click[< Prev]", "click[Back to Search]")[0] == first


def test_strict_searches_for_nothing_where_nothing_is_asked_for(data: Path) -> None:
    env = WebshopEnv(data=data)
    env.reset(options={"task_id": "0"})
    observation, _, _, info = played(env, "search[]")
    assert observation.startswith("\n[Back to Search] \nPage 1 (Total results: 0) ") and info["valid"]
    assert played(env, "search[]")[0] == "Invalid action!"


def test_strict_minds_capitals_and_opens_the_attributes_without_a_button_as_react_does(data: Path) -> None:
    env = WebshopEnv(data=data)
    env.reset(options={"task_id": "0"})
    assert played(env, "search[shoes]", "click[Attributes]")[0] == "Invalid action!"
    asin = env.catalogue.search("shoes")[0]
    product = env.catalogue.by_asin(asin)
    item = played(env, f"click[{asin}]")[0]
    assert "[Attributes]" not in item and "click[attributes]" not in env.step("think[hm]")[4]["actions"]
    value = product.options[0][1][0]
    assert played(env, f"click[{value.title()}]")[0] == "Invalid action!"
    assert played(env, f"click[{value}]")[0] == f"You have clicked {value}."
    page = played(env, "click[Attributes]")[0]
    assert all(f"\n {attribute} " in page for attribute in product.attributes) and product.category in page
    assert f"[[{value}]]" in played(env, "click[< Prev]")[0]
    lenient = WebshopEnv(data=data, observation="text", semantics="lenient")
    lenient.reset(options={"task_id": "0"})
    shown = played(lenient, "search[shoes]", f"click[{asin}]")[0]
    assert played(lenient, "click[Attributes]")[0] == shown
    assert "[clicked" not in shown and played(lenient, f"click[{value.upper()}]", "click[BUY NOW]")[2] is True


def test_lenient_ignores_a_bad_action_and_searches_anywhere(data: Path) -> None:
    env = WebshopEnv(data=data, observation="text", semantics="lenient")
    first, _ = env.reset(options={"task_id": "0"})
    for action in ("click[Buy Now]", "think[hm]", "Search[shoes]", "search[]", "click[search]"):
        assert played(env, action)[0] == first
    shoes = played(env, "search[shoes]")[0]
    assert played(env, "nonsense")[0] == shoes and env.step("nonsense")[4]["valid"] is False
    assert played(env, "Sure: search[boots]")[0] == shoes
    assert played(env, "search[boots] please")[0] == played(env, "search[BOOTS]")[0] != shoes


def test_with_three_products_pages_do_not_turn_and_unseen_products_are_not_suggested(data: Path) -> None:
    env = WebshopEnv(data=data, products_shown=3)
    env.reset(options={"task_id": "0"})
    observation, _, _, info = played(env, "search[shoes]")
    shown = re.findall(r"\[(B0\w{8})\]", observation)
    assert len(shown) == 3 and [a for a in info["actions"] if "[b0" in a] == sorted(f"click[{asin.lower()}]" for asin in shown)
    assert "click[next >]" not in info["actions"]
    assert played(env, "click[Next >]")[0] == "Invalid action!"
    fourth = env.catalogue.search("shoes")[3]
    assert fourth not in shown and played(env, f"click[{fourth}]")[0].startswith("\n[Back to Search] \n[< Prev] ")


def test_clickables_are_listed_and_the_search_page_proposes_queries(data: Path) -> None:
    env = WebshopEnv(data=data)
    _, info = env.reset(options={"task_id": "3"})
    searches = [action for action in info["actions"] if action.startswith("search[")]
    assert "click[search]" in info["actions"] and 2 <= len(searches) <= 12 and info["actions"] == sorted(info["actions"])
    assert not any("price lower" in action for action in searches)
    assert info["open"] == ["search["] and "open" not in env.step(searches[0])[4]
    for action in searches:
        env.reset(options={"task_id": "3"})
        assert env.step(action)[4]["valid"]


def test_choosing_an_option_is_confirmed_and_shown_afterwards(data: Path) -> None:
    env = WebshopEnv(data=data)
    for task in env.tasks("test"):
        actions = env.solution(task.task_id)
        if actions and len(actions) >= 4 and "Next" not in str(actions):
            break
    env.reset(options={"task_id": task.task_id})
    value = actions[2][6:-1]
    assert played(env, *actions[:3])[0] == f"You have clicked {value}."
    assert f"[[{value}]]" in played(env, "click[Features]", "click[< Prev]")[0]
    rich = WebshopEnv(data=data, observation="text_rich", semantics="lenient")
    rich.reset(options={"task_id": task.task_id})
    assert played(rich, *actions[:3])[0].startswith(f"You have clicked {value}.\nInstruction:\n")


def test_a_goals_and_a_price_file_decide_tasks_and_prices(data: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    goals = human_goals(catalogue)[100:110]
    write_goals(goals, tmp_path / "goals.jsonl")
    (tmp_path / "prices.json").write_text("{" + ",".join(f'"{goal.asin}": 2000000' for goal in goals) + "}")
    env = WebshopEnv(data=data, goals=tmp_path / "goals.jsonl", prices=tmp_path / "prices.json")
    assert [(t.task_id, t.instruction) for t in env.tasks("all")] == [
        (str(n), goal.instruction_text) for n, goal in enumerate(goals)
    ]
    assert env.splits == ["test"]
    task_id = next(t.task_id for t in env.tasks("all") if env.solution(t.task_id))
    observation, _ = env.reset(options={"task_id": task_id})
    assert goals[int(task_id)].instruction_text in observation
    _, reward, _, info = played(env, *env.solution(task_id))
    assert info["reward_parts"]["r_price"] is False and 0 < reward < 1 and not info["success"]


def test_the_same_seed_gives_the_same_task_and_any_catalogue_opens(data: Path, generated: Path) -> None:
    env = WebshopEnv(data=data)
    assert env.reset(seed=7)[0] == env.reset(seed=7)[0] != env.reset(seed=8)[0]
    assert len(open_catalogue(data).search("leather boots")) <= 50


def test_what_a_world_offers_beyond_the_contract_is_found_by_its_dotted_name_and_imported_only_then() -> None:
    code = """if True:
        import sys, a3t
        assert "a3t.envs.webshop" not in sys.modules and "webshop" in dir(a3t.envs)
        a3t.envs.webshop.open_catalogue, a3t.envs.household.generate, a3t.envs.textcraft
        assert "torch" not in sys.modules and not hasattr(a3t.envs, "webshops")
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_made_agentboards_splits_is_read_at_once_and_stands_in_the_version(data: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.jsonl"
    index.write_text('{"id": 7, "difficulty": "hard"}\n')
    env = WebshopEnv(data=data, agentboard=index)
    assert [task.task_id for task in env.tasks("agentboard_hard")] == ["7"] and not env.tasks("agentboard_easy")
    assert WebshopEnv(data=data).version.endswith(", agentboard hard-above-2")
    assert re.search(r", agentboard [0-9a-f]{8}$", env.version)
    index.write_text('{"id": "x", "difficulty": "hard"}\n')
    with pytest.raises(BadDataError, match=r"index.jsonl, line 1: places must be whole numbers"):
        a3t.make("webshop", data=data, agentboard=index)


def test_bad_options_tasks_and_folders_are_explained(data: Path, tmp_path: Path) -> None:
    for option, value, why in (
        ("observation", "texts", "Did you mean 'text'"), ("semantics", "lax", "strict, lenient"),
        ("products_shown", 11, "from 1 to 10"),
        ("products_shown", True, "from 1 to 10"), ("price_seed", "x", "whole number"),
    ):  # fmt: skip
        with pytest.raises(RecipeError, match=why):
            a3t.make("webshop", data=data, **{option: value})
    with pytest.raises(RecipeError, match="does not take"):
        a3t.make("webshop", data=data, colour="red")
    with pytest.raises(MissingDataError, match="no WebShop catalogue"):
        a3t.make("webshop", data=tmp_path)
    with pytest.raises(MissingDataError, match="goals file"):
        a3t.make("webshop", data=data, goals=tmp_path / "none.jsonl")
    env = a3t.make("webshop", data=data)
    for task_id in ("-1", "99999", "1.0", "٣", "007", 3):
        with pytest.raises(UnknownTaskError, match="numbered from '0'"):
            env.reset(options={"task_id": task_id})


def test_prices_that_were_exported_are_those_that_the_seed_gives(data: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    write_prices(catalogue, tmp_path / "prices.json", seed=5)
    seeded, filed = WebshopEnv(data=data, price_seed=5), WebshopEnv(data=data, price_seed=5, prices=tmp_path / "prices.json")
    for product in list(catalogue.products())[:50]:
        assert seeded._prices(product) == filed._prices(product)


def test_environments_of_one_process_share_the_catalogue_and_the_goals(data: Path) -> None:
    """Sixty-four episodes at once must not cost sixty-four catalogues."""
    one, other = WebshopEnv(data=data), WebshopEnv(data=data, observation="text")
    assert one.catalogue is other.catalogue and one.goals is other.goals
    one.close()
    assert other.reset(seed=1)[0] and one.reset(seed=1)[0]
