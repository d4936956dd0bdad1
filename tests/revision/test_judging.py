"""The transition point: judged step by step, reasons first; by the values of the tree; and how far the two agree."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from larder import played, tries

from a3t.config import ReviseConfig
from a3t.errors import ModelError, RecipeError
from a3t.models.scripted import ScriptedModel
from a3t.revision.judge import ActorJudge
from a3t.revision.judgement import Agreement, Judgement, agreement, judge_by_value, majority, transition
from a3t.text.judging import (
    Verdict,
    judge_segments,
    parse_said,
    parse_verdict,
    revise_segments,
    verdict_segments,
)
from a3t.text.lessons import load_lesson, shipped_lesson, stock_phrases
from a3t.text.segments import segments_text
from a3t.types import Completion, prompt_text
from toy_world import finish

GOOD, BAD, UNCERTAIN = Verdict


def judging(**verdicts: str) -> ScriptedModel:
    """Gives a reason that names the action, then the verdict on it: `good` where none is given."""

    def answer(request: Completion) -> str:
        text = prompt_text(request.prompt)
        action = re.findall(r"^Action to judge: (.*)$", text, re.MULTILINE)[-1]
        return f" About {action}.\n" if text.endswith("Assessment:") else f" {verdicts.get(action, 'good')}\n"

    return ScriptedModel(answer)


def judge(model, trajectory, start=0, **options):
    return finish(ActorJudge(model, **options).judge(trajectory, start, seed=0, session="s"))


def test_what_the_judge_reads_is_the_history_and_one_action_with_what_followed():
    trajectory = played("think: Dark here. > lamp", "open", "drink")
    text = segments_text(judge_segments(trajectory.observation, trajectory.steps[:2], header="Judge.\n\n"))
    assert text == (
        "Judge.\n\n"
        "Observation: You are in front of a larder. Your task is to: eat the apple.\n"
        "Thought: Dark here.\n"
        "Action: lamp\n"
        "Observation: Click.\n"
        "Action to judge: open\n"
        "What followed: The larder is open.\n"
        "Assessment:"
    )
    asked = judge_segments(trajectory.observation, trajectory.steps[:2])
    assert segments_text(verdict_segments(asked, "It is shut.")).endswith("Assessment: It is shut.\nJudgement:")


def test_reasons_come_first_then_the_one_word():
    model = judging(drink="bad")
    judged = judge(model, played("open", "drink"))
    asked = [prompt_text(call.prompt) for call in model.calls]
    assert [text.rsplit("\n", 1)[-1] for text in asked] == ["Assessment:", "Judgement:"] * 2
    assert "Assessment: About open.\nJudgement:" in asked[1]
    assert judged.judgements == (
        Judgement(0, GOOD, "About open.", (GOOD,)),
        Judgement(1, BAD, "About drink.", (BAD,)),
    )
    assert judged.cost.model_calls == 4


def test_who_has_no_reasons_is_not_asked_for_the_word():
    model = ScriptedModel(lambda request: " ...\n" if prompt_text(request.prompt).endswith("Assessment:") else " bad\n")
    (judgement,) = judge(model, played("drink")).judgements
    assert judgement == Judgement(0, UNCERTAIN, "", (UNCERTAIN,)) and len(model.calls) == 1


def test_the_first_bad_step_ends_the_reading():
    model = judging(lamp="bad", drink="bad")
    assert [one.step for one in judge(model, played("open", "lamp", "drink")).judgements] == [0, 1]
    assert transition(judge(model, played("open", "lamp", "drink")).judgements) == 1


def test_without_a_bad_step_there_is_no_transition():
    """The public code would take the whole path for the prefix."""
    judged = judge(judging(), played("open", "drink"))
    assert [one.verdict for one in judged.judgements] == [GOOD, GOOD]
    assert transition(judged.judgements) is None


def test_only_what_is_the_bad_trajectorys_own_is_judged_and_thoughts_alone_are_not():
    judged = judge(judging(open="bad"), played("open", "think: Thirsty.", "drink"), start=1)
    assert [one.step for one in judged.judgements] == [2]


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [((BAD,), BAD), ((BAD, BAD, GOOD), BAD), ((BAD, GOOD, UNCERTAIN), UNCERTAIN), ((BAD, GOOD), UNCERTAIN), ((GOOD, GOOD), GOOD)],
)
def test_more_than_half_of_the_votes_decide(votes, verdict):
    assert majority(votes) is verdict


def test_votes_are_different_draws_and_a_single_one_is_greedy():
    model = judging()
    judge(model, played("open"), num_votes=3, temperature=0.7)
    assert len({call.seed for call in model.calls}) == 6 and {call.temperature for call in model.calls} == {0.7}
    model = judging()
    judge(model, played("open"), num_votes=1, temperature=0.7)
    assert {call.temperature for call in model.calls} == {0.0}


def test_the_reason_that_is_kept_is_one_of_the_verdict():
    answers = iter([" fine\n", " good\n", " wrong\n", " bad\n", " awful\n", " bad\n"])
    model = ScriptedModel(lambda _request: next(answers))
    (judgement,) = judge(model, played("drink"), num_votes=3).judgements
    assert judgement == Judgement(0, BAD, "wrong", (GOOD, BAD, BAD))


def test_a_beginning_that_two_trajectories_share_is_judged_once():
    model = judging(drink="bad", lamp="bad")
    judge_once = ActorJudge(model)
    finish(judge_once.judge(played("open", "drink"), 0, seed=0, session="s"))
    asked = len(model.calls)
    second = finish(judge_once.judge(played("open", "lamp"), 0, seed=1, session="s"))
    assert len(model.calls) == asked + 2, "open was judged before"
    assert [one.verdict for one in second.judgements] == [GOOD, BAD] and second.cost.model_calls == 2


def test_a_judge_that_cannot_answer_says_so_and_keeps_what_it_said():
    def answer(request: Completion) -> str:
        if "Action to judge: drink" in prompt_text(request.prompt):
            raise ModelError("the server is gone")
        return " good\n"

    judged = judge(ScriptedModel(answer), played("open", "drink"))
    assert "server is gone" in judged.failed and [one.step for one in judged.judgements] == [0]


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (" bad", BAD), ("Good.", GOOD), ("**uncertain**", UNCERTAIN), ("The judgement is: BAD", BAD), ("", UNCERTAIN),
        ("not good", UNCERTAIN), ("neither good nor bad", UNCERTAIN), ("badly", UNCERTAIN), ("\x00", UNCERTAIN),
    ],
)  # fmt: skip
def test_a_verdict_is_one_of_three_words_and_anything_else_is_uncertain(said, verdict):
    assert parse_verdict(said) is verdict


def test_what_models_repeat_before_a_line_is_dropped():
    assert parse_said(" Revision: [I was wrong.]") == "I was wrong."
    assert parse_said(" ... ") == "" and parse_said("think: Hm") == "Hm"


@pytest.mark.parametrize("world", ["household", "alfworld", "webshop", "textcraft", "scienceworld"])
@pytest.mark.parametrize("lesson", ["judge", "revise"])
def test_every_world_has_a_prompt_of_its_own(world, lesson):
    """The public code's judge says `science task` in every environment."""
    words = {
        "household": "household",
        "alfworld": "household",
        "webshop": "web shop",
        "textcraft": "Minecraft",
        "scienceworld": "science",
    }
    text = load_lesson("few-shot", lesson, world)
    assert words[world] in text
    assert not any(word in text for word in set(words.values()) - {words[world]})
    assert text.endswith("\n\n") and ("Judgement: bad" if lesson == "judge" else "Revision:") in text


def test_a_world_that_none_was_written_for_gets_the_general_prompt_and_no_path_is_made_of_its_name():
    general = load_lesson("few-shot", "judge", "general")
    assert load_lesson("few-shot", "judge", "plugin_world:Corridor") == general
    assert shipped_lesson("judge", "../react/instruction").name == "general.txt"


def test_a_prompt_may_be_a_file_or_nothing_and_nonsense_is_one_clear_error(tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("Be strict.")
    assert load_lesson(str(own), "judge", "household") == "Be strict.\n\n"
    assert load_lesson("bare", "judge", "household") == ""
    for wrong in (str(tmp_path), str(tmp_path / "absent.txt"), ""):
        with pytest.raises(RecipeError):
            load_lesson(wrong, "judge", "household")


def test_the_revision_is_asked_for_with_the_mistake_and_the_next_action():
    steps = played("open", "lamp").steps
    text = segments_text(revise_segments("O.", steps, "A lamp feeds nobody.", "take"))
    assert text.endswith("Action: lamp\nObservation: Click.\nMistake: A lamp feeds nobody.\nNext action: take\nRevision:")
    assert "Mistake:" not in segments_text(revise_segments("O.", steps, "", "take"))


def test_stock_phrases_are_a_few_sentences():
    assert len(stock_phrases()) >= 5 and all(phrase.endswith(".") for phrase in stock_phrases())


# ---- by value --------------------------------------------------------------------------------------------------------------


def test_a_step_after_which_the_value_falls_is_bad():
    """
    value   1/4      open 1/3      take 1/2     drink 0
    change       +1/12        +1/6         −1/2
    """
    every = tries(("open", "take", "eat"), ("open", "take", "drink"), ("open", "lamp"), ("drink",))
    judged = judge_by_value(every[1], 0, 0.4)
    assert [(one.step, one.verdict) for one in judged] == [(0, GOOD), (1, GOOD), (2, BAD)]
    assert judged[2].reason == "value 0.50 before, 0.00 after"


@pytest.mark.parametrize("others", [0, 2, 7])
def test_values_find_a_mistake_however_rarely_a_task_is_solved(others):
    """One success among many: the value at the parting is 1/2, 1/4, 1/9, and there is no more than that to lose."""
    looked = [("open", *["look"] * times) for times in range(2, 2 + others)]
    every = tries(("open", "take", "eat"), ("open", "lamp", "drink"), *looked)
    assert transition(judge_by_value(every[1], 1, ReviseConfig().value_drop)) == 1


def test_a_value_must_lose_more_than_a_share_of_itself_and_rounding_is_not_more():
    one = tries(("open", "look"))[0]
    assert transition(judge_by_value(replace(one, values=(0.9, 0.5, 0.3)), 1, 0.4)) is None, "0.2 is 40 % of 0.5"
    assert transition(judge_by_value(replace(one, values=(0.9, 0.5, 0.29)), 1, 0.4)) == 1
    assert transition(judge_by_value(replace(one, values=(0.9, 0.1, 0.05)), 1, 0.4)) == 1
    assert transition(judge_by_value(replace(one, values=(0.0, 0.0, 0.0)), 0, 0.0)) is None, "nothing was there to lose"


def test_two_judges_agree_on_a_step_or_on_none():
    assert agreement(2, 2) == Agreement(1, 1, 1)
    assert agreement(2, 3) == Agreement(1, 0, 1)
    assert agreement(2, 5) == agreement(None, 5) == agreement(0, None) == Agreement(1, 0, 0)
    assert agreement(None, None) == Agreement(1, 1, 1)
