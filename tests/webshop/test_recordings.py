"""Recorded ReAct episodes on the original's site: what they showed, our pages show from the same products."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from a3t.envs.webshop.env import INVALID, THOUGHT_ANSWER
from a3t.envs.webshop.observe import as_react
from a3t.envs.webshop.pages import SUB_PAGES, item_page, results_page, search_page
from a3t.envs.webshop.product import Product

pytestmark = pytest.mark.data


def product(asin: str, title: str, tag: str, options: tuple = ()) -> Product:
    return Product(asin, title, "", ("",), (1.0,), tag, options, (), "", "", "", "")


def shown_again(observation: str, instruction: str) -> str | None:
    """Read a recorded page and render it anew; None where it is no page."""
    if observation.startswith("\nWebshop "):
        # The site of those days wrote its name with a small s.
        return as_react(search_page(instruction), True, "").replace("WebShop", "Webshop")
    if found := re.match(r"\n\[Back to Search\] \nPage (\d+) \(Total results: (\d+)\) ", observation):
        listed = re.findall(r"\n\[(B0\w{8})\] \n(.*?) \n(\$[\d.]+(?: to \$[\d.]+)?) ", observation)
        products = [product(*entry) for entry in listed] + [product("B000000000", "unseen", "$1.0")] * 7
        return as_react(results_page(instruction, products, int(found[1]), int(found[2]), shown=3), False, "")
    if "\nPrice: " in observation:
        lines = observation.split("\n")
        at = next(number for number, line in enumerate(lines) if line.startswith("Price: "))
        groups = [line.partition(" [") for line in lines[3 : at - 1]]
        options = tuple((name, tuple(values.removesuffix("]").split("]["))) for name, _, values in groups)
        return as_react(item_page(instruction, product("B0", lines[at - 1][:-1], lines[at][7:-1], options)), False, "")
    return None


def test_every_recorded_page_is_rendered_to_the_byte(real_files: Path) -> None:
    seen = {"page": 0, "other": 0}
    for episode in json.loads((real_files / "react_logs_0_24.json").read_text()):
        for step in episode["steps"]:
            observation, action = step["observation"], step["action"]
            again = shown_again(observation, episode["instruction"])
            if again is None:
                seen["other"] += 1
                clicked = action.removeprefix("click[").removesuffix("]")
                told = (INVALID, THOUGHT_ANSWER, f"You have clicked {clicked}.")
                below = action.startswith("click[") and clicked in SUB_PAGES
                assert (
                    below or not observation or observation in told or observation.startswith("Your score (min 0.0, max 1.0): ")
                )
            elif observation[-1] == " ":
                seen["page"] += 1
                assert again == observation
            else:
                # The recording cut a long page short.
                assert again[: observation.rfind("\n")] == observation[: observation.rfind("\n")]
    assert seen["page"] > 50
