"""The official engine as a function, run in its own Python: this one, or the one that $A3T_ORACLE_PYTHON names."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAYER = Path(__file__).with_name("official_player.py")


def official_python():
    if os.environ.get("A3T_ORACLE_PYTHON"):
        return os.environ["A3T_ORACLE_PYTHON"]
    if importlib.util.find_spec("textworld") and importlib.util.find_spec("alfworld"):
        return sys.executable
    return pytest.skip(
        "the official engine is not here: pip install 'a3t[oracle]', or set A3T_ORACLE_PYTHON to a Python that has it"
    )


def official_answers(plays, *, plain=False):
    """For each (game file, commands): [feedback, admissible commands, won] of reset and of every command, one play at a time."""
    python = official_python()
    with subprocess.Popen(
        [python, str(PLAYER), *(["--plain"] if plain else [])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as player:
        for game, commands in plays:
            player.stdin.write(json.dumps({"game": str(game), "commands": commands}) + "\n")
            player.stdin.flush()
            answer = player.stdout.readline()
            if not answer:
                raise AssertionError(f"the official engine died over {game}:\n{player.stderr.read()[-3000:]}")
            yield json.loads(answer)
        player.stdin.close()
