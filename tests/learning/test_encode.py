"""Conversations as token rows: rows are drawn, the mask below them."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from a3t.errors import BadDataError
from a3t.learning.encode import Row, encode_segments
from a3t.learning.tokens import encode_prompt
from a3t.text.react import HOUSEHOLD, as_prompt, render
from a3t.text.segments import Role, Segment
from a3t.types import Stage, Step, Stop, Task, Tokens, Trajectory


def words(*, opening: bool) -> PreTrainedTokenizerFast:
    """Lower-case letters are ids 3, 4, 5, …; `<s>` is 1 and opens a text where asked."""
    vocabulary = {"<unk>": 0, "<s>": 1, "</s>": 2, **{letter: 3 + n for n, letter in enumerate("abcdefghij")}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if opening:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


CONVERSATION = [
    Segment("a b", Role.PROMPT),
    Segment("c d", Role.OBSERVATION),
    Segment("e", Role.FORMAT, 0),
    Segment("f g", Role.THOUGHT, 0),
    Segment("e", Role.FORMAT, 0),
    Segment("h i", Role.ACTION, 0),
    Segment("j", Role.OBSERVATION, 0),
]


def drawn(row: Row) -> str:
    return " ".join("x" if trained else "." for trained in row.trained)


def test_observations_are_trained_on_with_the_joint_world_model():
    """
    tokens   <s> a b  c d  e  f g  e  h i  j
    trained   .  . .  x x  .  x x  .  x x  x
    """
    row = encode_segments(CONVERSATION, words(opening=True))
    assert row.ids.tolist() == [1, 3, 4, 5, 6, 7, 8, 9, 7, 10, 11, 12]
    assert drawn(row) == ". . . x x . x x . x x x"
    assert row.num_trained == 7


def test_observations_are_context_without_it():
    """
    tokens   <s> a b  c d  e  f g  e  h i  j
    trained   .  . .  . .  .  x x  .  x x  .
    """
    assert drawn(encode_segments(CONVERSATION, words(opening=True), observation_loss=False)) == ". . . . . . x x . x x ."


def test_a_step_that_is_context_only_trains_nothing_of_it():
    """
    tokens    c d  e  h i  j   e  h i  j
    trained   . x  .  . .  .   .  x x  x
    """
    mistake = [
        Segment("c d", Role.OBSERVATION),
        Segment("e", Role.FORMAT, 0),
        Segment("h i", Role.ACTION, 0, trained=False),
        Segment("j", Role.OBSERVATION, 0, trained=False),
        Segment("e", Role.FORMAT, 1),
        Segment("h i", Role.ACTION, 1),
        Segment("j", Role.OBSERVATION, 1),
    ]
    assert drawn(encode_segments(mistake, words(opening=False))) == ". x . . . . . x x x"


def test_the_first_token_is_never_trained_because_nothing_predicts_it():
    row = encode_segments([Segment("a b", Role.OBSERVATION)], words(opening=False))
    assert drawn(row) == ". x"


def test_tokens_know_their_step_and_whose_they_are():
    row = encode_segments(CONVERSATION, words(opening=True))
    assert row.step.tolist() == [-1] * 5 + [0] * 7
    assert [role for role, agent in zip(row.roles, row.agent, strict=True) if agent] == [Role.THOUGHT] * 2 + [Role.ACTION] * 2


def test_sampled_ids_are_the_record_and_text_is_only_a_view():
    """The policy said `i h`, whatever the text of its action became since; its log-probs lie on those tokens and nowhere else."""
    segments = [*CONVERSATION[:-2], Segment("something else", Role.ACTION, 0, (11, 10), logprobs=(-0.5, -2.0)), CONVERSATION[-1]]
    row = encode_segments(segments, words(opening=True))
    assert row.ids.tolist()[-3:] == [11, 10, 12]
    assert row.behaviour[-3:-1].tolist() == [-0.5, -2.0]
    assert np.isnan(np.delete(row.behaviour, [-3, -2])).all()


def test_log_probs_that_do_not_fit_their_ids_are_refused():
    with pytest.raises(BadDataError, match="3 action tokens but 2 log-probs"):
        encode_segments([Segment("", Role.ACTION, 4, (3, 4, 5), logprobs=(-1.0, -1.0))], words(opening=False))


def test_no_end_of_sequence_is_added_and_none_is_read_out_of_text():
    row = encode_segments([Segment("a", Role.OBSERVATION), Segment("</s> <s> b", Role.OBSERVATION, 0)], words(opening=True))
    assert 2 not in row.ids
    assert row.ids.tolist().count(1) == 1


def test_an_opening_that_the_recorded_ids_already_hold_is_not_repeated():
    row = encode_segments([Segment("a", Role.PROMPT, ids=(1, 3)), Segment("b", Role.OBSERVATION)], words(opening=True))
    assert row.ids.tolist() == [1, 3, 4]


def test_a_row_is_cut_to_a_models_context():
    row = encode_segments(CONVERSATION, words(opening=True))
    assert row.cut(4).ids.tolist() == [1, 3, 4, 5]
    assert drawn(row.cut(4)) == ". . . x"
    assert row.cut(100) is row


def test_the_trainer_reads_the_very_tokens_that_the_policy_was_given():
    """A prompt at every turn of an episode is a beginning of the trained row."""
    tokenizer = words(opening=True)
    steps = (
        Step("f g", "h i", "j", thought_tokens=Tokens((8, 9), (-1.0, -1.0)), action_tokens=Tokens((10, 11), (-1.0, -1.0))),
        Step("", "h", "d d"),
    )
    trajectory = Trajectory(
        Task("t", "train"), "c d", steps, 1.0, True, Stop.SUCCESS, Stage.COLLECT, "words", tokenizer="this one"
    )
    segments = render(trajectory, HOUSEHOLD, tokenizer="this one")
    row = encode_segments(segments, tokenizer)
    for turn in range(1, len(segments) + 1):
        prompt = encode_prompt(tokenizer, as_prompt(segments[:turn]))
        assert row.ids[: len(prompt)].tolist() == prompt
    assert (row.behaviour == -1.0).sum() == 4
