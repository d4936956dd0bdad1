"""Revisions in the worlds that ship: a mistake is put before a solution, and the environment says what it thinks of it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

import a3t
from a3t.config import ReviseConfig
from a3t.episode import Terms
from a3t.models.scripted import ScriptedModel
from a3t.revision.judge import ActorJudge
from a3t.revision.records import Outcome
from a3t.revision.replay import Finding
from a3t.revision.revise import FOUND, Workshop, revise
from a3t.revision.thoughts import Reviser
from a3t.revision.tries import gathered_tries
from a3t.search.actor import policy_actor
from a3t.search.tree import Settings
from a3t.text.react import DIALECTS
from a3t.types import Stage, Step, Stop, Trajectory, prompt_text
from a3t.worlds import Worlds
from toy_world import finish, policy

OPTIONS = {"household": {"receptacles": [6, 6], "distractors": [4, 4]}}
REWARDED = {"textcraft": 1.0, "household": 1.0, "webshop": 1.0}


@pytest.fixture(scope="module", params=sorted(REWARDED))
def world(request):
    name = request.param
    env = a3t.make(name, **OPTIONS.get(name, {}))
    task = env.tasks("train")[0]
    return name, Worlds(lambda: a3t.make(name, **OPTIONS.get(name, {})), 30.0), task, list(env.solution(task.task_id))


def play(worlds: Worlds, task, *actions: str, attempt: int) -> Trajectory:
    env = worlds.borrow()
    seen = worlds.reset(env, task, seed=0, drop_banner=True)
    observation, steps = seen.observation, []
    for action in actions:
        seen = worlds.step(env, action, drop_banner=True)
        steps.append(Step("", action, seen.observation, valid=seen.valid))
    worlds.give_back(env)
    stop = seen.stop or Stop.TURN_LIMIT
    return Trajectory(
        task, observation, tuple(steps), seen.reward, stop is Stop.SUCCESS, stop, Stage.COLLECT, "w", 1, attempt, "01"
    )


def learned(world, *bad: str, mends=()):
    """What comes of a bad trajectory beside the solution; whoever looks for another ending plays `mends` after the thought."""
    name, worlds, task, solution = world
    dialect = DIALECTS[name]

    def answer(request):
        own = prompt_text(request.prompt).rsplit("Wrong.", 1)[-1]
        said = len(re.findall(rf"^{re.escape(dialect.cue)} ", own, re.MULTILINE))
        return f" {mends[min(said, len(mends) - 1)]}\n"

    agent = policy(ScriptedModel(answer), dialect)
    config = ReviseConfig(source="gathered", judge="end", thoughts="stock", gate="off", num_repairs=1)
    shop = Workshop(
        worlds,
        agent,
        policy_actor(agent),
        lambda task: ActorJudge(agent.model),
        Reviser("stock", ("Wrong.",), gate="off"),
        config,
        Settings(num_actions=1),
        Terms(Stage.REVISE, 1, "01", name, max_turns=12),
    )
    tries = gathered_tries([play(worlds, task, *solution, attempt=0), play(worlds, task, *bad, attempt=1)])
    kept: list[Trajectory] = []
    lessons = finish(revise(task, tries, shop, alpha=1.0, seed=0, record=kept.append))
    (lesson,) = lessons.lessons
    return lesson, kept


WRONG = {"textcraft": "get 1 nonsense", "household": "go to nowhere 9", "webshop": "click[nonsense]"}


def test_a_refused_action_is_revised_and_the_solution_confirmed_in_every_world(world):
    name, _worlds, _task, solution = world
    lesson, (revision,) = learned(world, WRONG[name], WRONG[name])
    assert lesson.outcome is Outcome.CONFIRMED, lesson.why
    assert list(revision.actions) == [WRONG[name], WRONG[name], "", *solution]
    assert revision.success and revision.reward == REWARDED[name]
    assert [step.trained for step in revision.steps] == [False] * 2 + [True] * (1 + len(solution))


@pytest.mark.parametrize("world", ["webshop"], indirect=True)
def test_in_the_shop_a_search_must_be_gone_back_from_and_the_search_finds_how(world):
    *_, solution = world
    lesson, (revision,) = learned(world, "search[lamp]", mends=("click[Back to Search]", *solution))
    assert (lesson.outcome, lesson.why) == (Outcome.REPAIRED, FOUND), lesson.why
    assert list(revision.actions) == ["search[lamp]", "", "click[Back to Search]", *solution]


@pytest.mark.parametrize("world", ["webshop"], indirect=True)
def test_a_wrong_purchase_cannot_be_gone_on_from(world):
    *_, solution = world
    bought = ("click[nonsense]", solution[0], solution[1], "click[Buy Now]")
    lesson, (revision,) = learned(world, *bought, mends=("click[Back to Search]", *solution))
    assert "click[Buy Now]" not in revision.actions[: revision.actions.index("")]
    assert lesson.outcome in (Outcome.CONFIRMED, Outcome.REPAIRED) and revision.reward == 1.0
    lesson, kept = learned(world, "click[nonsense]", solution[0], solution[1], "click[Buy Now]", mends=("click[nonsense]",))
    assert kept == [] and lesson.why == Finding.NO_WAY_ON
