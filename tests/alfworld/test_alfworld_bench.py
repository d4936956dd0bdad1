"""`a3t bench env` measures, and says what it measured; how fast it is on this machine is no test."""

import pytest

from a3t.bench.env import Figure, run
from a3t.errors import MissingDataError, RecipeError


@pytest.fixture
def no_official_engine(monkeypatch):
    monkeypatch.delenv("A3T_ORACLE_PYTHON", raising=False)
    monkeypatch.setattr("a3t.bench.env.find_spec", lambda name: None)


def test_the_table_has_every_figure_with_its_target(small_data, capsys, no_official_engine):
    figures = run("alfworld", small_data, num_tasks=2, num_steps=50, num_runs=2)
    assert [figure.what for figure in figures] == [
        "steps, actions listed",
        "load and reset",
        "reset again",
        "snapshot + restore",
    ]
    assert all(min(figure.runs) >= 0 for figure in figures)
    assert len(figures[0].runs) == 2
    shown = capsys.readouterr().out
    assert "alfworld/2.1.2 a3t-engine 1" in shown
    assert "50,000" in shown
    assert "The official engine is not installed" in shown


def test_generated_games_are_measured_alike(capsys):
    assert len(run("household", num_tasks=2, num_steps=50, num_runs=1)) == 4


def test_a_figure_is_met_by_its_median_on_its_own_side():
    assert Figure("steps", "/s", (1.0, 60.0, 70.0), 50, more_is_better=True).is_met
    assert not Figure("load", "ms", (1.0, 60.0, 70.0), 50).is_met
    assert Figure("load", "ms", (1.0,), None).is_met is None


def test_what_cannot_be_measured_is_refused(small_data, tmp_path):
    with pytest.raises(RecipeError, match="at least one"):
        run("alfworld", small_data, num_runs=0)
    with pytest.raises(MissingDataError):
        run("alfworld", tmp_path / "nowhere")


@pytest.mark.oracle
@pytest.mark.slow
def test_the_official_engine_stands_beside_it_where_it_is_installed(small_data, capsys):
    from official import official_python

    official_python()
    run("alfworld", small_data, num_tasks=2, num_steps=50, num_runs=1)
    assert "not installed" not in capsys.readouterr().out
