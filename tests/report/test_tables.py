"""The paper's tables from a run's metrics, and how they are written."""

from __future__ import annotations

import json

import pytest
from made_run import make_run
from rich.console import Console

from a3t.errors import BadDataError
from a3t.evaluate import score
from a3t.report.render import to_json, to_markdown, to_rich
from a3t.report.table import Cell, Row, Table, duration, p_text, signed
from a3t.report.tables import scores_table, tables
from a3t.report.view import RunView, view_run
from a3t.types import Round, Stage, Stop, Task, Trajectory


def named(run: RunView, name: str) -> Table:
    return next(table for table in tables(run) if table.name == name)


def column(table: Table, name: str, source: str = "") -> list[str]:
    return [row.cells[table.columns.index(name)].text for row in table.rows if row.source == source]


def trial(name: str, reward: float, kind: str = "pick") -> Trajectory:
    stop = Stop.SUCCESS if reward == 1 else Stop.FAILURE
    return Trajectory(Task(name, "test", kind), "", (), reward, reward == 1, stop, Stage.EVALUATE, "toy")


def printed(table: Table, width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(to_rich(table, width))
    return capture.get()


def test_single_trial_table_has_the_papers_columns_and_the_runs_figures(made: RunView) -> None:
    table = named(made, "single-valid_unseen")
    assert table.columns == ("Pick", "Clean", "Heat", "Cool", "Examine", "PickTwo", "Total", "95% int.")
    assert [row.label for row in table.rows if not row.source] == ["Base", "Round 0", "Round 1", "Round 2", "Round 3", "Tasks"]
    for (_index, scores), text in zip(made.single("valid_unseen"), column(table, "Total"), strict=False):
        assert text == f"{100 * scores.total.successes / scores.total.n:.1f}"
    assert column(table, "Pick")[-1] == "20"


def test_what_the_mixture_did_is_said_under_what_was_trained_on() -> None:
    dataset = {"total": {"steps": 9}, "chat": {"trajectories": 4}, "left_out": {"over_the_plain_share": 7}}
    rounds = [Round(0, "", {"dataset": {"total": {"steps": 3}}}), Round(1, "", {"dataset": dataset})]
    notes = " ".join(named(view_run("x", rounds), "dataset").notes)
    assert "conversations of the user's own: 4 in round 1." in notes
    assert "plain_share, and not counted: 7 in round 1." in notes
    assert "plain_share" not in " ".join(named(view_run("x", rounds[:1]), "dataset").notes)


def test_papers_rows_are_marked_and_only_there_for_its_own_world(made: RunView) -> None:
    table = named(made, "single-valid_unseen")
    assert column(table, "Total", "paper, 7B") == ["86", "94", "96", "95"]
    assert column(named(made, "single-valid_seen"), "Total", "paper, 7B") == ["80", "87", "91", "93"]
    assert column(named(made, "accumulated-valid_unseen"), "Total", "paper, 7B") == ["86", "97", "99", "100"]
    assert column(named(made, "training-train"), "Total", "paper, 7B") == ["82", "99", "100", "100"]
    assert column(named(made, "validation"), "Total", "paper, 7B") == ["52/60", "55/60", "58/60", "56/60"]
    assert column(named(made, "dataset"), "Failed %", "paper, 7B") == ["0.0", "3.7", "4.4", "4.3"]
    rounds, _trajectories = make_run(num_rounds=1)
    elsewhere = view_run("x", rounds, environment="household 1")
    assert not [row for table in tables(elsewhere) for row in table.rows if row.source]
    silent = view_run("x", rounds, environment="alfworld 2.1.2", paper=False)
    assert not [row for table in tables(silent) for row in table.rows if row.source]


def test_accumulated_never_falls_from_round_to_round(made: RunView) -> None:
    totals = [float(text) for text in column(named(made, "accumulated-valid_unseen"), "Total")[:4]]
    assert totals == sorted(totals)


def test_broken_episodes_are_told_below_the_table(made: RunView) -> None:
    assert named(made, "single-valid_seen").notes == ("Broken episodes left out: 1 in Round 1.",)


def test_every_table_fits_eighty_columns(made: RunView) -> None:
    for table in tables(made):
        lines = printed(table).splitlines()
        assert max(map(len, lines)) <= 80, table.name
        assert "…" not in "".join(lines), table.name


def test_a_world_with_many_task_types_is_turned_on_its_side() -> None:
    scores = score([trial(f"{kind}-{i}", 1.0, f"science-task-{kind}") for kind in range(30) for i in range(2)])
    run = view_run("x", [Round(0, "", {"scores": {"test": scores.to_json()}})])
    text = printed(named(run, "single-test"))
    assert max(map(len, text.splitlines())) <= 80
    assert all(f"science-task-{kind}" in text for kind in range(30))


def test_best_of_our_rounds_is_marked_and_a_lone_row_has_no_best() -> None:
    before, after = score([trial("a", 0.0), trial("b", 1.0)]), score([trial("a", 1.0), trial("b", 1.0)])
    rounds = [Round(0, "", {"scores": {"test": before.to_json()}}), Round(1, "", {"scores": {"test": after.to_json()}})]
    rows = named(view_run("x", rounds), "single-test").rows
    assert [row.cells[0].best for row in rows] == [False, True, False]
    alike = [rounds[0], Round(1, "", rounds[0].metrics)]
    assert not any(cell.best for row in named(view_run("x", alike), "single-test").rows for cell in row.cells)
    assert not named(view_run("x", rounds[:1]), "single-test").rows[0].cells[0].best


def test_real_rewards_get_columns_of_their_own() -> None:
    scores = score([trial("a", 1.0), trial("b", 0.75), trial("c", 0.5), trial("d", 0.25)])
    table = scores_table(scores)
    total = dict(zip(table.columns, (cell.text for cell in table.rows[-1].cells), strict=True))
    assert (total["Tasks"], total["Solved"], total["%"], total["Reward"]) == ("4", "1", "25.0", "62.5")
    assert (total["R≥0.75"], total["R≥0.5"]) == ("50.0", "75.0")
    assert "Reward" not in scores_table(score([trial("a", 1.0), trial("b", 0.0)])).columns


def test_a_shop_with_real_rewards_has_the_columns_of_tables_4_and_6() -> None:
    def round_of(index: int, *rewards: float) -> Round:
        scores = score([trial(str(i), reward, "garden") for i, reward in enumerate(rewards)])
        return Round(index, "", {"scores": {"test": scores.to_json()}, "accumulated": {"test": scores.to_json()}})

    run = view_run("shop", [round_of(0, 0.5, 0.5, 0.25, 1.0), round_of(1, 0.75, 0.75, 0.5, 1.0)])
    single = named(run, "single-test")
    assert single.columns == ("garden", "Total", "Reward", "R≥0.75", "R≥0.5", "95% int.")
    assert [cell.text for cell in single.rows[1].cells[:-1]] == ["25", "25.0", "75.0", "75.0", "100.0"]
    comparison = named(run, "paired-test")
    # Three of four rewards rose by a quarter, none fell: 2/8; success changed nowhere.
    assert [cell.text for cell in comparison.rows[0].cells] == ["4", "+0", "−0", "0.0", "1.000", "+18.8", "0.250"]


def test_effort_tells_actions_refusals_and_tokens(made: RunView) -> None:
    table = named(made, "effort-valid_unseen")
    assert [row.label for row in table.rows] == ["Base", "Round 0", "Round 1", "Round 2", "Round 3"]
    told = made.rounds[0].scores["valid_unseen"].effort
    assert table.rows[1].cells[0].text == f"{told.turns:.1f}"
    assert table.rows[1].cells[2].text == f"{100 * (told.invalid_rate or 0):.1f}"


def test_base_is_compared_with_the_first_and_the_last_round(made: RunView) -> None:
    rows = [row.label for row in named(made, "paired-valid_unseen").rows]
    assert rows == ["Base → 0", "Base → 3", "Round 0 → 1", "Round 0 → 2", "Round 0 → 3", "Round 1 → 2", "Round 2 → 3"]
    rounds, _trajectories = make_run(num_rounds=1, num_test=6, num_train=6)
    assert [row.label for row in named(view_run("x", rounds), "paired-valid_unseen").rows] == ["Base → 0"]


def test_scores_of_nothing_are_dashes() -> None:
    total = scores_table(score([])).rows[-1]
    assert [cell.text for cell in total.cells] == ["0", "0", "–", "–"]


def test_markdown_has_a_row_for_each_row_and_marks_the_paper(made: RunView) -> None:
    table = named(made, "single-valid_unseen")
    lines = [line for line in to_markdown(table).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(table.rows)
    assert {line.count("|") for line in lines} == {len(table.columns) + 2}
    assert "| Round 1 *(paper, 7B)* | 96 |" in to_markdown(table)
    assert "valid_unseen" in to_markdown(table)


def test_text_from_outside_cannot_break_a_markdown_table_or_a_terminal() -> None:
    hostile = "a|b\n<script>*x* [l](javascript:1) \x1b[31m [red]"
    table = Table("t", hostile, (hostile,), (Row(hostile, (Cell(hostile),)),))
    lines = to_markdown(table).splitlines()
    assert len([line for line in lines if line.startswith("|")]) == 3
    assert all(line.replace("\\|", "").count("|") == 3 for line in lines if line.startswith("|"))
    assert "\\<script\\>" in lines[0] and "\x1b" not in "".join(lines)
    shown = printed(table, 200)
    assert "\x1b" not in shown and "[red]" in shown and "<script>" in shown


def test_json_carries_the_figures_behind_the_texts(made: RunView) -> None:
    data = json.loads(to_json(tables(made)))
    single = next(table for table in data if table["name"] == "single-valid_unseen")
    total = single["rows"][1]["cells"][single["columns"].index("Total")]
    scores = made.rounds[0].scores["valid_unseen"].total
    assert (total["value"], total["low"], total["high"], total["n"]) == (scores.rate, scores.low, scores.high, scores.n)


def test_a_run_without_rounds_has_no_tables() -> None:
    assert tables(view_run("x", [])) == []


def test_round_zero_alone_has_no_comparison_and_no_exploration() -> None:
    rounds, trajectories = make_run(num_rounds=1, with_base=False)
    names = [table.name for table in tables(view_run("x", rounds, trajectories))]
    assert "single-valid_unseen" in names
    assert not [name for name in names if name.startswith(("paired", "explore"))]


def test_metrics_with_nan_become_dashes() -> None:
    dataset = {"total": {"steps": float("nan"), "trajectories": 3}, "failed": {"steps": 1, "trajectories": 1}}
    metrics = {"dataset": {**dataset, "mean_successes_per_failed_task": float("inf"), "failed_weight_share": float("nan")}}
    (row,) = named(view_run("x", [Round(1, "", metrics)]), "dataset").rows
    assert [cell.text for cell in row.cells] == ["–", "1", "–", "3", "–", "–"]


@pytest.mark.parametrize("metrics", [{"scores": 3}, {"scores": {"test": {"n": 1}}}, {"training": {"epochs": 4}}, {"cost": [1]}])
def test_metrics_of_another_shape_are_refused_clearly(metrics: dict[str, object]) -> None:
    with pytest.raises(BadDataError, match=r"docs/report\.md"):
        view_run("x", [Round(0, "", metrics)])


def test_stages_are_told_in_the_order_of_a_round_though_the_store_sorts_keys() -> None:
    cost = {stage: {"episodes": 1, "seconds": 1.0} for stage in ("collect", "evaluate", "explore", "train", "dream")}
    rows = named(view_run("x", [Round(1, "", {"cost": cost})]), "cost").rows
    assert [row.label.split(" · ")[-1] for row in rows] == ["collect", "explore", "train", "evaluate", "dream", "All"]


def test_figures_are_written_as_people_read_them() -> None:
    assert [signed(value, 1) for value in (1.25, -1.25, 0.04, -0.04)] == ["+1.2", "−1.2", "0.0", "0.0"]
    assert [p_text(p) for p in (0.00004, 0.0012, 0.0499, 1.0)] == ["< 0.0001", "0.0012", "0.050", "1.000"]
    assert [duration(s) for s in (0.01, 0.44, 12, 59.7, 200, 7500)] == [
        "< 0.1 s",
        "0.4 s",
        "12 s",
        "1 min 00 s",
        "3 min 20 s",
        "2 h 05 min",
    ]
