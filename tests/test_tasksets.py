"""Which tasks train, validate and test: in proportion, apart, and the same every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from a3t.config import EnvironmentConfig
from a3t.envs import make
from a3t.errors import RecipeError, UnknownNameError
from a3t.tasksets import TaskSets, choose_tasks, stratified
from a3t.types import Task

SIZES = {"train": {"pick": 790, "look": 308, "clean": 651, "heat": 459, "cool": 533, "two": 813}}
"""Of ALFWorld's training games."""
SIZES |= {"valid_seen": {"pick": 35, "look": 13, "clean": 27}, "valid_unseen": {"pick": 24, "look": 18, "clean": 31}}


class Listing:
    """An environment of tasks alone."""

    def __init__(self, sizes: dict[str, dict[str, int]]) -> None:
        self.sizes = sizes

    def tasks(self, split: str) -> Sequence[Task]:
        if split not in self.sizes:
            raise UnknownNameError(split)
        # Sorted by type, as ALFWorld's folders are: taking the first ones would take one type alone.
        return [Task(f"{kind}-{i}", split, kind) for kind, num in self.sizes[split].items() for i in range(num)]


def choose(seed: int = 0, sizes: dict[str, dict[str, int]] = SIZES, **options: Any) -> TaskSets:
    return choose_tasks(Listing(sizes), EnvironmentConfig(**options), seed)  # type: ignore[arg-type]


def by_type(tasks: Sequence[Task]) -> Counter[str]:
    return Counter(task.task_type for task in tasks)


def test_the_papers_numbers_come_out_of_the_papers_split() -> None:
    """Table 13 draws 600 + 60 of 3,553 tasks; ours are in proportion to the whole split."""
    sets = choose()
    assert (len(sets.train), len(sets.validation), len(sets.test["valid_unseen"])) == (600, 60, 73)
    for kind, num in SIZES["train"].items():
        assert abs(by_type(sets.train)[kind] - 600 * num / 3554) <= 2
        assert abs(by_type(sets.validation)[kind] - 60 * num / 3554) <= 2


def test_no_task_is_in_two_sets() -> None:
    sets = choose(test_splits=("valid_unseen", "valid_seen"))
    everything = [*sets.train, *sets.held_out]
    assert len(everything) == len(set(everything)) == 600 + 60 + 73 + 75
    assert {t.split for t in sets.train} == {t.split for t in sets.validation} == {"train"}


def test_held_out_is_everything_that_is_never_trained_on() -> None:
    sets = choose(test_splits=("valid_unseen", "valid_seen"))
    assert set(sets.held_out) == {*sets.validation, *sets.test["valid_unseen"], *sets.test["valid_seen"]}


def test_tasks_keep_the_order_of_their_split() -> None:
    order = {task: index for index, task in enumerate(Listing(SIZES).tasks("train"))}
    sets = choose()
    for chosen in (sets.train, sets.validation):
        assert [order[t] for t in chosen] == sorted(order[t] for t in chosen)


def test_equal_seeds_draw_equally_and_others_do_not() -> None:
    assert choose(seed=3) == choose(seed=3)
    assert choose(seed=3).train != choose(seed=4).train


def test_a_test_split_is_taken_whole_or_in_proportion() -> None:
    assert by_type(choose().test["valid_unseen"]) == SIZES["valid_unseen"]
    some = by_type(choose(num_test_tasks=20).test["valid_unseen"])
    assert sum(some.values()) == 20
    assert all(abs(some[kind] - 20 * num / 73) < 1 for kind, num in SIZES["valid_unseen"].items())


def test_where_there_are_too_few_tasks_at_most_half_are_kept_for_validation() -> None:
    small = {"train": {"pick": 5, "look": 5}, "valid_unseen": {"pick": 2}}
    sets = choose(sizes=small)
    assert (len(sets.train), len(sets.validation)) == (5, 5)
    sets = choose(sizes=small, num_validation_tasks=2)
    assert (len(sets.train), len(sets.validation)) == (8, 2)
    assert not set(sets.train) & set(sets.validation)


def test_validation_tasks_may_come_from_a_split_of_their_own() -> None:
    sets = choose(validation_split="valid_seen", num_validation_tasks=30)
    assert (len(sets.train), len(sets.validation)) == (600, 30)
    assert {t.split for t in sets.validation} == {"valid_seen"}


def test_no_validation_is_a_choice() -> None:
    assert choose(num_validation_tasks=0).validation == ()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"test_splits": ("valid_unseen", "train")}, "test tasks never touch training"),
        ({"validation_split": "valid_unseen"}, "what decides cannot be what is reported"),
        ({"sizes": {"train": {}, "valid_unseen": {"pick": 1}}}, "no tasks to train on"),
    ],
)
def test_sets_that_would_not_be_honest_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        choose(**options)


class Numbered(Listing):
    """A world whose ids are numbers through all its splits, which overlap."""

    one_task_per_id = True
    splits = ("test", "validation", "train")
    places = {"test": range(4), "validation": range(4, 8), "train": range(8, 40), "all": range(40), "easy": range(2)}  # noqa: RUF012

    def __init__(self) -> None:
        pass

    def tasks(self, split: str) -> Sequence[Task]:
        return [Task(str(place), split, "buy") for place in self.places[split]]


def choose_numbered(train: str, validation: str, *test: str, num_validation: int = 2) -> TaskSets:
    config = EnvironmentConfig(
        name="shop", train_split=train, validation_split=validation, test_splits=test, num_validation_tasks=num_validation
    )
    return choose_tasks(Numbered(), config, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("splits", "why"),
    [
        (("all", "validation", "test"), "'all' and 'test' of 'shop' share 4 tasks, such as '0': test tasks never touch training"),
        (("train", "all", "easy"), "'all' and 'easy' of 'shop' share 2 tasks, such as '0': what decides"),
        (("all", "validation", "test"), "Splits that share none: test, validation, train"),
    ],
)
def test_splits_of_other_names_that_hold_the_same_tasks_are_refused(splits: tuple[str, ...], why: str) -> None:
    with pytest.raises(RecipeError, match=why):
        choose_numbered(*splits)


def test_what_is_validated_with_is_not_trained_on_under_another_name() -> None:
    with pytest.raises(RecipeError, match=r"'validation' of 'shop' share 4 tasks, such as '4': .* trained on"):
        choose_numbered("all", "validation")
    assert len(choose_numbered("all", "validation", num_validation=0).train) == 40


def test_splits_apart_are_drawn_and_say_that_their_ids_name_tasks() -> None:
    sets = choose_numbered("train", "validation", "test", "easy")
    assert sets.one_task_per_id and not choose().one_task_per_id
    assert not {t.task_id for t in sets.train} & {t.task_id for t in sets.held_out}


def test_a_test_split_that_is_not_validated_with_may_share_its_name() -> None:
    assert choose(validation_split="valid_unseen", num_validation_tasks=0).validation == ()


def test_an_environment_without_tasks_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"no `tasks\(split\)`"):
        choose_tasks(object(), EnvironmentConfig(name="mine"), 0)  # type: ignore[arg-type]


def test_an_unknown_split_is_the_environments_to_refuse() -> None:
    with pytest.raises(UnknownNameError, match="valid_unknown"):
        choose(test_splits=("valid_unknown",))


@given(sizes=st.lists(st.integers(0, 30), min_size=1, max_size=6), num=st.integers(0, 100), seed=st.integers(0, 5))
def test_a_stratified_sample_is_in_proportion_for_any_sizes(sizes: list[int], num: int, seed: int) -> None:
    tasks = [Task(f"{kind}-{i}", "train", f"type {kind}") for kind, size in enumerate(sizes) for i in range(size)]
    chosen = stratified(tasks, num, np.random.default_rng(seed))
    assert len(chosen) == len(set(chosen)) == min(num, len(tasks))
    for kind, size in enumerate(sizes):
        share = min(num, len(tasks)) * size / max(1, len(tasks))
        assert abs(by_type(chosen)[f"type {kind}"] - share) < 1, "largest remainders: never a whole task off"


def test_every_task_is_as_likely_as_its_neighbour() -> None:
    tasks = [Task(str(i), "train", "pick") for i in range(10)]
    rng = np.random.default_rng(0)
    counts = Counter(task for _ in range(2000) for task in stratified(tasks, 3, rng))
    assert all(abs(count - 600) < 4 * (2000 * 0.3 * 0.7) ** 0.5 for count in counts.values())
    assert len(counts) == 10


def test_the_household_gives_sets_that_are_apart() -> None:
    env = make("household", num_train=300, num_valid_unseen=60)
    sets = choose_tasks(env, EnvironmentConfig(num_train_tasks=120, num_validation_tasks=30), seed=1)
    assert set(by_type(sets.train).values()) == {20}
    assert set(by_type(sets.validation).values()) == {5}
    assert not {t.task_id for t in sets.train} & {t.task_id for t in sets.held_out}
