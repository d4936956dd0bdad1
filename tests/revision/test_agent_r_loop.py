"""Agent-R as a stage of the loop: what is gathered, what is trained on, and that a kill changes nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from larder import TASK, played
from small_loop import BOOTSTRAP, RECIPE, parts_for, play

from a3t import loop
from a3t.cli.revise import check_revision
from a3t.config import parse_recipe
from a3t.errors import A3TError, Interrupted, RecipeError
from a3t.revision.past import Past
from a3t.revision.records import KEPT, KIND, Lesson, Lessons, Outcome, Ref, key_of, read_round, ref
from a3t.search.tree import End
from a3t.store import Store
from a3t.store.trees import load_trees, without_seconds
from a3t.types import Author, Stage, Task


def told(store: Store) -> list[object]:
    """Everything that must not depend on whether a run was interrupted."""
    trees = [without_seconds(tree) for index in (0, 1) for tree in load_trees(store, index)]
    blobs = [store.get_blob(KIND, key) for key in store.blob_keys(KIND)]
    metrics = [{key: value for key, value in one.metrics.items() if key != "cost"} for one in store.rounds()]
    return [store.digest(), trees, blobs, metrics]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody disturbed, and what its trainer was shown."""
    folder = tmp_path_factory.mktemp("whole")
    parts, trainer = parts_for(folder, **BOOTSTRAP)
    with parts.store:
        loop.run_loop(parts)
    return folder, trainer


def test_stock_phrases_may_be_said_in_words_that_the_base_knows(tmp_path):
    revise = {**RECIPE["revise"], "thoughts": "stock", "phrases": ["Hm. Once more."]}
    parts, _ = parts_for(tmp_path, revise=revise, **BOOTSTRAP)
    with parts.store as store:
        loop.run_loop(parts)
        revised = store.trajectories(stages=(Stage.REVISE,))
        said = {step.thought for one in revised for step in one.steps if step.thought_by is Author.REVISER}
    assert said == {"Hm. Once more."}
    for broken in ("", " ", "two\nlines"):
        with pytest.raises(RecipeError, match="phrases"):
            parse_recipe({**RECIPE, "revise": {**revise, "phrases": [broken]}})


def test_a_round_searches_revises_trains_on_both_and_measures_recovery(whole):
    folder, trainer = whole
    with Store.open(folder, read_only=True) as store:
        (first, second) = store.rounds()
        trees = list(load_trees(store, 1))
        records = list(read_round(store, 1))
        kept = list(store.trajectories(stages=(Stage.REVISE,)))
        rollouts = store.count(stages=(Stage.SEARCH,), rounds=(1,))
        recovered = list(store.trajectories(stages=(Stage.RECOVER,), rounds=(1,)))
        drawn = list(store.trajectories(stages=(Stage.RECOVER,), rounds=(-1,), attempt=loop.DRAWN))
    assert "revise" not in first.metrics, "round 0 is the bootstrap"
    assert len(trees) == 3 and rollouts == sum(len(tree.rollouts) for tree in trees)
    assert len(kept) == sum(lesson.outcome in KEPT for one in records for lesson in one.lessons) > 0
    assert second.metrics["revise"]["revisions"] == len(kept)
    failed = [one for one in drawn if not one.success]
    assert first.metrics["base_recovery"]["num"] == second.metrics["recovery"]["num"] == len(recovered) == min(2, len(failed))
    assert {one.observation for one in recovered} == {one.observation for one in drawn}
    assert recovered[0].steps[0].action == next(d.steps[0].action for d in failed if d.task == recovered[0].task)
    assert all(not step.trained for one in recovered for step in one.steps[:1])
    assert second.metrics["cost"]["revise"]["model_calls"] > 0, "judging and thoughts are paid for"
    revisions = [w.trajectory for w in trainer.datasets[1] if w.trajectory.is_revision]
    assert {t.actions for t in revisions} <= {t.actions for t in kept} and revisions
    assert any(w.trajectory.stage is Stage.SEARCH for w in trainer.datasets[1]), "good rollouts are trained on too"
    assert second.metrics["mixture"]["revisions"] == len(revisions)


def test_every_revision_in_the_store_is_what_the_world_answers(whole):
    """Played once more by hand, thoughts left out."""
    from larder import Larder

    folder, _ = whole
    with Store.open(folder, read_only=True) as store:
        for revision in store.trajectories(stages=(Stage.REVISE,)):
            world = Larder()
            world.reset()
            answers = [world.step(step.action) for step in revision.steps if step.action]
            assert [step.observation for step in revision.steps if step.action] == [answer[0] for answer in answers]
            assert answers[-1][1] == revision.reward


def test_recovery_never_reaches_the_training_data(whole):
    folder, trainer = whole
    for dataset in trainer.datasets:
        assert not {w.trajectory.stage for w in dataset} & {Stage.RECOVER, Stage.EVALUATE}
    with Store.open(folder, read_only=True) as store:
        assert Stage.RECOVER not in {t.stage for t in store.training_trajectories()}


def test_the_same_seed_gives_the_same_trees_revisions_and_figures(whole, tmp_path):
    play(tmp_path)
    with Store.open(whole[0], read_only=True) as one, Store.open(tmp_path, read_only=True) as other:
        assert told(one) == told(other)


@pytest.mark.parametrize("after", [40, 100, 130, 160])
def test_a_run_that_was_stopped_and_goes_on_equals_one_that_was_not(whole, tmp_path, after):
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > after

    parts, _ = parts_for(tmp_path, should_stop=stop, **BOOTSTRAP)
    with parts.store, pytest.raises(Interrupted):
        loop.run_loop(parts)
    play(tmp_path)
    with Store.open(whole[0], read_only=True) as one, Store.open(tmp_path, read_only=True) as other:
        assert told(one) == told(other)


@pytest.mark.parametrize("stage", [Stage.SEARCH, Stage.REVISE])
def test_kill_9_in_the_middle_of_a_stage_changes_nothing(whole, tmp_path, stage):
    """Killed once the stage has written something, and is not over; then the same command again."""
    command = [sys.executable, str(Path(__file__).parent / "small_loop.py"), str(tmp_path)]
    slow = subprocess.Popen([*command, "0.01"])
    try:
        while not _is_in(tmp_path, stage):
            assert slow.poll() is None, "it was over before it could be killed"
            time.sleep(0.01)
    finally:
        slow.kill()
        slow.wait()
    with Store.open(tmp_path, read_only=True) as store:
        assert store.next_round() == 1, "round 1 was cut short"
    subprocess.run([*command, "0"], check=True)
    with Store.open(whole[0], read_only=True) as one, Store.open(tmp_path, read_only=True) as other:
        assert told(one) == told(other)


def _is_in(folder: Path, stage: Stage) -> bool:
    try:
        with Store.open(folder, read_only=True) as store:
            return bool(store.blob_keys("tree" if stage is Stage.SEARCH else KIND))
    except A3TError:
        return False  # not there yet, or just being made


def test_revise_goes_to_the_end_of_its_stage_and_no_further(tmp_path):
    parts, trainer = parts_for(tmp_path, **BOOTSTRAP)
    with parts.store as store:
        loop.run_to(parts, "evaluate")
        assert loop.run_to(parts, "revise") == 1
        assert store.count(stages=(Stage.REVISE,), rounds=(1,)) > 0 and len(trainer.datasets) == 1
        before = store.digest()
        loop.run_to(parts, "revise")
        assert store.digest() == before, "what is done is left alone"


def test_revisions_can_be_made_of_what_was_gathered_without_a_search(tmp_path):
    """A³T and Agent-R on one set of tries: the policy's own failures beside composed successes."""
    changes = {
        "revise": {"source": "gathered", "num_votes": 1},
        "explore": {"num_compositions": 12, "min_compositions": 12, "temperature": 1.0},
    }
    parts, trainer = parts_for(tmp_path, **BOOTSTRAP, **changes)
    with parts.store as store:
        loop.run_loop(parts)
        assert store.count(stages=(Stage.SEARCH,)) == 0
        kept = list(store.trajectories(stages=(Stage.REVISE,)))
    stages = {w.trajectory.stage for w in trainer.datasets[1]}
    assert kept and {Stage.EXPLORE, Stage.REVISE} <= stages, "one training set holds both"


def test_mistakes_of_earlier_rounds_are_revised_once_a_good_ending_is_known(tmp_path):
    """The bootstrap's own failures, of which no tree of round 1 knows, and none of them twice."""
    changes = {"num_rounds": 3, "revise": {**RECIPE["revise"], "judge": "value", "earlier": True}}
    parts, _trainer = parts_for(tmp_path, **BOOTSTRAP, **changes)
    with parts.store as store:
        loop.run_loop(parts)
        told_of = [(told, one) for index in (1, 2) for told in read_round(store, index) for one in told.lessons]
        there = {(t.task.task_id, *ref(t)) for t in store.trajectories()}
    made = [(told.task_id, *one.bad) for told, one in told_of if one.revision]
    assert any(stage == Stage.COLLECT and made_in == 0 for _task, stage, made_in, _attempt in made)
    assert len(set(made)) == len(made), "what was revised once is left alone"
    assert {(told.task_id, *one.good) for told, one in told_of} <= there


def test_where_a_reward_is_no_longer_good_its_mistake_is_open_again(tmp_path):
    """A revision that came to 0.6 is trained on while α is 0.5, and not when it is 1."""
    changes = {"revise": {**RECIPE["revise"], "earlier": True, "alpha": [0.5, 1.0], "first_round": 0}}
    parts, _trainer = parts_for(tmp_path, **BOOTSTRAP, **changes)
    bad, sold, eaten = Ref("collect", 0, 0), Ref("revise", 0, 0), Ref("revise", 0, 1)
    lesson = Lesson(bad, Ref("collect", 0, 1), 0, 0, Outcome.CONFIRMED, revision=sold)
    other = replace(lesson, bad=Ref("collect", 0, 2), revision=eaten)
    with parts.store as store:
        for way, attempt in (("sell", 0), ("eat", 1)):
            one = played("open", "take", way, attempt=attempt, stage=Stage.REVISE)
            store.add(replace(one, round_index=0))
        told = Lessons(TASK.task_id, TASK.split, 0, 0.5, 0.2, 5, 2, (lesson, other))
        store.put_blob(KIND, key_of(0, TASK), told.to_bytes())
        assert loop.past_of(parts, 0) == {}
        past = Past(settled=frozenset({other.bad}), tried=frozenset({bad}))
        assert loop.past_of(parts, 1) == {(TASK.split, TASK.task_id): past}, "α is 1 in round 1"


def test_a_rounds_tokens_for_revising_are_shared_by_the_tasks_that_have_pairs(tmp_path, monkeypatch):
    shares = []

    def remembering(*args, max_tokens, **told):
        shares.append(max_tokens)
        return made(*args, max_tokens=max_tokens, **told)

    made = loop.make_revisions
    monkeypatch.setattr(loop, "make_revisions", remembering)

    def pairs_with(name, **told):
        parts, _trainer = parts_for(tmp_path / name, **BOOTSTRAP, num_rounds=2, revise={**RECIPE["revise"], **told})
        with parts.store as store:
            loop.run_loop(parts)
            return [(len(one.lessons), one.num_left) for one in read_round(store, 1)]

    every, bounded = pairs_with("all"), pairs_with("few", round_tokens=1)
    assert sum(left for _made, left in every) == 0 and any(made > 1 for made, _left in every)
    assert bounded == [(min(1, made), max(0, made - 1)) for made, _left in every], "one a task whatever it costs"
    shares.clear()
    pairs_with("shared", round_tokens=3_000)
    assert shares == [3_000 // sum(made > 0 for made, _left in every)] * len(every)


def test_a_run_that_looks_at_earlier_mistakes_and_was_stopped_equals_one_that_was_not(tmp_path):
    changes = {"num_rounds": 3, "revise": {**RECIPE["revise"], "judge": "value", "earlier": True, "late": 0.5}}

    def play_to(folder, *stages):
        for stage in stages:
            parts, _trainer = parts_for(folder, **BOOTSTRAP, **changes)
            with parts.store as store:
                loop.run_to(parts, stage)
                found = told(store)
        return found

    at_once = play_to(tmp_path / "at-once", "evaluate", "evaluate", "evaluate")
    assert at_once == play_to(
        tmp_path / "bit-by-bit", "collect", "evaluate", "explore", "revise", "train", "evaluate", "revise", "evaluate"
    )


@pytest.mark.parametrize(
    ("search", "revise", "named"),
    [
        ({"explore_probability": 0.5}, {"thoughts": "model"}, {Stage.SEARCH, Stage.REVISE}),
        ({}, {"thoughts": "actre"}, {Stage.REVISE}),
        ({}, {"thoughts": "model"}, set()),
        ({}, {"thoughts": "model", "earlier": True}, set()),
    ],
)
def test_records_of_search_and_revision_name_their_annotator_where_it_spoke(tmp_path, search, revise, named):
    changes = {"search": {**RECIPE["search"], **search}, "revise": {**RECIPE["revise"], **revise}}
    parts, _trainer = parts_for(tmp_path, **BOOTSTRAP, **changes)
    with parts.store:
        while parts.store.next_round() < 1:
            loop.run_to(parts, "evaluate")
        loop.run_to(parts, "revise")
        made = list(parts.store.trajectories(stages=(Stage.SEARCH, Stage.REVISE)))
    for one in made:
        explained = any(step.thought_by is Author.ANNOTATOR for step in one.steps)
        spoke = explained or (one.stage is Stage.REVISE and revise["thoughts"] == "actre")
        assert one.annotator == ("annotator" if spoke else "")
    assert named == {one.stage for one in made if one.annotator} and Stage.REVISE in {one.stage for one in made}


def test_a_revision_that_ends_as_a_composition_did_names_the_annotator(tmp_path):
    changes = {
        "revise": {**RECIPE["revise"], "thoughts": "stock", "earlier": True},
        "explore": {"num_compositions": 12, "min_compositions": 12, "temperature": 1.0},
    }
    parts, _trainer = parts_for(tmp_path, **BOOTSTRAP, **changes)
    with parts.store as store:
        loop.run_loop(parts)
        made = list(store.trajectories(stages=(Stage.REVISE,)))
    explained = [any(step.thought_by is Author.ANNOTATOR for step in one.steps) for one in made]
    assert any(explained) and [bool(one.annotator) for one in made] == explained


def test_a_rounds_tokens_are_shared_alike_among_its_trees(tmp_path, whole):
    """So that ways to gather can be held against each other at equal tokens."""
    with Store.open(whole[0], read_only=True) as store:
        spent = sum(tree.num_tokens for tree in load_trees(store, 1))
    parts, _trainer = parts_for(tmp_path, **BOOTSTRAP, search={**RECIPE["search"], "num_rollouts": 50, "round_tokens": spent})
    with parts.store as store:
        loop.run_to(parts, "evaluate")
        loop.search(parts, 1)
        trees = list(load_trees(store, 1))
    assert [tree.budget.max_tokens for tree in trees] == [spent // 3] * 3
    for tree in trees:
        assert tree.end is End.TOKENS
        last = tree.rollouts[-1].cost.tokens
        assert tree.num_tokens - last < spent // 3 <= tree.num_tokens, "the rollout that goes past is finished, and is the last"


def test_wrong_beginnings_are_drawn_from_every_type_of_task(tmp_path):
    """Worlds list their types in turn, so that every second task would be of one type alone."""
    parts, _trainer = parts_for(tmp_path, **{**BOOTSTRAP, "agent": {"max_turns": 2}})
    mixed = tuple(Task(f"{('eat', 'feast')[n % 2]}-{n}", "test", ("eat", "feast")[n % 2], "Eat the apple.") for n in range(8))
    parts.tasks = replace(parts.tasks, test={"test": mixed})
    with parts.store as store:
        loop.recover(parts, loop.BASE_ROUND)
        drawn = list(store.trajectories(stages=(Stage.RECOVER,), attempt=loop.DRAWN))
        kept = list(store.trajectories(stages=(Stage.RECOVER,), attempt=0))
    assert Counter(one.task.task_type for one in drawn) == {"eat": 2, "feast": 2}
    assert not any(one.success for one in drawn), "two turns are too few, so that there is something to leave out"
    assert Counter(one.task.task_type for one in kept) == {"eat": 1, "feast": 1}, "and so is what is kept of those that failed"


def test_a_tree_may_be_bounded_in_seconds_by_the_recipe(tmp_path):
    parts, _trainer = parts_for(tmp_path, **BOOTSTRAP, search={**RECIPE["search"], "max_seconds": 1e-6})
    with parts.store:
        while parts.store.next_round() < 1:
            loop.run_to(parts, "evaluate")
        loop.run_to(parts, "revise")
        grown = list(load_trees(parts.store, 1))
    assert grown and all(len(tree.rollouts) == 1 and tree.end is End.SECONDS for tree in grown)
    for wrong in (0, -1, "inf", "nan"):
        with pytest.raises(RecipeError, match="max_seconds"):
            parse_recipe({"search": {"max_seconds": wrong}})


def test_a_rounds_tokens_are_shared_alike_among_the_failed_tasks(tmp_path):
    explore = {"num_compositions": 30, "min_compositions": 30, "temperature": 1.0, "round_tokens": 3000}
    parts, _trainer = parts_for(tmp_path, **BOOTSTRAP, revise={"source": "off"}, explore=explore)
    with parts.store as store:
        loop.run_to(parts, "evaluate")
        loop.run_to(parts, "explore")
        failed = loop.failures(store.trajectories(stages=(Stage.COLLECT,), rounds=(1,)))
        made = [list(store.trajectories(stages=(Stage.EXPLORE,), task_id=one.task.task_id)) for one in failed]
    assert len(failed) > 1
    for compositions in made:
        costs = [one.cost.tokens for one in compositions]
        assert sum(costs[:-1]) < 3000 // len(failed) <= sum(costs)


def test_alpha_rises_and_what_it_no_longer_calls_good_leaves_the_training_set(tmp_path):
    changes = {"num_rounds": 3, "revise": {**RECIPE["revise"], "alpha": [0.5, 1.0]}}
    parts, trainer = parts_for(tmp_path, **BOOTSTRAP, **changes)
    with parts.store as store:
        loop.run_loop(parts)
        alphas = [one.metrics["revise"]["alpha"] for one in store.rounds()[1:]]
    assert alphas == [0.5, 1.0]
    assert all(w.trajectory.success for w in trainer.datasets[2] if w.weight > 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"agent": {"thoughts": False}}, "a revision is a thought"),
        ({"revise": {"source": "search", "alpha": [1.0, 0.5]}}, "falls"),
        ({"revise": {"source": "search", "first_round": 2}}, "comes after the last"),
        ({"revise": {"source": "search", "judge_prompt": "no/such.txt"}}, "no/such.txt"),
        ({"search": {"sampler": "unfirom"}}, "uniform"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_played(changes, said):
    with pytest.raises((RecipeError, LookupError), match=said):
        check_revision(parse_recipe({**RECIPE, **changes}))


def test_a_loop_without_anything_to_revise_with_says_so(tmp_path):
    parts, _ = parts_for(tmp_path, **BOOTSTRAP)
    parts.workshop = None
    with parts.store, pytest.raises(RecipeError, match="nothing was given"):
        loop.run_loop(parts)
