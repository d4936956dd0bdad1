"""What goes wrong with a simulator is an error of ours and nothing else; none of this needs Java."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from a3t.envs.scienceworld.java import Java
from a3t.envs.scienceworld.simulator import Simulator
from a3t.errors import EnvironmentFailure

COMPLAINS = """
import logging

def complain(text):
    try:
        raise OSError(text)
    except OSError:
        logging.exception("Exception while sending command.")
        raise
"""


class Server:
    """Loses its connection as py4j does: it logs the traceback on the root logger, and raises."""

    def __init__(self, file: str) -> None:
        scope: dict[str, Any] = {}
        exec(compile(COMPLAINS, file, "exec"), scope)
        self.complain = scope["complain"]

    def step(self, action: str) -> str:
        logging.getLogger().warning("somebody else's word")
        return str(self.complain("timed out"))


def stepped(file: str) -> None:
    simulator = Simulator(Java("java", 17), timeout_s=1, heap_mb=64)
    simulator._server = Server(file)
    with pytest.raises(EnvironmentFailure, match="does not answer"):
        simulator.step("look around")


def test_a_lost_simulator_prints_no_traceback_and_leaves_the_logging_as_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    stepped("/lib/py4j/java_gateway.py")
    assert capsys.readouterr().err == "somebody else's word\n"
    assert root.handlers == [] and root.filters == []


def test_what_others_log_meanwhile_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    stepped("/lib/other/java_gateway.py")
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    caplog.clear()
    stepped("/lib/py4j/java_gateway.py")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
