"""The examples of docs/environments.md run as they stand."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from a3t.envs.conformance import check
from a3t.envs.household import HouseholdEnv
from a3t.envs.household.difficulty import DEFAULT, Difficulty

PAGE = (Path(__file__).parent.parent / "docs" / "environments.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("example", [code for code in EXAMPLES if "a3t.make" in code or "write_tw_pddl" in code])
def test_an_example_runs(example, tmp_path):
    exec(example.replace("/tmp/games", str(tmp_path)), {})


def test_the_twenty_lines_are_an_environment_and_the_test_beside_them_passes():
    world, use = (next(code for code in EXAMPLES if mark in code) for mark in ("class Echo", "raise_if_broken"))
    names = {}
    exec(world, names)
    exec(use, names)
    assert check(names["Echo"], num_sequences=50, num_malformed=100).ok
    body = world.split("class Echo", 1)[1].splitlines()
    assert len([line for line in body if line.strip()]) <= 20


def test_the_table_of_options_names_every_option_and_its_default():
    parameters = inspect.signature(HouseholdEnv).parameters
    named = dict(re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]+) \|", PAGE, re.MULTILINE))
    documented = {name for names in named for name in re.findall(r"`([a-z_]+)`", names)}
    assert {*parameters, *(field.name for field in fields(Difficulty))} - {"options"} <= documented
    assert named["`receptacles`"] == f"`{list(DEFAULT.receptacles)}`"
    assert named["`distractors`"] == f"`{list(DEFAULT.distractors)}`"
    assert named["`closed_share`"] == str(DEFAULT.closed_share)
    sizes = [parameters[name].default for name in ("num_train", "num_valid_seen", "num_valid_unseen")]
    assert named["`num_train`, `num_valid_seen`, `num_valid_unseen`"] == ", ".join(map(str, sizes))
