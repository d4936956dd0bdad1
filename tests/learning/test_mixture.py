"""What is trained on together, and a user's own conversations."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from a3t.config import MixtureConfig, ObjectiveConfig, parse_recipe
from a3t.errors import BadDataError, MissingDataError
from a3t.learning.chat import CHAT, chat_segments, read_chat
from a3t.learning.dataset import LeftOut, build_dataset
from a3t.learning.encode import encode_segments
from a3t.learning.mixture import mix, training_set
from a3t.store.records import from_json, to_json
from a3t.text.segments import segments_text
from a3t.types import Author, Stage, Step, Stop, Task, Trajectory, Weighted


def made(
    number: int, *, revision: bool = False, reward: float = 1.0, stage: Stage = Stage.COLLECT, round_index: int = 1
) -> Trajectory:
    steps = [Step("", f"act {number}", "o")]
    steps += [Step("Wrong.", "", "OK.", thought_by=Author.REVISER), Step("", "act", "o")] if revision else []
    stop = Stop.SUCCESS if reward == 1 else Stop.FAILURE
    return Trajectory(Task(f"t-{number}", "train"), "o", tuple(steps), reward, reward == 1, stop, stage, "w", round_index)


def weighted(*trajectories: Trajectory) -> list[Weighted]:
    return [Weighted(t, 1.0 if t.success else -1.0) for t in trajectories]


def mixed(data, chat=(), seed=0, **config):
    return mix(data, MixtureConfig(**config), chat, np.random.default_rng(seed))


def test_without_shares_and_chat_everything_is_taken_as_it_came():
    data = weighted(*(made(n, revision=n % 2 == 0) for n in range(6)), made(6, reward=0.0))
    result = mixed(data)
    assert result.weighted == tuple(data)
    assert result.parts.to_json() == {"revisions": 3, "plain": 3, "failures": 1, "chat": 0, "plain_left_out": 0}


def test_plain_trajectories_are_cut_to_their_share_of_the_successes():
    """4 revisions and at most 20 % plain: 1 of 10 is kept, the failure stays."""
    data = weighted(*(made(n, revision=n < 4) for n in range(14)), made(14, reward=0.0))
    result = mixed(data, plain_share=0.2)
    assert (result.parts.revisions, result.parts.plain, result.parts.plain_left_out, result.parts.failures) == (4, 1, 9, 1)
    assert [w for w in data if w in result.weighted] == list(result.weighted), "in the order they came"
    assert result == mixed(data, plain_share=0.2) and mixed(data, seed=3, plain_share=0.2) != result


def test_where_nothing_was_revised_plain_trajectories_are_all_there_is():
    data = weighted(*(made(n) for n in range(5)))
    assert mixed(data, plain_share=0.2).weighted == tuple(data)


def test_chat_comes_up_to_its_share_and_each_conversation_at_most_once():
    """20 % of all: 2 conversations beside 8 trajectories."""
    data = weighted(*(made(n) for n in range(8)))
    chat = [replace(made(100 + n), environment=CHAT) for n in range(5)]
    result = mixed(data, chat, chat_share=0.2)
    assert result.parts.chat == 2 and len(result.weighted) == 10
    assert [w.trajectory.environment for w in result.weighted[-2:]] == [CHAT, CHAT] and result.weighted[-1].weight == 1
    assert mixed(data, chat, chat_share=0.9).parts.chat == 5, "no more than there is"
    assert mixed(data, chat, chat_share=0.0).parts.chat == 0


def test_revisions_can_be_left_out_for_comparison():
    data = weighted(made(0, revision=True), made(1), made(2, reward=0.0))
    result = mixed(data, revisions=False)
    assert list(result.weighted) == data[1:] and result.parts.revisions == 0


# ---- which revisions -------------------------------------------------------------------------------------------------------


def test_a_revision_is_trained_on_from_alpha_on_whatever_its_objective_asks_of_others():
    half = made(0, revision=True, reward=0.6, stage=Stage.REVISE)
    searched = made(1, reward=0.6, stage=Stage.SEARCH)
    own = made(2, reward=0.6)
    config = ObjectiveConfig(selection="supervised-1.0")
    assert [w.trajectory for w in build_dataset([half, searched, own], config, alpha=0.5).weighted] == [half, searched]
    later = build_dataset([half, searched, own], config, alpha=1.0)
    assert later.weighted == ()
    assert later.stats.left_out[LeftOut.BELOW_ALPHA] == 1


def test_a_cap_on_successes_counts_revisions_apart():
    """Two of each, the shortest first; a revision is always the longer one."""
    plain = [replace(made(0), steps=(Step("", f"a {n}", "o"),) * n) for n in (1, 2, 3)]
    revised = [replace(made(0, revision=True, stage=Stage.REVISE), attempt=n, steps=longer(n)) for n in (1, 2, 3)]
    dataset = build_dataset([*plain, *revised], ObjectiveConfig(max_successes_per_task=2))
    assert [w.trajectory for w in dataset.weighted] == [*plain[:2], *revised[:2]]
    assert dataset.stats.left_out[LeftOut.OVER_THE_CAP] == 2


def test_statistics_are_of_what_was_trained_on_chat_and_shares_included():
    """Two revisions, half of the successes plain: 2 of 6; one own failure; 3 of 10 are chat: 2 of 7."""
    gathered = [*(made(n, revision=n < 2) for n in range(8)), failed(7)]
    talk = [replace(made(n), environment=CHAT, stage=Stage.IMPORT) for n in range(20, 40)]
    recipe = parse_recipe({"mixture": {"plain_share": 0.5, "chat_share": 0.3}})
    mixed, dataset = training_set(gathered, recipe, talk, 1)
    assert dataset.weighted == mixed.weighted and dataset.stats.total.trajectories == len(mixed.weighted) == 7
    assert dataset.stats.chat.trajectories == mixed.parts.chat == 2 and dataset.stats.failed.trajectories == 1
    assert dataset.stats.left_out == {"over_the_plain_share": 4}
    assert dataset.stats.total.steps == sum(w.trajectory.num_steps for w in mixed.weighted)
    assert dataset.stats.num_tasks <= 5, "a conversation is no task"


def test_without_revisions_they_are_counted_as_left_out_and_unmixed_nothing_changes():
    gathered = [made(0), made(1, revision=True), failed(0)]
    alone = training_set(gathered, parse_recipe({"mixture": {"revisions": False}}), (), 1).dataset.stats
    assert alone.left_out == {"no_revisions_wanted": 1} and alone.total.trajectories == 2
    assert training_set(gathered, parse_recipe({}), (), 1).dataset == build_dataset(gathered, ObjectiveConfig())


def failed(number: int) -> Trajectory:
    return replace(made(number, reward=0.0), steps=(Step("", "wait", "o"),))


def longer(number: int) -> tuple[Step, ...]:
    return (*made(0, revision=True).steps, *(Step("", f"b {number}", "o"),) * number)


def test_failed_rollouts_and_recoveries_are_never_trained_on():
    lost = made(0, reward=0.0, stage=Stage.SEARCH)
    recovered = made(1, stage=Stage.RECOVER)
    won = made(0, stage=Stage.COLLECT, round_index=0)
    dataset = build_dataset([won, lost, recovered], ObjectiveConfig(), alpha=0.5)
    assert [w.trajectory for w in dataset.weighted] == [won]


# ---- conversations ---------------------------------------------------------------------------------------------------------

TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "why"},
    {"role": "assistant", "content": "no"},
]


def written(path, *conversations):
    path.write_text("\n".join(json.dumps({"messages": messages}) for messages in conversations) + "\n", encoding="utf-8")
    return path


def chatty(template: str | None) -> PreTrainedTokenizerFast:
    text = "be brief hi yes why no System User Assistant : [s] [u] [a] [e]"
    tokenizer = Tokenizer(
        models.WordLevel({"<unk>": 0, **{word: 1 + n for n, word in enumerate(text.split())}}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")
    fast.add_special_tokens({"additional_special_tokens": ["[s]", "[u]", "[a]", "[e]"]})
    fast.chat_template = template
    return fast


TEMPLATE = (
    "{% for m in messages %}[{{ m['role'][0] }}] {{ m['content'] }} [e] {% endfor %}{% if add_generation_prompt %}[a] {% endif %}"
)


def drawn(tokenizer) -> str:
    trajectory = replace(read_talk(), environment=CHAT)
    row = encode_segments(chat_segments(trajectory, tokenizer), tokenizer)
    words = tokenizer.convert_ids_to_tokens(row.ids.tolist())
    return " ".join(f"{word}{'*' if trained else ''}" for word, trained in zip(words, row.trained, strict=True))


def read_talk() -> Trajectory:
    steps = (Step("", "yes", "why"), Step("", "no", ""))
    return Trajectory(Task("chat-1", CHAT, CHAT, "be brief"), "hi", steps, 1.0, True, Stop.SUCCESS, Stage.IMPORT, CHAT)


def test_a_conversation_is_a_trajectory_of_the_environment_chat(tmp_path):
    (talk,) = read_chat(written(tmp_path / "chat.jsonl", TALK))
    assert (talk.observation, talk.task.instruction, talk.environment) == ("hi", "be brief", CHAT)
    assert [(step.action, step.observation) for step in talk.steps] == [("yes", "why"), ("no", "")]
    assert from_json(to_json(talk)) == talk


def test_only_what_the_assistant_says_is_trained_on_and_its_end_with_the_bases_own_template():
    """
    [s] be brief [e]  [u] hi [e]  [a] yes [e]  [u] why [e]  [a] no [e]
     .  .    .    .    .  .   .    .   x   x    .   .   .    .  x   x
    """
    assert drawn(chatty(TEMPLATE)) == "[s] be brief [e] [u] hi [e] [a] yes* [e]* [u] why [e] [a] no* [e]*"


def test_a_base_without_a_template_gets_plain_names():
    assert drawn(chatty(None)) == "System : be brief User : hi Assistant : yes* User : why Assistant : no*"
    assert segments_text(chat_segments(read_talk(), chatty(None))).startswith("System: be brief\nUser: hi\nAssistant: yes\n")


def test_a_template_that_rewrites_earlier_turns_is_refused():
    last = "{% for m in messages %}{% if loop.last or m['role'] != 'assistant' %}[u] {{ m['content'] }} {% endif %}{% endfor %}"
    with pytest.raises(BadDataError, match="rewrites earlier turns"):
        drawn(chatty(last + "{% if add_generation_prompt %}[a]{% endif %}"))


@pytest.mark.parametrize(
    "line",
    [
        "nonsense", "[]", '{"messages": "hi"}', '{"messages": []}', '{"messages": [{"role": "user"}]}',
        '{"messages": [{"role": "user", "content": "hi"}]}',
        '{"messages": [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "hi"}]}',
        '{"messages": [{"role": "system", "content": "only"}]}',
        "[" * 200_000, '{"messages":' + "[" * 200_000 + "]" * 200_000 + "}",
        r'{"messages": [{"role": "user", "content": "\ud800"}, {"role": "assistant", "content": "yes"}]}',
        r'{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes \udfff"}]}',
    ],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_named(tmp_path, line):
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"messages": TALK}) + "\n" + line + "\n")
    with pytest.raises(BadDataError, match="line 2"):
        read_chat(path)


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\u0085", "\x1c", "\u00a0"])
def test_a_line_ends_at_a_newline_and_nowhere_else(tmp_path, odd):
    """All that `str.splitlines` would part at and JSON allows in a string, or escapes."""
    path = tmp_path / "chat.jsonl"
    hello = [{"role": "user", "content": f"one{odd}two"}, {"role": "assistant", "content": "yes"}]
    line = json.dumps({"messages": hello}, ensure_ascii=odd < " ")
    path.write_bytes(f"{line}\r\n{line}\n".encode())
    assert [talk.observation for talk in read_chat(path)] == [f"one{odd}two"] * 2


def test_a_byte_order_mark_is_passed_over_and_whole_characters_stay(tmp_path):
    path = tmp_path / "chat.jsonl"
    line = json.dumps({"messages": [{"role": "user", "content": "\U0001f600"}, {"role": "assistant", "content": "yes"}]})
    path.write_bytes(b"\xef\xbb\xbf" + line.encode())
    assert read_chat(path)[0].observation == "\U0001f600"


def test_a_missing_an_empty_and_a_binary_file_are_one_clear_error_each(tmp_path):
    with pytest.raises(MissingDataError, match=r"mixture\.chat"):
        read_chat(tmp_path / "absent.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(BadDataError, match="no conversation"):
        read_chat(tmp_path / "empty.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadDataError, match="cannot read"):
        read_chat(tmp_path / "binary.jsonl")
