"""From the tries at one task to revisions, with a model whose words are written down."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from larder import OPENING, TASK, played, terms, tries, worlds

from a3t.agents.actre import ActReAnnotator
from a3t.config import ReviseConfig
from a3t.errors import BadDataError
from a3t.models.scripted import ScriptedModel
from a3t.revision.judge import ActorJudge
from a3t.revision.past import Past
from a3t.revision.records import Lessons, Outcome, Ref, ref
from a3t.revision.repair import planted, repair
from a3t.revision.replay import Finding
from a3t.revision.revise import FOUND, Workshop, notice, revise
from a3t.revision.splice import revision_at, revision_step
from a3t.revision.tally import revised
from a3t.revision.thoughts import Reviser, no_header
from a3t.search.actor import policy_actor
from a3t.search.tree import Budget, Settings
from a3t.text.prompting import SameForAll
from a3t.types import Author, Completion, Cost, Stage, Stop, prompt_text
from toy_world import finish, policy

EAT = ("open", "take", "eat")
PHRASE = "That was wrong."


def knowing(plays: str = "", bad: str = "lamp", thought: str = " I fumbled; the apple comes first.\n", gain: float = 1.0):
    """A model that judges `bad` to be bad, revises with `thought`, and otherwise plays the actions of `plays` in order."""

    def answer(request: Completion) -> str:
        text = prompt_text(request.prompt)
        if text.endswith("Assessment:"):
            return " It does not feed anyone.\n"
        if text.endswith("Judgement:"):
            return " bad\n" if f"Action to judge: {bad}\n" in text else " good\n"
        if text.endswith("Revision:"):
            return thought
        if text.endswith("Reason:"):
            return " the apple is in the larder\n"
        said = len(re.findall(r"^> (?!think)", text, re.MULTILINE))
        lines = plays.split()
        return f" {lines[min(said, len(lines) - 1)] if lines else 'look'}\n"

    def scores(request):
        return [gain if "think" in prompt_text(request.prompt) else 0.0]

    return ScriptedModel(answer, scores=scores)


def shop(model, heard=None, thoughts="model", **config) -> Workshop:
    told = ReviseConfig(**({"source": "gathered", "num_votes": 1, "num_repairs": 2, "thoughts": thoughts} | config))
    agent = policy(model)
    annotator = ActReAnnotator(model, SameForAll(""), "base")
    reviser = Reviser(told.thoughts, (PHRASE,), model, no_header, annotator, gate=told.gate, gate_threshold=told.gate_threshold)
    return Workshop(
        worlds(heard), agent, policy_actor(agent), lambda task: ActorJudge(model), reviser, told, Settings(num_actions=2), terms()
    )


def judge_of(model, num_votes, _task):
    return ActorJudge(model, num_votes=num_votes)


def make(tries, made_with, alpha=1.0, settled=(), tried=(), max_tokens=None):
    kept = []
    past = Past(frozenset(settled), frozenset(tried))
    lessons = finish(revise(TASK, tries, made_with, alpha=alpha, seed=0, past=past, max_tokens=max_tokens, record=kept.append))
    return lessons, kept


def test_a_confirmed_splice_becomes_a_revision_that_says_what_it_is_made_of():
    heard: list[str] = []
    lessons, (revision,) = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing(), heard))
    (lesson,) = lessons.lessons
    assert (lesson.outcome, lesson.transition, lesson.why) == (Outcome.CONFIRMED, 1, Finding.CONFIRMED)
    assert (lesson.bad, lesson.good, lesson.revision) == (Ref("collect", 1, 1), Ref("collect", 1, 0), Ref("revise", 1, 0))
    assert lesson.judgements[0].reason == "It does not feed anyone."
    assert revision.actions == ("open", "lamp", "", "take", "eat")
    assert [step.trained for step in revision.steps] == [False, False, True, True, True]
    thought = revision.steps[2]
    assert (thought.thought, thought.thought_by) == ("I fumbled; the apple comes first.", Author.REVISER)
    assert thought.gate is not None and thought.gate.gain == lesson.gain == 1.0
    assert (revision.success, revision.reward, revision.stop, revision.stage) == (True, 1.0, Stop.SUCCESS, Stage.REVISE)
    assert heard == ["open", "lamp", "take", "eat"], "the replay, and not a word of the thought"
    assert lessons.num_tries == 2 and lessons.num_good == 1


def test_a_reward_above_alpha_is_enough_and_is_what_the_environment_says():
    sold = ("open", "take", "sell")
    lessons, (revision,) = make(tries(sold, ("open", "lamp", "drink")), shop(knowing()), alpha=0.5)
    assert (revision.reward, revision.success, revision.stop) == (0.6, False, Stop.FAILURE)
    assert make(tries(sold, ("open", "lamp", "drink")), shop(knowing()), alpha=0.7)[0].lessons == ()
    assert lessons.alpha == 0.5


def test_where_the_world_answers_otherwise_its_own_answers_are_kept():
    lessons, (revision,) = make(tries(("open", "look", "take", "eat"), ("open", "lamp", "drink")), shop(knowing()))
    (lesson,) = lessons.lessons
    assert (lesson.outcome, lesson.why, lesson.differs_at) == (Outcome.REPAIRED, Finding.OTHER_ANSWERS, 2)
    assert revision.steps[3].observation == "The lamp is on."


REFUSED = (("look", "open", "take", "eat"), ("open", "lamp", "drink"))
"""After `open lamp` the good ending's `open` is refused."""


def test_where_the_ending_does_not_execute_the_search_finds_another_from_the_real_state():
    heard: list[str] = []
    lessons, (revision,) = make(tries(*REFUSED), shop(knowing(plays="x x take eat"), heard))
    (lesson,) = lessons.lessons
    assert (lesson.outcome, lesson.why, lesson.transition) == (Outcome.REPAIRED, FOUND, 1)
    assert revision.actions == ("open", "lamp", "", "take", "eat") and revision.success
    assert [step.observation for step in revision.steps[-2:]] == ["You take the apple.", "Delicious."]
    assert lesson.num_rollouts == 1 and lessons.cost.model_calls > 0
    assert heard[:4] == ["open", "lamp", "look", "open"], "first the good ending is tried"


def test_where_none_is_found_the_pair_is_rejected_and_costs_what_it_cost():
    lessons, kept = make(tries(*REFUSED), shop(knowing(plays="look")))
    (lesson,) = lessons.lessons
    assert kept == [] and lesson.revision is None
    assert (lesson.outcome, lesson.why, lesson.num_rollouts) == (Outcome.REJECTED, Finding.NO_WAY_ON, 2)
    assert not make(tries(*REFUSED), shop(knowing(plays="x x take eat"), num_repairs=0))[1]


def test_what_an_earlier_round_revised_is_left_alone_and_still_counts_in_the_values():
    ways = tries(EAT, ("open", "lamp", "drink"), ("lamp", "open", "drink"))
    first, second = (ref(way.trajectory) for way in ways[1:])
    lessons, _ = make(ways, shop(knowing(), judge="value"))
    assert [one.bad for one in lessons.lessons] == [first, second]
    left, _ = make(ways, shop(knowing(), judge="value"), settled={first})
    assert left.lessons == (replace(lessons.lessons[1], revision=Ref("revise", 1, 0)),) and left.num_tries == 3


def test_under_a_cap_what_was_never_tried_comes_before_what_came_to_nothing():
    ways = tries(EAT, ("open", "lamp", "drink"), ("lamp", "open", "drink"))
    deep, shallow = (ref(way.trajectory) for way in ways[1:])
    capped = shop(knowing(), judge="value", max_pairs_per_task=1)
    assert [one.bad for one in make(ways, capped)[0].lessons] == [deep], "the longest shared beginning"
    assert [one.bad for one in make(ways, capped, tried={deep})[0].lessons] == [shallow]
    assert [one.bad for one in make(ways, capped, tried={deep, shallow})[0].lessons] == [deep]
    assert len(make(ways, shop(knowing(), judge="value"), tried={deep})[0].lessons) == 2, "without a cap there is room for all"


def test_a_share_of_tokens_goes_to_what_was_never_tried_first():
    ways = tries(EAT, ("open", "lamp", "drink"), ("lamp", "open", "drink"))
    deep, shallow = (ref(way.trajectory) for way in ways[1:])
    assert [one.bad for one in make(ways, shop(knowing()), max_tokens=1)[0].lessons] == [deep]
    assert [one.bad for one in make(ways, shop(knowing()), max_tokens=1, tried={deep})[0].lessons] == [shallow]
    turned = (ways[0], ways[2], ways[1])
    assert [one.bad for one in make(turned, shop(knowing()), max_tokens=1)[0].lessons] == [deep], "the longest shared beginning"


def test_a_share_of_tokens_that_is_spent_leaves_the_pairs_that_come_after():
    ways = tries(EAT, ("open", "lamp", "drink"), ("lamp", "open", "drink"))
    every, _ = make(ways, shop(knowing()))
    first, (revision,) = make(ways, shop(knowing()), max_tokens=1)
    assert first.lessons == every.lessons[:1] and revision.success, "one pair whatever it costs, and it is finished"
    assert (first.num_left, every.num_left) == (1, 0) == (
        revised([first], []).left,
        revised([every], []).left,
    ) and 0 < first.cost.tokens < every.cost.tokens
    assert make(ways, shop(knowing()), max_tokens=first.cost.tokens + 1)[0].lessons == every.lessons


def test_a_mistake_that_is_noticed_late_is_lived_through_until_then():
    lessons, (revision,) = make(tries(EAT, ("open", "lamp", "look", "drink")), shop(knowing(), late=1.0))
    (lesson,) = lessons.lessons
    assert (lesson.transition, lesson.noticed) == (1, 2), "never after what ended the episode"
    assert revision.actions == ("open", "lamp", "look", "", "take", "eat")
    assert [step.trained for step in revision.steps] == [False, False, False, True, True, True]
    assert make(tries(EAT, ("open", "lamp", "look", "drink")), shop(knowing()))[0].lessons[0].noticed == 1


def test_late_is_a_share_and_late_mistakes_are_noticed_anywhere_after_them():
    drawn = [notice(3, (4, 5, 6, 7), 0.5, seed) for seed in range(4_000)]
    assert 1_850 < drawn.count(3) < 2_150, "half at once"
    assert all(400 < drawn.count(at) < 600 for at in (4, 5, 6, 7)) and set(drawn) == {3, 4, 5, 6, 7}
    assert {notice(3, (4, 5), 0.0, seed) for seed in range(100)} == {3} == {notice(3, (), 1.0, seed) for seed in range(100)}
    assert notice(3, (4, 5), 0.5, 11) == notice(3, (4, 5), 0.5, 11)


def test_a_turn_of_thought_alone_is_no_moment_to_notice_anything():
    bad = ("open", "lamp", "think: Hm.", "look", "drink")
    lessons, (revision,) = make(tries(EAT, bad), shop(knowing(), late=1.0))
    assert lessons.lessons[0].noticed == 3 and revision.actions == ("open", "lamp", "", "look", "", "take", "eat")


def test_a_mistake_noticed_late_is_named_with_its_action():
    def asked_of(late):
        model = knowing()
        make(tries(EAT, ("open", "lamp", "look", "drink")), shop(model, late=late))
        return next(text for text in map(prompt_text, (call.prompt for call in model.calls)) if text.endswith("Revision:"))

    assert "Mistake: lamp: It does not feed anyone." in asked_of(1.0)
    assert "Mistake: It does not feed anyone." in asked_of(0.0)


def test_what_was_revised_may_still_be_the_good_ending_of_another():
    ways = tries(EAT, ("open", "take", "sell"), ("open", "lamp", "drink"))
    sold = ref(ways[1].trajectory)
    lessons, _ = make(ways[1:], shop(knowing()), alpha=0.5, settled={sold})
    assert [(one.bad.attempt, one.good) for one in lessons.lessons] == [(2, sold)] and lessons.num_settled == 1


def test_without_a_bad_step_nothing_is_spliced_and_it_is_counted():
    lessons, kept = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing(bad="nothing")))
    assert kept == [] and [one.outcome for one in lessons.lessons] == [Outcome.NO_TRANSITION]
    assert revised([lessons], kept).outcomes["no transition"] == 1


def test_a_mistake_that_ended_the_episode_is_rejected():
    lessons, kept = make(tries(EAT, ("open", "drink")), shop(knowing(bad="drink")))
    assert kept == [] and (lessons.lessons[0].outcome, lessons.lessons[0].why) == (Outcome.REJECTED, Finding.OVER)


def test_two_pairs_that_come_to_the_same_splice_make_one_revision():
    lessons, kept = make(tries(EAT, ("open", "lamp", "drink"), ("open", "lamp", "look")), shop(knowing()))
    assert [one.outcome for one in lessons.lessons] == [Outcome.CONFIRMED, Outcome.DUPLICATE] and len(kept) == 1


def test_the_values_of_the_tree_judge_without_a_model_and_are_compared_with_the_actor():
    """open 1/2, then lamp 0: a fall of a half."""
    silent = shop(knowing(bad="nothing"), judge="value", thoughts="stock", gate="off")
    lessons, (revision,) = make(tries(EAT, ("open", "lamp", "drink")), silent)
    assert lessons.lessons[0].transition == 1 and lessons.cost == Cost()
    assert revision.steps[2].thought == PHRASE and revision.steps[2].gate is None
    assert revised([lessons], [revision]).agreement["num"] == 0, "only one judge was asked"
    agreed, kept = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing()))
    assert revised([agreed], kept).agreement == {"num": 1, "same": 1, "near": 1}
    other, kept = make(tries(EAT, ("open", "lamp", "look", "drink")), shop(knowing(bad="look")))
    assert revised([other], kept).agreement == {"num": 1, "same": 0, "near": 1}


def test_a_beginning_is_judged_alike_whichever_pair_comes_first():
    """Bad tries that part from the good one in different places, in two orders: equal questions are asked with equal seeds."""
    asked = []
    one, other = ("look", "lamp", "drink"), ("open", "look", "drink")
    for ways in ((EAT, one, other), (EAT, other, one)):
        model = knowing(bad="nothing")
        make(tries(*ways), replace(shop(model), make_judge=partial(judge_of, model, 3)))
        judged = [call for call in model.calls if prompt_text(call.prompt).endswith(("Assessment:", "Judgement:"))]
        asked.append({(prompt_text(call.prompt), call.seed) for call in judged})
    assert asked[0] == asked[1] and len(asked[0]) == 2 * 3 * 5, "reasons and a word, three votes, five places"


def test_direct_revision_asks_nobody_and_splices_at_the_end():
    lessons, (revision,) = make(tries(EAT, ("open", "look", "lamp", "drink")), shop(knowing(), judge="end", thoughts="stock"))
    assert revision.actions == ("open", "look", "lamp", "", "take", "eat")
    assert lessons.lessons[0].judgements == () and lessons.lessons[0].judge == "end"


# ---- thoughts --------------------------------------------------------------------------------------------------------------


def test_a_thought_is_written_about_this_mistake_and_the_action_after_it():
    model = knowing()
    make(tries(EAT, ("open", "lamp", "drink")), shop(model))
    (asked,) = [prompt_text(call.prompt) for call in model.calls if prompt_text(call.prompt).endswith("Revision:")]
    assert asked.endswith("Action: lamp\nObservation: Click.\nMistake: It does not feed anyone.\nNext action: take\nRevision:")


@pytest.mark.parametrize(
    ("config", "thought", "source", "gain"),
    [
        ({"thoughts": "stock"}, PHRASE, "stock", 1.0),
        ({"thoughts": "actre"}, f"{PHRASE} the apple is in the larder", "actre", 1.0),
        ({"thoughts": "model", "gate": "off"}, "I fumbled; the apple comes first.", "model", None),
        ({"thoughts": "model", "gate": "enforce", "gate_threshold": 2.0}, PHRASE, "stock", None),
        ({"thoughts": "model", "gate": "enforce", "gate_threshold": 0.5}, "I fumbled; the apple comes first.", "model", 1.0),
    ],
)
def test_who_writes_the_thought_and_what_the_gate_lets_pass(config, thought, source, gain):
    lessons, (revision,) = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing(), **config))
    assert (revision.steps[2].thought, lessons.lessons[0].thought_source, lessons.lessons[0].gain) == (thought, source, gain)


def test_a_model_with_nothing_to_say_leaves_a_stock_phrase():
    lessons, (revision,) = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing(thought=" ...\n")))
    assert revision.steps[2].thought == PHRASE and lessons.lessons[0].thought_source == "stock"


# ---- the search for another ending -----------------------------------------------------------------------------------------


def test_the_trunk_of_a_repair_is_the_bad_beginning_and_nothing_branches_off_it():
    trunk = (*played("think: Hm.", "open", "lamp").steps, revision_step(PHRASE))
    tree = planted(TASK, OPENING, trunk, Settings(num_actions=2), Budget())
    assert [node.action for node in tree.nodes] == ["", "open", ""]
    assert tree.steps(2) == trunk and [node.depth for node in tree.nodes] == [0, 1, 2]
    asking = repair(
        worlds(),
        TASK,
        OPENING,
        trunk,
        policy_actor(policy(knowing(plays="x x take eat"))),
        terms(),
        Settings(num_actions=2),
        num_rollouts=3,
        max_turns=4,
        is_good=lambda reward: reward == 1,
    )
    mended = finish(asking)
    assert [step.action for step in mended.ending] == ["take", "eat"] and mended.num_rollouts == 1


def test_a_repair_of_thoughts_alone_is_none():
    """A world that pays before the end: the reward after the bad beginning is good as it stands."""
    trunk = (*played("open", "lamp").steps, revision_step(PHRASE))
    asking = repair(
        worlds(),
        TASK,
        OPENING,
        trunk,
        policy_actor(policy(ScriptedModel(lambda _request: " think: Hm.\n")), max_thoughts_in_a_row=1),
        terms(max_thoughts_in_a_row=1),
        Settings(num_actions=2),
        num_rollouts=2,
        max_turns=4,
        is_good=lambda reward: reward >= 0,
    )
    assert finish(asking).ending == ()


def test_a_repair_has_the_turns_of_an_agent_after_the_beginning():
    short = replace(shop(knowing(plays="x x look take eat")), terms=terms(max_turns=2))
    assert make(tries(*REFUSED), short)[1] == []
    enough = replace(short, terms=terms(max_turns=3))
    assert len(make(tries(*REFUSED), enough)[1]) == 1


# ---- records ---------------------------------------------------------------------------------------------------------------


def test_records_survive_being_written_and_equal_work_gives_equal_bytes():
    first, _ = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing()))
    second, _ = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing()))
    assert Lessons.from_bytes(first.to_bytes()) == first
    assert first.to_bytes() == second.to_bytes()


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"lessons": [{}]}', b'{"lessons": [], "cost": {"bogus": 1}}', b"\xff"])
def test_a_damaged_record_is_one_clear_error(data):
    with pytest.raises(BadDataError, match="record of revisions"):
        Lessons.from_bytes(data)


def test_a_round_is_counted_by_outcome_reason_and_length():
    good, kept = make(tries(EAT, ("open", "lamp", "drink")), shop(knowing()))
    mended, more = make(tries(*REFUSED), shop(knowing(plays="x x take eat")))
    mended = replace(mended, task_id="apple-2")
    more = [replace(one, task=replace(TASK, task_id="apple-2")) for one in more]
    counted = revised([good, mended], [*kept, *more])
    assert (counted.tasks, counted.pairs, counted.revisions, counted.alpha) == (2, 2, 2, 1.0)
    assert counted.outcomes["confirmed"] == counted.outcomes["repaired"] == 1
    assert counted.reasons == {FOUND: 1} and counted.thoughts == {"model": 2} and counted.rollouts == 1
    # lamp; open lamp: 1 and 2 actions of their own before the thought, take eat after it.
    assert (counted.mistake_length, counted.ending_length, counted.gain) == (1.5, 2.0, 1.0)
    assert counted.cost == good.cost + mended.cost and counted.to_json()["revisions"] == 2
    assert ref(kept[0]) == good.lessons[0].revision and revision_at(kept[0]) == 2
