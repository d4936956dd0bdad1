"""Agent-R's tables: what is ours, what is the paper's, and nothing where nothing was revised."""

from __future__ import annotations

import pytest

from a3t.evaluate import by_split
from a3t.report.agent_r import agent_r_tables
from a3t.report.html import render
from a3t.report.render import to_json, to_markdown
from a3t.report.tables import tables
from a3t.report.tally import with_cost
from a3t.report.view import view_run
from a3t.types import Round, Stage, Stop, Task, Trajectory

REVISE = {
    "alpha": 0.5, "tasks": 8, "tries": 40, "good": 9, "pairs": 12, "revisions": 7, "gain": 0.25, "mistake_length": 2.5,
    "ending_length": 4.0, "agreement": {"num": 8, "same": 6, "near": 7}, "thoughts": {"model": 7}, "rollouts": 3,
    "reasons": {}, "cost": {},
    "outcomes": {"confirmed": 4, "repaired": 3, "rejected": 2, "no transition": 2, "duplicate": 1, "unjudged": 0},
}  # fmt: skip
RECOVERY = {"num": 10, "recovered": 4, "rate": 0.4, "low": 0.17, "high": 0.69, "length": 5.5, "repeated": 1.25, "num_broken": 0}
BEHAVIOUR = {"num_trials": 4, "actions": 7.0, "repeated": 2.0, "loops": 0.75, "with_loops": 0.5}


def trial(number: int, reward: float) -> Trajectory:
    task = Task(f"t-{number}", "test", "kind", "Do it.")
    return Trajectory(task, "o", (), reward, reward == 1, Stop.SUCCESS if reward == 1 else Stop.FAILURE, Stage.EVALUATE, "x")


def run_in(environment: str, *revised: bool | dict):
    scores = {split: it.to_json() for split, it in by_split([trial(0, 1.0), trial(1, 0.5)]).items()}
    rounds = []
    for index, has in enumerate(revised):
        told = {"revise": has if isinstance(has, dict) else REVISE, "recovery": RECOVERY, "behaviour": BEHAVIOUR} if has else {}
        told |= {"base_recovery": RECOVERY | {"rate": 0.2}} if has and index == 0 else {}
        rounds.append(Round(index, f"rounds/{index:02d}/policy", {"scores": scores, **told}))
    return view_run("r", rounds, provenance={"environment": environment}, environment=environment)


def by_label(table, source=""):
    return {row.label: [cell.text for cell in row.cells] for row in table.rows if row.source == source}


def test_a_run_without_revisions_has_none_of_these_tables():
    assert agent_r_tables(run_in("household 1", False)) == []
    assert not {"agent-r", "recovery", "revisions"} & {table.name for table in tables(run_in("household 1", False))}


@pytest.mark.parametrize(
    ("world", "ours"),
    [
        ("webshop 1", ["75.00", "–", "–", "–", "40.00"]),  # mean reward of 1.0 and 0.5
        ("textcraft a3t-crafting 1", ["–", "–", "50.00", "–", "40.00"]),  # success
        ("household 2.1.2", ["–", "–", "–", "75.00", "–", "40.00"]),  # a column of its own
    ],
)
def test_our_iterations_stand_in_the_column_of_their_world_beside_the_papers(world, ours):
    table = agent_r_tables(run_in(world, False, True))[0]
    assert by_label(table) == {"Iteration 1": ours}
    theirs = by_label(table, "Agent-R's paper")
    assert theirs["Agent-R 3"][:3] == ["63.91", "70.23", "78"] and theirs["Agent-R 3"][-1] == "46.75"
    assert theirs["Direct-Revision 3"][-2:] == ["62.36", "35.67"]
    assert "Agent-R" not in str(by_label(table.own())), "without the paper, only ours is left"


def test_the_page_has_a_section_of_its_own_only_where_something_was_revised():
    assert "What became of the mistakes" in render(run_in("textcraft 1", True))
    assert 'id="revising"' not in render(run_in("textcraft 1", False))


def test_what_became_of_the_mistakes_is_counted_by_outcome():
    table = next(table for table in agent_r_tables(run_in("household 1", True)) if table.name == "revisions")
    row = dict(zip(table.columns, by_label(table)["Round 0"], strict=True))
    assert row["Pairs"] == "12" and row["Confirmed"] == "4" and row["Repaired"] == "3" and row["Rejected"] == "2"
    assert row["No transition"] == "2" and row["Agree %"] == "75" and row["Gate"] == "+0.25" and row["α"] == "0.5"
    assert not any("tokens did not reach" in note for note in table.notes)
    left = run_in("household 1", True, REVISE | {"left": 1_200})
    (note,) = [note for table in agent_r_tables(left) for note in table.notes if "tokens did not reach" in note]
    assert note.endswith(": 1,200 in round 1.")


def test_recovery_and_behaviour_stand_together_and_the_papers_lengths_only_in_its_world():
    table = next(table for table in agent_r_tables(run_in("textcraft 1", True)) if table.name == "recovery")
    row = dict(zip(table.columns, by_label(table)["Round 0"], strict=True))
    assert (row["Wrong beginnings"], row["%"], row["interval"]) == ("10", "40.0", "17–69")
    assert (row["Actions after"], row["Repeated"], row["Loops"], row["With loops %"]) == ("5.50", "2.00", "0.75", "50.0")
    assert [row[4] for row in by_label(table, "Agent-R's paper").values()] == ["8.3", "4.7", "2.6"]
    assert by_label(table)["Base"][2] == "20.0", "the base after the same beginnings"
    other = next(table for table in agent_r_tables(run_in("household 1", True)) if table.name == "recovery")
    assert by_label(other, "Agent-R's paper") == {}


def test_they_render_and_broken_metrics_do_not_break_the_report():
    made = tables(run_in("textcraft 1", False, True))
    assert "What became of the mistakes" in "\n".join(map(to_markdown, made)) and "63.91" in to_json(made)
    odd = Round(0, "p", {"revise": {"pairs": "many", "agreement": 3}, "recovery": {"rate": None}, "behaviour": {}})
    assert len(agent_r_tables(view_run("r", [odd]))) == 3


def test_what_judging_cost_is_added_to_its_stage_in_the_order_of_a_round():
    more = {"prompt_tokens": 10, "completion_tokens": 2, "model_calls": 1, "usd": 0.5, "seconds": 0.0}
    spent = {"model_calls": 1, "prompt_tokens": 1, "completion_tokens": 1, "usd": 0.0}
    known = {"evaluate": {"episodes": 1, **spent, "seconds": 2.0}}
    table = with_cost(known, "revise", more)
    assert list(table) == ["revise", "evaluate"]
    assert table["revise"] == {"episodes": 0, "seconds": None, **{name: more[name] for name in spent}}
    assert with_cost(table, "revise", more)["revise"]["prompt_tokens"] == 20 and table["evaluate"] == known["evaluate"]
