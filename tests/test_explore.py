"""Composition: whose step it is, why a sampled action is explained as it is, how many are made, and what counts as new."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from a3t.agents.asking import run
from a3t.config import AnnotatorConfig, ExploreConfig
from a3t.episode import Worlds, policy_mover, rollout
from a3t.errors import ModelError, RecipeError, UnknownNameError
from a3t.explore import OWN_SHARE, OWN_TEMPERATURE, SAMPLERS, compose, novelty, sampler, uniform, verbs
from a3t.models.scripted import ScriptedModel
from a3t.types import Author, Completed, Completion, Cost, Scoring, Stage, Stop, Trajectory, prompt_text
from toy_world import TASK, Corridor, annotator, finish, policy, saying, terms, worlds

OFF = AnnotatorConfig(gate="off")
BECAUSE = "Because."


def explaining() -> ScriptedModel:
    return ScriptedModel(lambda request: f" {BECAUSE}")


def composed(
    *lines: str,
    probability: float = 0.5,
    num: int = 1,
    least: int = 40,
    gate: AnnotatorConfig = OFF,
    model: Any = None,
    by: Any = None,
    within: Worlds | None = None,
    seed: int = 0,
    thoughts: bool = True,
    seen: Sequence[tuple[str, ...]] = (),
    record: Any = None,
    max_turns: int = 10,
    max_tokens: int | None = None,
    **options: Any,
) -> list[Trajectory]:
    """Compositions in the corridor; the policy says `lines`, or `look` for ever."""
    result: list[Trajectory] = finish(
        compose(
            within or worlds(),
            TASK,
            policy(model or saying(*(lines or ("look",))), thoughts=thoughts),
            annotator(by or explaining()),
            ExploreConfig(probability=probability, num_compositions=num, min_compositions=least, **options),
            gate,
            terms(Stage.EXPLORE, annotator="base", max_turns=max_turns),
            seed=seed,
            seen=seen,
            max_tokens=max_tokens,
            record=record or (lambda _: None),
        )
    )
    return result


def without_clock(trajectory: Trajectory) -> Trajectory:
    return replace(trajectory, cost=replace(trajectory.cost, seconds=0.0))


# --- whose step ---------------------------------------------------------------------


def test_at_probability_zero_the_policy_plays_alone() -> None:
    model = explaining()
    (made,) = composed("think: East.", "go east", "go east", "take flag", probability=0.0, by=model)
    assert {(s.thought_by, s.action_by) for s in made.steps} == {(Author.POLICY, Author.POLICY)}
    assert (made.is_composed, made.annotator, made.success) == (False, "", True)
    assert not model.calls
    mover = policy_mover(policy(saying("think: East.", "go east", "go east", "take flag")), temperature=0.0, seed=0, session="s")
    alone = finish(rollout(worlds(), TASK, mover, terms(), seed=0))
    assert alone.steps == made.steps


def test_at_probability_one_every_action_is_sampled_and_explained() -> None:
    model = saying("look")
    (made,) = composed(probability=1.0, model=model, seed=3)
    assert made.steps and not model.calls
    assert {(s.thought, s.thought_by, s.action_by) for s in made.steps} == {(BECAUSE, Author.ANNOTATOR, Author.EXPLORER)}
    assert (made.is_composed, made.annotator, made.num_explored) == (True, "base", made.num_steps)
    assert all(step.valid for step in made.steps), "only admissible actions are sampled"


def test_in_between_each_step_is_one_or_the_other_by_a_fair_coin() -> None:
    made = composed(num=40, within=worlds(length=1000), max_turns=30)
    steps = [step for t in made for step in t.steps]
    explored = [step.is_explored for step in steps]
    assert {(s.thought_by is Author.ANNOTATOR, s.is_explored) for s in steps} == {(True, True), (False, False)}
    # A binomial share: four standard deviations either way, and no memory from one step to the next.
    assert abs(np.mean(explored) - 0.5) < 4 * 0.5 / len(explored) ** 0.5
    after_explored = [later for earlier, later in pairwise(explored) if earlier]
    assert abs(np.mean(after_explored) - 0.5) < 4 * 0.5 / len(after_explored) ** 0.5


def test_the_annotator_sees_the_history_with_its_own_reasons_in_it() -> None:
    model = explaining()
    (made,) = composed(probability=1.0, by=model, seed=3)
    first, second = made.steps[:2]
    assert prompt_text(model.calls[1].prompt) == (
        f"Observation: {made.observation}\n"
        f"Action: {first.action}\n"
        f"Reason: {BECAUSE}\n"
        f"Observation: {first.observation}\n"
        f"Action: {second.action}\n"
        "Reason:"
    )


def test_the_policy_goes_on_as_if_the_reason_were_its_own() -> None:
    model = saying("look")
    made = composed(num=8, model=model, within=worlds(length=100))
    followed = [call for call in model.calls if BECAUSE in prompt_text(call.prompt)]
    assert followed
    assert all(f"> think: {BECAUSE}\nOK.\n> " in prompt_text(call.prompt) for call in followed)
    assert any(t.is_composed for t in made)


def test_an_agent_that_never_thinks_explores_without_reasons() -> None:
    model = explaining()
    (made,) = composed(probability=1.0, thoughts=False, by=model)
    assert not model.calls
    assert {(s.thought, s.action_by) for s in made.steps} == {("", Author.EXPLORER)}


# --- three invalid actions in a row -----------------------------------------------------


def explored_at(made: Trajectory) -> list[int]:
    return [index for index, step in enumerate(made.steps) if step.is_explored]


def test_three_invalid_actions_of_the_policy_force_one_sampled_action() -> None:
    (made,) = composed("fly", probability=0.0, within=worlds(length=100), max_turns=12, seed=1)
    assert explored_at(made) == [3, 7, 11]
    assert all(step.valid == step.is_explored for step in made.steps)
    assert all(made.steps[i].thought == BECAUSE for i in explored_at(made))


def test_how_many_invalid_actions_it_takes_is_a_parameter() -> None:
    (made,) = composed("fly", probability=0.0, within=worlds(length=100), max_turns=9, rescue_after=2, seed=1)
    assert explored_at(made) == [2, 5, 8]


def test_a_valid_action_in_between_begins_the_count_anew() -> None:
    (made,) = composed("fly", "fly", "look", "fly", "fly", "look", "jump", probability=0.0)
    assert explored_at(made) == []


def test_malformed_lines_and_endless_thinking_count_as_invalid() -> None:
    (made,) = composed("", "think:", "", probability=0.0, within=worlds(length=100), max_turns=4)
    assert explored_at(made) == [3]
    (made,) = composed("think: hm", probability=0.0, within=worlds(length=100), max_turns=4)
    assert [s.valid for s in made.steps] == [True, True, False, False, False, True]
    assert explored_at(made) == [5]


# --- where any text may follow --------------------------------------------------------


class Desk(Corridor):
    """A corridor with an information desk: any text may follow `ask `; one question is proposed."""

    def _actions(self) -> list[str]:
        return ["ask where?"]

    def _info(self, valid: bool) -> dict[str, Any]:
        return {**super()._info(valid), "open": ["ask "]}

    def step(self, action: str) -> Any:
        return "Hm.", 0.0, False, False, self._info(action.startswith("ask "))


def asking(request: Completion) -> str:
    """Asks something new where it is told to be bold, and repeats itself elsewhere."""
    return " ask the flag?\n" if request.temperature >= 1 else " look\n"


def test_where_any_text_may_follow_the_policys_own_ideas_are_explored_too() -> None:
    model = ScriptedModel(asking)
    made = composed(num=30, probability=1.0, model=model, within=Worlds(Desk, 5.0), max_turns=10)
    steps = [step for t in made for step in t.steps]
    assert {step.action for step in steps} == {"ask where?", "ask the flag?"}
    assert {(s.thought, s.thought_by, s.action_by) for s in steps} == {(BECAUSE, Author.ANNOTATOR, Author.EXPLORER)}
    share = sum(step.action == "ask the flag?" for step in steps) / len(steps)
    assert abs(share - OWN_SHARE) < 4 * (OWN_SHARE * (1 - OWN_SHARE) / len(steps)) ** 0.5
    assert {call.temperature for call in model.calls} == {OWN_TEMPERATURE}
    assert sum(t.cost.model_calls for t in made) == len(model.calls) + len(steps)


def test_an_idea_that_fits_no_open_beginning_is_not_taken() -> None:
    made = composed(num=10, probability=1.0, model=ScriptedModel(lambda _: " fly\n"), within=Worlds(Desk, 5.0))
    assert {step.action for t in made for step in t.steps} == {"ask where?"}


# --- how many ------------------------------------------------------------------------


def flags(*at: int) -> Any:
    """A model that finds the flag in these attempts, and jumps into the pit in the others."""

    def answer(request: Completion) -> str:
        attempt = request.seed // 1_000_003
        said = prompt_text(request.prompt).count("\n> ")
        return ["go east", "go east", "take flag"][said] if attempt in at else "jump"

    return ScriptedModel(answer)


@pytest.mark.parametrize(
    ("successes", "num", "least", "made"),
    [
        ((), 40, 40, 40),
        ((0, 1, 7), 40, 40, 40),
        ((), 20, 3, 20),
        ((0,), 20, 3, 3),
        ((2,), 20, 3, 3),
        ((3,), 20, 3, 4),
        ((11,), 20, 3, 12),
        ((0,), 5, 0, 1),
        ((), 0, 0, 0),
        ((0,), 2, 3, 2),
    ],
)
def test_some_are_made_always_and_then_the_first_success_ends_it(successes: Any, num: int, least: int, made: int) -> None:
    """ALFWorld: 40 of 40. WebShop: 3 always, then until the first success, 20 at most."""
    result = composed(probability=0.0, model=flags(*successes), num=num, least=least)
    assert len(result) == made
    assert [t.attempt for t in result] == list(range(made))
    assert [t.attempt for t in result if t.success] == [a for a in successes if a < made]


def test_tokens_end_it_too_and_the_composition_that_goes_past_them_is_finished() -> None:
    spent = [t.cost.tokens for t in composed(num=6)]
    assert min(spent) > 0
    for num in (1, 3, 5):
        assert len(composed(num=6, max_tokens=sum(spent[:num]))) == num
        assert len(composed(num=6, max_tokens=sum(spent[:num]) + 1)) == num + 1


def test_each_is_recorded_as_soon_as_it_ends() -> None:
    seen: list[tuple[int, int]] = []
    model = flags(2)
    composed(probability=0.0, model=model, num=4, record=lambda t: seen.append((t.attempt, len(model.calls))))
    assert seen == [(0, 1), (1, 2), (2, 5), (3, 6)]


def test_what_was_spent_is_on_every_trajectory() -> None:
    for made in composed(num=5):
        assert made.cost.model_calls == made.num_steps
    assert sum((t.cost for t in composed(num=5)), Cost()).model_calls > 0


# --- samplers --------------------------------------------------------------------------

ACTIONS = tuple(sorted([*(f"go to shelf {i}" for i in range(8)), "take cup 1 from shelf 1", "look"]))


def draws(choose: Any, tried: Sequence[str] = (), num: int = 4000) -> Counter[str]:
    rng = np.random.default_rng(11)
    return Counter(choose(ACTIONS, tried, rng) for _ in range(num))


def near(count: int, share: float, num: int = 4000) -> bool:
    """Within four standard deviations of a binomial."""
    return abs(count - num * share) < 4 * (num * share * (1 - share)) ** 0.5


def test_uniform_draws_every_action_alike() -> None:
    counts = draws(uniform)
    assert set(counts) == set(ACTIONS)
    assert all(near(count, 1 / 10) for count in counts.values())


def test_verbs_draws_every_verb_alike_and_then_its_actions() -> None:
    counts = draws(verbs)
    assert near(counts["look"], 1 / 3) and near(counts["take cup 1 from shelf 1"], 1 / 3)
    assert all(near(counts[f"go to shelf {i}"], 1 / 24) for i in range(8))


def test_novelty_draws_what_was_not_tried_here_and_then_anything() -> None:
    counts = draws(novelty, tried=[*ACTIONS[:7], ACTIONS[0]])
    assert set(counts) == set(ACTIONS[7:])
    assert all(near(count, 1 / 3) for count in counts.values())
    assert all(near(count, 1 / 10) for count in draws(novelty, tried=ACTIONS).values())


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_depend_on_the_generator_alone(name: str) -> None:
    one, other = (np.random.default_rng(5) for _ in range(2))
    assert [sampler(name)(ACTIONS, (), one) for _ in range(20)] == [sampler(name)(ACTIONS, (), other) for _ in range(20)]


@pytest.mark.parametrize("name", SAMPLERS)
def test_one_action_leaves_no_choice(name: str) -> None:
    assert sampler(name)(["look"], ["look"], np.random.default_rng(0)) == "look"


def test_novelty_tries_every_first_action_before_it_repeats_one() -> None:
    made = composed(probability=1.0, num=3, sampler="novelty", max_turns=1)
    assert sorted(t.actions[0] for t in made) == ["go east", "jump", "look"]


def test_what_the_policy_did_itself_is_not_new_either() -> None:
    made = composed("go east", probability=0.5, num=12, sampler="novelty", max_turns=1)
    by = [(t.actions[0], t.steps[0].action_by) for t in made]
    first_own = by.index(("go east", Author.POLICY))
    sampled = [action for action, author in by[first_own:] if author is Author.EXPLORER]
    fresh = [action for action, _author in by[:first_own]]
    assert "go east" not in sampled[: 2 - len(set(fresh) & {"jump", "look"})]


def test_an_unknown_sampler_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Nearest: 'novelty'"):
        sampler("novel")


# --- duplicates --------------------------------------------------------------------------


def test_the_same_actions_again_are_marked_as_duplicates() -> None:
    made = composed("look", "jump", probability=0.0, num=3)
    assert [t.duplicate for t in made] == [False, True, True]


def test_repeating_what_was_done_before_is_a_duplicate_too() -> None:
    (made,) = composed("look", "jump", probability=0.0, seen=[("look", "jump")])
    assert made.duplicate
    (made,) = composed("look", "jump", probability=0.0, seen=[("look",), ("jump", "look")])
    assert not made.duplicate


def test_other_thoughts_do_not_make_it_new() -> None:
    made = composed(probability=1.0, num=40, max_turns=2, by=ScriptedModel(lambda request: f" Reason {request.seed}."))
    assert len({t.actions for t in made}) == sum(not t.duplicate for t in made)
    assert any(t.duplicate for t in made)


def test_a_broken_episode_is_no_duplicate_and_makes_none() -> None:
    num_made = iter(range(10))

    class Moody(Corridor):
        """The first one made breaks at its second action; others end with the first."""

        def __init__(self) -> None:
            super().__init__()
            self.breaks = next(num_made) == 0

        def step(self, action: str) -> Any:
            if action == "jump":
                raise RuntimeError("not today")
            text, reward, _, truncated, info = super().step(action)
            return text, reward, not self.breaks, truncated, info

    made = composed("look", "jump", probability=0.0, num=3, within=Worlds(Moody))
    assert {t.actions for t in made} == {("look",)}
    assert [(t.stop, t.duplicate) for t in made] == [
        (Stop.ENVIRONMENT_ERROR, False),
        (Stop.FAILURE, False),
        (Stop.FAILURE, True),
    ]
    num_made = iter(range(10))
    (made_again,) = composed("look", "jump", probability=0.0, within=Worlds(Moody), seen=[("look",)])
    assert (made_again.is_broken, made_again.duplicate) == (True, False)


# --- the gate ------------------------------------------------------------------------------


def gated(gate: AnnotatorConfig, with_reason: float, without: float = -1.0) -> Trajectory:
    def scores(request: Scoring) -> list[float]:
        history = prompt_text(request.prompt).removesuffix("\n>")
        return [with_reason if history.endswith(f"think: {BECAUSE}\nOK.") else without]

    model = ScriptedModel(lambda request: "look", scores=scores)
    (made,) = composed(probability=1.0, model=model, gate=gate, seed=3)
    return made


def test_the_gate_is_recorded_on_every_explained_step() -> None:
    made = gated(AnnotatorConfig(gate="record"), with_reason=-3.0)
    assert [step.gate.gain for step in made.steps if step.gate] == [-2.0] * made.num_steps
    assert {step.thought for step in made.steps} == {BECAUSE}


@pytest.mark.parametrize(
    ("threshold", "with_reason", "keeps"), [(0.0, -0.5, True), (0.0, -1.0, True), (0.0, -1.5, False), (0.6, -0.5, False)]
)
def test_an_enforced_gate_drops_the_explanation_and_keeps_the_action(threshold: float, with_reason: float, keeps: bool) -> None:
    made = gated(AnnotatorConfig(gate="enforce", gate_threshold=threshold), with_reason)
    assert {step.thought for step in made.steps} == {BECAUSE if keeps else ""}
    assert all(step.is_explored and step.gate is not None for step in made.steps)


def test_an_explanation_whose_worth_is_unknown_does_not_pass_an_enforced_gate() -> None:
    assert {step.thought for step in gated(AnnotatorConfig(gate="enforce"), float("nan")).steps} == {""}
    assert {step.thought for step in gated(AnnotatorConfig(gate="record"), float("nan")).steps} == {BECAUSE}


def test_what_the_gate_reads_is_part_of_the_cost() -> None:
    plain, measured = gated(OFF, with_reason=-1.0), gated(AnnotatorConfig(gate="record"), with_reason=-1.0)
    assert measured.cost.model_calls == plain.cost.model_calls + 2 * measured.num_steps


def test_without_a_gate_nothing_is_scored() -> None:
    made = gated(OFF, with_reason=-1.0)
    assert {step.gate for step in made.steps} == {None}


def test_a_gate_over_a_model_that_cannot_score_stops_the_run() -> None:
    with pytest.raises(ModelError, match="cannot score"):
        composed(probability=1.0, gate=AnnotatorConfig(gate="record"))


# --- what goes wrong ---------------------------------------------------------------------------


def test_a_world_that_lists_no_actions_cannot_be_explored_and_says_so() -> None:
    class Mute(Corridor):
        def _info(self, valid: bool) -> dict[str, Any]:
            return {"actions": None, "valid": valid}

    with pytest.raises(RecipeError, match="lists none in task 'corridor-3'"):
        composed(probability=1.0, within=Worlds(Mute))
    (made,) = composed("jump", probability=0.0, within=Worlds(Mute))
    assert made.stop is Stop.FAILURE, "the policy alone needs no list"


def test_where_nothing_is_admissible_the_policy_speaks() -> None:
    class DeadEnd(Corridor):
        def _info(self, valid: bool) -> dict[str, Any]:
            return {"actions": [], "valid": valid}

    (made,) = composed("jump", probability=1.0, within=Worlds(DeadEnd))
    assert [(s.action, s.action_by) for s in made.steps] == [("jump", Author.POLICY)]


def test_a_world_that_breaks_costs_one_composition() -> None:
    def crash() -> Any:
        raise RuntimeError("fire")

    made = composed(num=40, within=worlds(troubles={"go east": crash}), seed=2)
    assert len(made) == 40
    stops = Counter(t.stop for t in made)
    assert stops[Stop.ENVIRONMENT_ERROR] > 0 and stops[Stop.FAILURE] > 0


def test_an_annotator_that_fails_costs_the_composition() -> None:
    made = composed(probability=1.0, num=2, by=ScriptedModel({}))
    assert [(t.stop, t.is_broken, t.steps) for t in made] == [(Stop.MODEL_ERROR, True, ())] * 2
    assert all("the script has no answer" in t.error for t in made)


def test_an_annotator_without_room_ends_it_as_a_full_context() -> None:
    class Full:
        def complete(self, requests: Sequence[Completion]) -> list[Completed]:
            return [Completed("", None, "context") for _ in requests]

    (made,) = composed(probability=1.0, by=Full())
    assert (made.stop, made.is_broken) == (Stop.TOKEN_LIMIT, False)


def test_an_annotator_with_nothing_to_say_leaves_an_explored_action_without_a_thought() -> None:
    (made,) = composed(probability=1.0, by=ScriptedModel(lambda request: " []"))
    assert {(s.thought, s.is_explored) for s in made.steps} == {("", True)}


# --- the same again ------------------------------------------------------------------------------


def test_equal_seeds_compose_equally_and_others_do_not() -> None:
    one, other = (composed(num=6, within=worlds(length=50), seed=9) for _ in range(2))
    assert list(map(without_clock, one)) == list(map(without_clock, other))
    assert [t.actions for t in one] != [t.actions for t in composed(num=6, within=worlds(length=50), seed=10)]
    assert len({t.actions for t in one}) > 1, "attempts differ among themselves"


def test_who_plays_beside_it_changes_nothing() -> None:
    def task(seed: int) -> Any:
        return compose(
            worlds(length=50),
            TASK,
            policy(saying("look")),
            annotator(explaining()),
            ExploreConfig(num_compositions=3),
            OFF,
            terms(Stage.EXPLORE),
            seed=seed,
        )

    together = {made[0].seed: made for made in run((task(seed) for seed in range(6)), width=4)}
    for seed in range(6):
        assert list(map(without_clock, together[seed])) == list(map(without_clock, finish(task(seed))))


def test_the_attempts_of_a_task_share_a_conversation_whose_beginning_is_read_once() -> None:
    model = saying("jump")
    composed(probability=0.0, num=2, model=model)
    assert [call.session for call in model.calls] == ["1/explore/train/corridor-3"] * 2
    assert model.released == ["1/explore/train/corridor-3"]


def test_no_two_attempts_draw_with_the_same_seeds() -> None:
    model = saying("think: hm", "look")
    composed(probability=0.0, num=5, model=model, temperature=1.0)
    seeds = [call.seed for call in model.calls]
    assert len(set(seeds)) == len(seeds)
