"""Requests and answers as JSON: nonsense of every kind is one error, never a crash and never data."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a3t.errors import BadDataError
from a3t.models.remote import answers
from a3t.models.remote.chat import continuation
from a3t.models.remote.continuity import Continuity
from a3t.models.remote.wire import Dialect, Reply, body, completed, read
from a3t.types import Completed, Completion, Part, Tokens

PLAIN = Dialect("m", has_logprobs=True, has_token_ids=True)


def answer(**choice: object) -> bytes:
    return json.dumps({"choices": [{"text": "a", "finish_reason": "stop", **choice}]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\xff",
        b"[" * 100_000,
        b"null",
        b"{}",
        b'{"choices": []}',
        b'{"choices": [7]}',
        b'{"choices": {"0": 1}}',
        answer(text=7),
        answer(text=None),
        answer(token_ids="abc"),
        answer(token_ids=[1, -1]),
        answer(token_ids=[True]),
        answer(logprobs={"token_logprobs": [-1, "x"]}),
        answer(logprobs={"token_logprobs": [3.0]}),
        b'{"choices": [{"text": "a", "logprobs": {"token_logprobs": [-1, NaN]}}]}',
    ],
)
def test_what_is_no_answer_is_refused(content):
    with pytest.raises(BadDataError):
        read(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda x: (
        st.lists(x)
        | st.dictionaries(
            st.sampled_from(["choices", "text", "message", "content", "logprobs", "token_ids", "usage", "prompt_tokens"]), x
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(json_values)
def test_any_json_is_an_answer_or_an_error(value):
    try:
        reply = read(json.dumps(value).encode())
    except BadDataError:
        return
    assert isinstance(reply.text, str)


def test_a_greedy_request_carries_no_seed_and_a_sampled_one_does():
    assert "seed" not in body(Completion("x", seed=5), PLAIN)
    assert body(Completion("x", seed=2**40 + 5, temperature=0.5), PLAIN)["seed"] == 5


def test_a_server_that_ignores_stops_is_cut_here_and_its_ids_are_dropped():
    reply = Reply("go to desk 1\nYou see", "length", token_ids=(1, 2, 3), logprobs=(-1.0, -1.0, -1.0))
    assert completed(Completion("x", stop=("\n",)), reply, PLAIN) == Completed("go to desk 1", None, "stop", 0)


def test_ids_include_those_of_the_stop_text():
    reply = Reply("go", "stop", token_ids=(1, 10), logprobs=(-1.0, -0.5), prompt_tokens=4)
    assert completed(Completion("x", stop=("\n",)), reply, PLAIN) == Completed("go", Tokens((1, 10), (-1.0, -0.5)), "stop", 4)


def test_the_end_of_the_sequence_is_told_from_a_stop():
    reply = read(answer(stop_reason=None))
    assert completed(Completion("x"), reply, PLAIN).finish == "end"


def test_a_filtered_answer_is_an_error():
    assert completed(Completion("x"), Reply("", "content_filter"), PLAIN).finish == "error"


def test_ids_listed_beside_log_probs_are_ids():
    content = [{"id": 4, "token": "a", "logprob": -0.25}, {"id": 5, "token": "b", "logprob": -0.5}]
    reply = read(answer(logprobs={"content": content}))
    assert (reply.token_ids, reply.logprobs) == ((4, 5), (-0.25, -0.5))


@pytest.mark.parametrize(
    "reply, added",
    [
        ("go to desk 1", "go to desk 1"),
        ("\n\n> go", "go"),
        ("> go", "go"),
        (">go", "go"),
        ("think: a > b", "think: a > b"),
        ("", ""),
    ],
)
def test_a_chat_reply_loses_its_blank_lines_and_the_repeated_cue(reply, added):
    assert continuation("You see a desk.\n> ", reply) == added


def test_an_answer_kept_comes_back_equal():
    kept = Completed("gö", Tokens((1, 2), (-0.1, -1e-9)), "stop", 7)
    assert answers.unpack(answers.pack(kept)) == kept
    assert answers.unpack(answers.pack(Completed("", None, "length", 0))) == Completed("", None, "length", 0)


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b'["a", [1], "stop", 3]', b'["a", null, "stop", "x"]', b"\xff"])
def test_spoilt_bytes_in_the_cache_are_no_answer(value):
    assert answers.unpack(value) is None


def test_the_cache_key_changes_with_all_that_decides_an_answer():
    def key(urls=("u",), stops=(), **request):
        made = Completion(**{"prompt": "x", "temperature": 1.0, **request})
        return answers.key(urls, body(made, PLAIN), stops, made.seed)

    keys = [key(), key(prompt="y"), key(temperature=0.5), key(seed=1), key(max_tokens=3), key(stops=("a",)), key(urls=("v",))]
    keys.append(key(seed=2**31))  # Sent as 0, yet another draw.
    assert len(set(keys)) == len(keys)
    assert key(temperature=0.0, seed=1) == key(temperature=0.0, seed=2), "a greedy answer does not depend on the seed"
    assert key(session="s") == key(session="t")


def test_a_conversation_that_goes_on_extends_its_ids():
    seen = Continuity()
    seen.remember("s", "ab", (1, 2), Completed("c", Tokens((3, 9), ()), "stop"))
    assert seen.broken_at("s", "abc\nd", (1, 2, 3, 9, 4)) is None
    assert seen.broken_at("s", "abc\nd", (1, 2, 7, 9, 4)) == 2
    assert seen.broken_at("s", "abc", (1, 2, 3)) == 3
    assert seen.broken_at("s", "another text", (5,)) is None, "a new beginning is no break"
    assert seen.broken_at("t", "abc\nd", (5,)) is None


def test_own_ids_are_told_from_text_encoded_afresh():
    seen = Continuity()
    seen.remember("s", "ab", (1, 2), Completed("c", Tokens((3, 9), ()), "stop"))
    assert seen.carries_own_ids("s", (Part("ab"), Part("c\n", (3, 9)), Part("d")))
    assert not seen.carries_own_ids("s", (Part("ab"), Part("c\n"), Part("d")))


def test_a_line_cut_short_is_not_held_against_the_next_turn():
    seen = Continuity()
    seen.remember("s", "ab", (1, 2), Completed("c", Tokens((3,), ()), "length"))
    assert seen.broken_at("s", "abcd", (8,)) is None
