"""Which failure stands beside which success."""

from __future__ import annotations

from a3t.report.cases import choose_cases
from a3t.types import Author, Stage, Step, Stop, Task, Trajectory

OWN = Step("", "look", ".")
EXPLAINED = Step("because", "go", ".", Author.ANNOTATOR, Author.EXPLORER)


def tried(
    name: str, kind: str, success: bool, *steps: Step, stage: Stage = Stage.COLLECT, round_index: int = 1, attempt: int = 0
) -> Trajectory:
    stop = Stop.SUCCESS if success else Stop.TURN_LIMIT
    return Trajectory(Task(name, "train", kind), "", steps, float(success), success, stop, stage, "toy", round_index, attempt)


def composed(name: str, kind: str, *steps: Step, round_index: int = 1, attempt: int = 0) -> Trajectory:
    return tried(name, kind, True, *steps, stage=Stage.EXPLORE, round_index=round_index, attempt=attempt)


def test_the_shortest_composed_success_of_each_type_is_chosen() -> None:
    records = [
        tried("a", "pick", False, OWN),
        composed("a", "pick", OWN, OWN, EXPLAINED, attempt=0),
        composed("a", "pick", OWN, EXPLAINED, attempt=1),
        tried("b", "pick", False, OWN),
        composed("b", "pick", EXPLAINED, OWN, OWN),
        tried("c", "heat", False, OWN),
        composed("c", "heat", EXPLAINED, OWN, OWN, OWN),
    ]
    cases = choose_cases(records, num_cases=2)
    assert [(case.task.task_id, case.composed.attempt) for case in cases] == [("a", 1), ("c", 0)]


def test_a_type_without_a_case_lends_its_place() -> None:
    records = [record for name in "abc" for record in (tried(name, "pick", False, OWN), composed(name, "pick", EXPLAINED))]
    assert [case.task.task_id for case in choose_cases(records)] == ["a", "b", "c"]


def test_success_and_failure_are_of_the_same_round() -> None:
    records = [tried("a", "pick", False, OWN, round_index=1), composed("a", "pick", EXPLAINED, round_index=2)]
    assert choose_cases(records) == ()


def test_the_first_try_of_a_round_is_the_failure_shown() -> None:
    records = [
        tried("a", "pick", False, OWN, attempt=1),
        tried("a", "pick", False, OWN, OWN, attempt=0),
        composed("a", "pick", EXPLAINED),
    ]
    for order in (records, records[::-1]):
        (case,) = choose_cases(order)
        assert case.failed.attempt == 0


def test_compositions_that_nobody_explained_are_no_case() -> None:
    silent = Step("", "go", ".", Author.ANNOTATOR, Author.EXPLORER)
    assert choose_cases([tried("a", "pick", False, OWN), composed("a", "pick", silent)]) == ()


def test_a_success_full_of_explored_actions_comes_after_one_with_few() -> None:
    many, few = composed("a", "pick", *[EXPLAINED] * 5, attempt=0), composed("a", "pick", *[OWN] * 8, EXPLAINED, attempt=1)
    (case,) = choose_cases([tried("a", "pick", False, OWN), many, few])
    assert case.composed.attempt == 1


def test_the_two_part_at_their_first_different_action_thoughts_aside() -> None:
    go, thought = Step("", "go to desk 1", "."), Step("hm", "", "OK.")
    (case,) = choose_cases([tried("a", "pick", False, go, OWN, OWN), composed("a", "pick", thought, go, OWN, EXPLAINED)])
    assert case.num_shared == 2
