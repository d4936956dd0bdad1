"""`LocalModel` against the obvious way: `generate` on the whole prompt, one plain forward pass for log-probabilities."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from small_models import slow_greedy, slow_logprobs, small_model, some_text

from a3t.errors import ModelError, RecipeError
from a3t.learning.tokens import encode_prompt
from a3t.models import engine, packed
from a3t.models.local import LocalModel
from a3t.protocols import Model, ScoringModel
from a3t.types import Completion, Part, Scoring

ARCHITECTURES = ["llama", "llama-grouped", "gpt2", "qwen2", "mistral-sliding", "gemma2"]


def ids_of(answers):
    return [answer.tokens.ids for answer in answers]


@pytest.fixture(scope="module")
def local(llama, tokenizer):
    return LocalModel(llama, tokenizer)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_greedy_text_of_a_batch_equals_generate_on_each_whole_prompt(kind, tokenizer):
    model = small_model(kind, len(tokenizer))
    prompts = [some_text(seed, 2 + 3 * seed) for seed in range(24)]
    answers = LocalModel(model, tokenizer).complete([Completion(prompt, max_tokens=20) for prompt in prompts])
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = encode_prompt(tokenizer, prompt)
        expected = slow_greedy(model, ids, 20)
        end = tokenizer.eos_token_id
        expected = expected[: expected.index(end) + 1] if end in expected else expected
        assert list(answer.tokens.ids) == expected
        assert answer.num_prompt_tokens == len(ids)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_conversations_that_grow_turn_by_turn_equal_reading_them_afresh(kind, tokenizer):
    model = small_model(kind, len(tokenizer))
    local = LocalModel(model, tokenizer)
    talks = [[Part(some_text(i, 3 + 5 * i))] for i in range(9)]
    for turn in range(4):
        present = [i for i in range(9) if (i + turn) % 3]  # not everyone speaks in every turn
        requests = [Completion(tuple(talks[i]), ("\n",), 12, session=f"talk {i}") for i in present]
        for i, answer in zip(present, local.complete(requests), strict=True):
            ids = encode_prompt(tokenizer, tuple(talks[i]))
            assert list(answer.tokens.ids) == slow_greedy(model, ids, 12)[: len(answer.tokens.ids)]
            talks[i] += [Part(answer.text, answer.tokens.ids), Part(f"You see vase {turn}.\n> ")]
    assert local.usage.num_reused > local.usage.num_read


def test_a_request_alone_and_among_63_others_gives_the_same_text(local):
    requests = [Completion(some_text(seed, 5 + seed), ("\n",), 16) for seed in range(64)]
    together = local.complete(requests)
    for request, answer in zip(requests, together, strict=True):
        assert local.complete([request])[0].tokens.ids == answer.tokens.ids


def test_a_sampled_request_draws_the_same_alone_and_in_company(local):
    requests = [Completion(some_text(seed % 5, 9), max_tokens=12, temperature=1.3, seed=seed) for seed in range(40)]
    together = local.complete(requests)
    alone = [local.complete([request])[0] for request in requests[::7]]
    assert [a.tokens.ids for a in alone] == [a.tokens.ids for a in together[::7]]
    assert len({a.tokens.ids for a in together}) == 40  # different seeds, different texts


def test_logprobs_are_those_of_the_distribution_that_was_drawn_from(local, llama, tokenizer):
    prompt = some_text(3, 9)
    ids = encode_prompt(tokenizer, prompt)
    answer = local.complete([Completion(prompt, max_tokens=8, temperature=0.5, seed=4)])[0]
    with torch.no_grad():
        logits = llama(torch.tensor([[*ids, *answer.tokens.ids]])).logits[0, len(ids) - 1 : -1].double()
    expected = (logits / 0.5).log_softmax(-1).gather(-1, torch.tensor(answer.tokens.ids)[:, None])[:, 0]
    assert answer.tokens.logprobs == pytest.approx(expected.tolist(), abs=1e-4)


def test_greedy_logprobs_are_those_of_temperature_one(local, llama, tokenizer):
    prompt = some_text(4, 9)
    answer = local.complete([Completion(prompt, max_tokens=8)])[0]
    whole = [*encode_prompt(tokenizer, prompt), *answer.tokens.ids]
    assert answer.tokens.logprobs == pytest.approx(slow_logprobs(llama, whole)[-8:], abs=1e-4)


def test_scores_equal_one_plain_forward_pass(local, llama, tokenizer):
    requests = [Scoring(some_text(seed, 4 + seed), some_text(seed + 50, 1 + seed % 4)) for seed in range(12)]
    for request, scored in zip(requests, local.score(requests), strict=True):
        before = encode_prompt(tokenizer, request.prompt)
        whole = [*before, *encode_prompt(tokenizer, request.continuation)]
        assert scored.logprobs == pytest.approx(slow_logprobs(llama, whole)[len(before) - 1 :], abs=1e-4)


def test_scoring_reads_a_sessions_prefix_and_leaves_the_session_as_it_is(llama, tokenizer):
    local = LocalModel(llama, tokenizer)
    history = Part(some_text(1, 60))
    local.complete([Completion((history,), max_tokens=5, session="episode")])
    slot = local._engine.sessions._named["episode"]
    held, read = list(slot.ids), local.usage.num_read
    with_reason = (history, Part("think: the vase is in the safe\n"))
    fresh = LocalModel(llama, tokenizer)
    requests = [Scoring((history,), "go to safe"), Scoring(with_reason, "go to safe")]
    expected = [s.total for s in fresh.score(requests)]
    got = local.score([replace(request, session="episode") for request in requests])
    assert [s.total for s in got] == pytest.approx(expected, abs=1e-3)
    assert slot.ids == held
    assert local.usage.num_read - read < 60  # only what the session did not hold


def test_an_opinion_about_a_session_does_not_create_it(llama, tokenizer):
    local = LocalModel(llama, tokenizer)
    local.score([Scoring("go to", " desk", session="episode")])
    assert "episode" not in local._engine.sessions


def test_a_prompt_that_departs_from_its_session_is_read_from_where_it_departs(llama, tokenizer):
    local = LocalModel(llama, tokenizer)
    common = Part(some_text(1, 50))
    local.complete([Completion((common, Part("open the safe")), max_tokens=9, session="s")])
    other = (common, Part("close the drawer, please"))
    answer = local.complete([Completion(other, max_tokens=9, session="s")])[0]
    assert list(answer.tokens.ids) == slow_greedy(llama, encode_prompt(tokenizer, other), 9)


def test_several_samples_of_one_session_in_one_call_do_not_disturb_each_other(llama, tokenizer):
    local = LocalModel(llama, tokenizer)
    history = (Part(some_text(2, 40)),)
    local.complete([Completion(history, max_tokens=3, session="s")])
    requests = [Completion(history, max_tokens=10, temperature=1.0, seed=seed, session="s") for seed in range(6)]
    expected = [LocalModel(llama, tokenizer).complete([request])[0].tokens.ids for request in requests]
    assert ids_of(local.complete(requests)) == expected


def test_forty_tries_at_one_task_read_its_prompt_once(llama, tokenizer):
    local = LocalModel(llama, tokenizer)
    prompt = some_text(5, 120)
    size = len(encode_prompt(tokenizer, prompt))
    requests = [Completion(prompt, max_tokens=4, temperature=1.0, seed=i, session=f"try {i}") for i in range(40)]
    answers = local.complete(requests)
    assert local.usage.num_read == size + 39
    assert ids_of(answers[17:18]) == ids_of(LocalModel(llama, tokenizer).complete(requests[17:18]))


def test_conversations_beyond_the_memory_budget_are_forgotten_and_read_again(llama, tokenizer):
    wide = LocalModel(llama, tokenizer)
    narrow = LocalModel(llama, tokenizer, cache_bytes=3 * 128 * wide._engine.sessions.cache.token_bytes)
    talks = [Part(some_text(i, 20)) for i in range(7)]
    for turn in range(3):
        requests = [Completion((talk, Part(f"{turn}\n")), max_tokens=6, session=f"s{i}") for i, talk in enumerate(talks)]
        assert ids_of(narrow.complete(requests)) == ids_of(wide.complete(requests))
    assert narrow._engine.sessions.cache.num_bytes <= narrow._engine.sessions.budget_bytes
    assert len(narrow._engine.sessions) <= 3 < len(wide._engine.sessions)


def test_a_conversation_longer_than_the_budget_is_served_all_the_same(llama, tokenizer):
    local = LocalModel(llama, tokenizer, cache_bytes=1)
    prompt = some_text(1, 150)
    answer = local.complete([Completion(prompt, max_tokens=5, session=str(i)) for i in range(3)])[2]
    assert list(answer.tokens.ids) == slow_greedy(llama, encode_prompt(tokenizer, prompt), 5)


def test_released_sessions_give_their_slots_to_others(llama, tokenizer):
    local = LocalModel(llama, tokenizer)
    for wave in range(10):
        names = [f"{wave}/{i}" for i in range(8)]
        local.complete([Completion("go to desk", max_tokens=2, session=name) for name in names])
        local.release([*names, "never heard of"])
    assert len(local._engine.sessions) == 0
    assert local._engine.sessions.cache.num_slots == 8


def test_waiting_requests_take_the_place_of_finished_ones(llama, tokenizer, monkeypatch):
    local = LocalModel(llama, tokenizer, max_batch=4)
    widths = []
    forward = packed.forward
    monkeypatch.setattr(packed, "forward", lambda m, c, s: widths.append(len(s)) or forward(m, c, s))
    requests = [Completion(some_text(i, 4), max_tokens=1 + 5 * (i % 3)) for i in range(20)]
    answers = local.complete(requests)
    assert max(widths) == 4
    assert sum(widths) == sum(len(answer.tokens.ids) for answer in answers)
    assert widths.count(4) > 0.8 * len(widths)
    assert ids_of(answers) == ids_of(LocalModel(llama, tokenizer).complete(requests))


def test_long_prompts_are_read_in_pieces(llama, tokenizer):
    pieces = LocalModel(llama, tokenizer, max_pass_tokens=17)
    requests = [Completion(some_text(i, 40 + i), max_tokens=6) for i in range(5)]
    scorings = [Scoring(some_text(i, 30), some_text(i + 9, 20)) for i in range(4)]
    whole = LocalModel(llama, tokenizer)
    assert ids_of(pieces.complete(requests)) == ids_of(whole.complete(requests))
    for left, right in zip(pieces.score(scorings), whole.score(scorings), strict=True):
        assert left.logprobs == pytest.approx(right.logprobs, abs=1e-4)


def test_running_out_of_memory_in_a_pass_is_answered_by_smaller_passes(llama, tokenizer, monkeypatch):
    local = LocalModel(llama, tokenizer)
    requests = [Completion(some_text(i, 40), max_tokens=6, session=str(i)) for i in range(8)]
    expected = ids_of(LocalModel(llama, tokenizer).complete(requests))
    forward = packed.forward

    def short_of_memory(model, cache, segments):
        if sum(len(segment.ids) for segment in segments) > 300:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(model, cache, segments)

    monkeypatch.setattr(packed, "forward", short_of_memory)
    assert ids_of(local.complete(requests)) == expected


def test_memory_for_not_even_a_small_pass_is_a_model_error_that_says_what_to_try(llama, tokenizer, monkeypatch):
    local = LocalModel(llama, tokenizer)

    def no_memory(model, cache, segments):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(packed, "forward", no_memory)
        with pytest.raises(ModelError, match=f"{engine.SMALLEST_PASS} tokens.*\n.*max_context"):
            local.complete([Completion("go", max_tokens=2, session="s")])
    assert local.complete([Completion("go", max_tokens=2, session="s")])[0].finish == "length"


def test_the_callers_model_keeps_its_own_attention(llama, tokenizer):
    before = llama.config._attn_implementation
    LocalModel(llama, tokenizer).complete([Completion("go", max_tokens=2)])
    assert llama.config._attn_implementation == before
    assert llama(torch.tensor([[1, 2, 3]])).logits.requires_grad


def test_completions_end_at_the_context_and_prompts_beyond_it_are_answered(llama, tokenizer):
    local = LocalModel(llama, tokenizer, max_context=32)
    prompt = (Part("", tuple(range(10, 38))),)  # 28 tokens
    answer = local.complete([Completion(prompt, max_tokens=50)])[0]
    assert (answer.finish, len(answer.tokens.ids)) == ("context", 4)
    assert list(answer.tokens.ids) == slow_greedy(llama, list(prompt[0].ids), 4)
    full = local.complete([Completion((Part("", (5,) * 32),), max_tokens=1)])[0]
    assert (full.finish, full.text, full.num_prompt_tokens) == ("context", "", 32)
    assert all(math.isnan(p) for p in local.score([Scoring(prompt, (Part("", (1,) * 9),))])[0].logprobs)


@pytest.mark.parametrize(
    ("request_", "finish"),
    [
        (Completion("", max_tokens=3), "error"),
        (Completion((Part("", (9999,)),), max_tokens=3), "error"),
        (Completion((Part("", (-1,)),), max_tokens=3), "error"),
        (Completion("go", max_tokens=3, temperature=-1.0), "error"),
        (Completion("go", max_tokens=3, temperature=math.nan), "error"),
        (Completion("go", max_tokens=0), "length"),
        (Completion("go", max_tokens=-4), "length"),
        (Completion("go", ("",), max_tokens=3), "length"),
        (Completion("go \x00 \ud7ff \U0001f600", max_tokens=3, seed=-5, temperature=1e-9), "length"),
    ],
)
def test_nonsense_costs_its_own_request_and_no_other(local, request_, finish):
    good = Completion(some_text(1, 8), max_tokens=4)
    answers = local.complete([good, request_, good])
    assert answers[1].finish == finish
    assert bool(answers[1].error) == (finish == "error")
    assert answers[0].tokens.ids == answers[2].tokens.ids == local.complete([good])[0].tokens.ids


def test_broken_weights_are_told_request_by_request(tokenizer):
    model = small_model("llama", len(tokenizer))
    with torch.no_grad():
        model.model.norm.weight.fill_(math.nan)
    local = LocalModel(model, tokenizer)
    answer = local.complete([Completion("go to", max_tokens=4)])[0]
    assert answer.finish == "error" and "not numbers" in answer.error
    assert math.isnan(local.score([Scoring("go", " to")])[0].total)


def test_nothing_asked_is_nothing_answered(local):
    assert local.complete([]) == [] and local.score([]) == []
    assert local.score([Scoring("go", "")])[0].logprobs == ()


def test_a_limit_that_is_not_positive_is_refused(llama, tokenizer):
    with pytest.raises(RecipeError, match="max_batch = 0"):
        LocalModel(llama, tokenizer, max_batch=0)
    with pytest.raises(ModelError, match="512 tokens"):
        LocalModel(llama, tokenizer, max_context=513)


def test_it_fulfils_both_protocols(local):
    assert isinstance(local, Model) and isinstance(local, ScoringModel)


@pytest.mark.parametrize("kind", ["bloom", "mamba"])
def test_architectures_beyond_the_packed_pass_run_one_at_a_time_and_right(kind, tokenizer):
    model = small_model(kind, len(tokenizer))
    with pytest.warns(UserWarning, match="one conversation at a time"):
        local = LocalModel(model, tokenizer)
    talks = [[Part(some_text(i, 3 + i))] for i in range(3)]
    for _turn in range(3):
        requests = [Completion(tuple(talk), ("\n",), 6, session=str(i)) for i, talk in enumerate(talks)]
        for talk, answer in zip(talks, local.complete(requests), strict=True):
            ids = encode_prompt(tokenizer, tuple(talk))
            expected = list(ids)
            for _ in answer.tokens.ids:
                with torch.no_grad():
                    expected.append(int(model(torch.tensor([expected])).logits[0, -1].argmax()))
            assert [*ids, *answer.tokens.ids] == expected
            talk += [Part(answer.text, answer.tokens.ids), Part("You see.\n")]
        scored = local.score([Scoring(tuple(talk), "go to", session="0") for talk in talks])
        for talk, score in zip(talks, scored, strict=True):
            before = encode_prompt(tokenizer, tuple(talk))
            whole = [*before, *encode_prompt(tokenizer, "go to")]
            assert score.logprobs == pytest.approx(slow_logprobs(model, whole)[len(before) - 1 :], abs=1e-4)
