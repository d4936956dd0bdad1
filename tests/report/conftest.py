"""The made-up run, made once for all tests of the report."""

from __future__ import annotations

import pytest
from made_run import PROVENANCE, make_run

from a3t.report.view import RunView, view_run
from a3t.types import Round, Trajectory


@pytest.fixture(scope="session")
def records() -> tuple[list[Round], list[Trajectory]]:
    return make_run()


@pytest.fixture(scope="session")
def made(records: tuple[list[Round], list[Trajectory]]) -> RunView:
    rounds, trajectories = records
    return view_run("household", rounds, trajectories, PROVENANCE, "alfworld 2.1.2")
