"""The household environment: the contract, its tasks and its own quirks."""

import pytest

import a3t
from a3t.envs.conformance import check
from a3t.envs.household import HouseholdEnv
from a3t.errors import EnvironmentFailure, RecipeError, UnknownNameError, UnknownTaskError


def test_household_keeps_every_rule_of_the_suite():
    report = check(HouseholdEnv)
    report.raise_if_broken()
    assert all(finding.verdict == "holds" for finding in report.findings)


def test_the_same_seed_gives_the_same_tasks_in_a_new_environment_and_another_seed_others():
    one, two, other = HouseholdEnv(seed=4), HouseholdEnv(seed=4), HouseholdEnv(seed=5)
    assert one.tasks("valid_unseen") == two.tasks("valid_unseen")
    assert not {t.task_id for t in one.tasks("train")} & {t.task_id for t in other.tasks("train")}


def test_splits_have_as_many_tasks_as_asked_for_and_longer_ones_go_on():
    few, many = HouseholdEnv(num_train=10, num_valid_seen=3, num_valid_unseen=7), HouseholdEnv(num_train=50)
    assert [len(few.tasks(split)) for split in few.splits] == [10, 3, 7]
    assert many.tasks("train")[:10] == few.tasks("train")
    assert [len(a3t.make("household").tasks(split)) for split in few.splits] == [2000, 200, 400]


def test_a_task_by_number_is_the_one_of_the_list():
    env = HouseholdEnv(seed=3, num_train=20)
    assert [env.task("train", number) for number in range(20)] == list(env.tasks("train"))
    with pytest.raises(UnknownTaskError, match=r"train has tasks 0 to 19 \(num_train\)"):
        env.task("train", 20)
    with pytest.raises(UnknownNameError):
        env.task("trian", 0)


def test_a_task_says_type_and_instruction():
    env = HouseholdEnv()
    for task in env.tasks("train")[:12]:
        text, _ = env.reset(options={"task_id": task.task_id})
        assert task.task_id.startswith(f"{task.task_type}-")
        assert text.endswith(f"Your task is to: {task.instruction}")
        assert text.startswith("-= Welcome to TextWorld, ALFRED! =-\n\nYou are in the middle of a room.")


def test_a_task_is_rebuilt_from_its_id_alone():
    task = HouseholdEnv(seed=9).tasks("valid_unseen")[123]
    assert HouseholdEnv(seed=9).reset(options={"task_id": task.task_id})[0].endswith(task.instruction)


def test_ids_of_other_households_are_refused_saying_why():
    env = HouseholdEnv(seed=1, num_train=20)
    mine = env.tasks("train")[3].task_id
    for task_id, why in (
        (HouseholdEnv(seed=0).tasks("train")[3].task_id, r"seed=0, this one has seed=1"),
        (HouseholdEnv(seed=1).tasks("train")[30].task_id, r"train has 20 tasks \(num_train\)"),
        (HouseholdEnv(seed=1, distractors=3).tasks("train")[3].task_id, "under these options"),
        (mine.replace("/", "/x"), "its last part is not like"),
    ):
        with pytest.raises(UnknownTaskError, match=why):
            env.reset(options={"task_id": task_id})
    with pytest.raises(UnknownTaskError, match="Nearest: "):
        env.reset(options={"task_id": mine[1:]})


def test_without_a_task_the_seed_chooses_one():
    env = HouseholdEnv()
    assert env.reset(seed=3)[0] == env.reset(seed=3)[0]
    assert len({env.reset(seed=seed)[0] for seed in range(10)}) > 5


def test_older_text_is_a_matter_of_one_option():
    env = HouseholdEnv(text="2.1.1")
    task = env.tasks("train")[0]
    _, info = env.reset(options={"task_id": task.task_id})
    assert "help" not in info["actions"]
    answers = [env.step(command)[0] for command in env.solution(task.task_id)]
    assert answers[0].startswith("You arrive at loc ")
    assert answers[-1].startswith("You put the ")


def test_an_episode_can_be_cut_off():
    env = HouseholdEnv(max_steps=2)
    env.reset(seed=0)
    assert [env.step("look")[2:4] for _ in range(3)] == [(False, False), (False, True), (False, True)]


def test_a_task_can_be_drawn_from_any_split():
    env = HouseholdEnv(split="valid_seen")
    seen = {task.instruction for task in env.tasks("valid_seen")}
    for options, known in ((None, seen), ({"split": "valid_unseen"}, {t.instruction for t in env.tasks("valid_unseen")})):
        text, _ = env.reset(seed=1, options=options)
        assert text.rpartition("Your task is to: ")[2] in known


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"text": "3"}, r"text = '3' does not fit: expected '2.1.2' or '2.1.1'"),
        ({"seed": -1}, "seed = -1 does not fit"),
        ({"seed": "0"}, "seed = '0' does not fit"),
        ({"max_steps": 0}, "max_steps = 0 does not fit"),
        ({"num_train": 0}, "num_train = 0 does not fit"),
        ({"num_valid_unseen": 1.5}, "num_valid_unseen = 1.5 does not fit"),
        ({"receptacles": [9]}, r"receptacles = \[9\] does not fit"),
        ({"recepticles": 9}, "no option 'recepticles': did you mean 'receptacles'"),
    ],
)
def test_options_that_make_no_sense_are_one_clear_error(options, words):
    with pytest.raises(RecipeError, match=words):
        a3t.make("household", **options)


def test_an_unknown_split_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="valid_unseen"):
        HouseholdEnv(split="valid_unsen")


def test_restoring_something_else_or_playing_before_reset_is_said():
    env = HouseholdEnv()
    with pytest.raises(Exception, match="call reset"):
        env.step("look")
    with pytest.raises(EnvironmentFailure, match="restores its own snapshots"):
        env.restore("look")


def test_a_snapshot_can_be_restored_in_another_environment_of_the_same_kind():
    one, two = HouseholdEnv(), HouseholdEnv()
    task_id = one.tasks("train")[5].task_id
    one.reset(options={"task_id": task_id})
    plan = one.solution(task_id)
    for command in plan[:3]:
        one.step(command)
    two.restore(one.snapshot())
    assert [two.step(command)[0] for command in plan[3:]] == [one.step(command)[0] for command in plan[3:]]
