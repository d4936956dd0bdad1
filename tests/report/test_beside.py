"""Several runs in one table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_agent_r import BEHAVIOUR, RECOVERY, REVISE, trial

from a3t.cli.beside import show_beside
from a3t.errors import RecipeError
from a3t.evaluate import Scores, by_split
from a3t.report.beside import Told, beside
from a3t.report.view import view_run
from a3t.types import Round, Task

COST = {
    "search": {"prompt_tokens": 3000, "completion_tokens": 1000, "episodes": 4},
    "evaluate": {"prompt_tokens": 9_000_000, "completion_tokens": 1, "episodes": 4},
}
EPOCHS = {"epochs": [{"row_tokens": 500}, {"row_tokens": 700}]}


def scores(solved: str) -> dict[str, Scores]:
    """A task for each letter, solved where it is a capital."""
    trials = [replace(trial(0, float(c.isupper())), task=Task(c.lower(), "test")) for c in solved]
    return {split: Scores.from_json(it.to_json()) for split, it in by_split(trials).items()}


def told(
    seed: int, solved: str, recovered: str = "", *, base: str = "", judge: str = "value", name: str = "", more: int = 0
) -> Told:
    """Two rounds, the first of which solved nothing."""
    cost = {**COST, "collect": {"prompt_tokens": more, "completion_tokens": 0}}
    first = {"scores": {"test": scores(solved.lower())["test"].to_json()}, "cost": COST, "training": EPOCHS}
    if base:
        first["base"] = {"test": scores(base)["test"].to_json()}
    last = {"scores": {"test": scores(solved)["test"].to_json()}, "cost": cost, "recovery": RECOVERY, "behaviour": BEHAVIOUR}
    run = view_run("r", [Round(0, "p", first), Round(1, "p", last | {"revise": REVISE, "training": EPOCHS})])
    recipe = {"name": name or f"r{seed}", "seed": seed, "revise": {"judge": judge}}
    return Told(recipe, run.rounds, run.base, scores(recovered)["test"] if recovered else None)


def by_label(table):
    """Texts by column; ± comes twice: of success, then of reward."""
    names = [f"{name} {table.columns[:i].count(name)}" if name == "±" else name for i, name in enumerate(table.columns)]
    return {row.label: dict(zip(names, [cell.text for cell in row.cells], strict=True)) for row in table.rows}


def test_runs_that_differ_in_the_seed_alone_are_one_row_in_the_order_of_seeds():
    """Seeds 0 and 1: 1/4 and 3/4. t at 97.5 % with one degree of freedom is 12.7, and the half width 12.7 · 0.354 / √2 = 3.18."""
    success, mistakes = beside([told(1, "ABCd", "AB"), told(0, "Abcd", "ab"), told(0, "ABcd", "Ab", judge="end")])
    rows = by_label(success)
    assert list(rows) == list(by_label(mistakes)) == ["as it is", "revise.judge=end"]
    first = rows["as it is"]
    assert (first["Seeds"], first["Tasks"], first["Success by seed"]) == ("2", "8", "25.0 75.0")
    assert (first["Mean"], first["± 0"], first["Reward"], first["± 1"]) == ("50.0", "317.7", "50.0", "317.7")
    assert rows["revise.judge=end"]["± 0"] == "–", "one run has no interval"
    told_of = by_label(mistakes)["as it is"]
    assert (told_of["Beginnings"], told_of["Recovered by seed"], told_of["Mean"]) == ("4", "0.0 100.0", "50.0")
    assert (told_of["Actions"], told_of["Repeated"], told_of["Loops"]) == ("5.50", "2.00", "0.75")
    assert (told_of["Mistake"], told_of["Ending"]) == ("2.50", "4.00")


def test_rows_are_held_against_the_first_on_the_same_tasks_of_the_same_seeds():
    runs = [told(0, "Abcd"), told(1, "abCD"), told(2, "ABCD"), told(1, "ABCd", judge="end"), told(0, "aBCD", "aB", judge="end")]
    success, mistakes = beside(runs)
    rows = by_label(success)
    assert rows["as it is"]["Gained / lost"] == rows["as it is"]["p"] == "–"
    # Seed 0: +3 −1, seed 1: +2 −1; the probability of 2 or fewer of 7, both ways: 2 · (1 + 7 + 21) / 128.
    assert rows["revise.judge=end"]["Gained / lost"] == "+5 −2" and rows["revise.judge=end"]["p"] == "0.453"
    assert by_label(mistakes)["revise.judge=end"]["Gained / lost"] == "–", "the first was put after no wrong beginning"


def test_what_gathering_cost_and_training_read_stands_beside_it_without_the_trials():
    rows = by_label(beside([told(0, "Ab"), told(0, "Ab", judge="end", more=4000)])[0])
    assert (rows["as it is"]["Gathered"], rows["as it is"]["× first"]) == ("8", "1.00"), "two rounds of 4,000"
    assert (rows["revise.judge=end"]["Gathered"], rows["revise.judge=end"]["× first"]) == ("12", "1.50")
    assert rows["as it is"]["Trained"] == "2", "two rounds of 1,200"


def test_recipes_that_have_a_name_of_their_own_are_called_by_it():
    named = [told(0, "Ab", name="agent-r"), told(1, "Ab", name="agent-r"), told(0, "Ab", judge="end", name="direct")]
    assert list(by_label(beside(named)[0])) == ["agent-r", "direct"]


def test_a_run_that_has_rounds_to_come_is_named():
    done, cut = told(0, "Ab"), told(1, "Ab")
    (note,) = [note for note in beside([with_rounds(done, 2), with_rounds(cut, 3)])[0].notes if "Unfinished" in note]
    assert note == "Unfinished: r1 seed 1: 2 of 3 rounds."
    assert not any("Unfinished" in note for note in beside([with_rounds(done, 2)])[0].notes)


def with_rounds(run: Told, num: int) -> Told:
    return replace(run, recipe={**run.recipe, "num_rounds": num})


def test_two_runs_of_one_recipe_and_seed_are_refused_by_name_and_none_is_dropped():
    first, second = (replace(told(0, "Ab"), where=where) for where in ("runs/a", "runs/b"))
    with pytest.raises(RecipeError, match=r"runs/b and runs/a have one recipe and one seed \(0\)"):
        beside([first, told(1, "Ab"), second])


def test_a_folder_given_twice_is_refused(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(RecipeError, match="is given twice"):
        show_beside([tmp_path / "run", tmp_path / "x" / ".." / "run"], markdown=False)


def test_the_base_stands_first_and_counts_once_for_each_seed():
    runs = [told(0, "Abcd", base="ABcd"), told(0, "ABcd", base="ABcd", judge="end"), told(1, "Abcd", base="abcd")]
    rows = by_label(beside(runs)[0])
    assert next(iter(rows)) == "base"
    assert (rows["base"]["Seeds"], rows["base"]["Success by seed"]) == ("2", "50.0 0.0")
    assert rows["base"]["Gained / lost"] == "+1 −1", "against the first recipe"
    assert rows["base"]["Gathered"] == rows["base"]["Trained"] == "–"


def test_a_folder_that_is_no_run_is_one_clear_error(tmp_path):
    from a3t.cli.beside import show_beside
    from a3t.errors import A3TError

    with pytest.raises(A3TError):
        show_beside([tmp_path / "absent"], False)
    with pytest.raises(A3TError):
        show_beside([tmp_path], False)
