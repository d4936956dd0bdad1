"""Behind a proxy that fails 30 % of the calls, the answers are the same bytes as without it, at no more than twice the calls."""

import pytest
from faulty_proxy import FAULTS, faulty_proxy
from openai_server import ByteTokens, small_server

from a3t.models.remote import RemoteModel, Settings
from a3t.types import Completion, Part


def open_model(url: str, **options) -> RemoteModel:
    settings = Settings(**{"urls": (url,), "model": "small", "timeout_s": 3.0, "retry_base_s": 0.02, **options})
    return RemoteModel(settings, tokenizer=ByteTokens(), fingerprint="bytes")


def play(model: RemoteModel, num_episodes: int, num_turns: int) -> list[str]:
    """Episodes in step, each turn's prompt made of the turns before, as the loop plays them."""
    prompts = [(Part(f"task {i}\n"),) for i in range(num_episodes)]
    seen = []
    for turn in range(num_turns):
        asked = [
            Completion(prompt, ("\n",), 60, (i % 2) * 1.0, seed=100 * i + turn, session=f"s{i}")
            for i, prompt in enumerate(prompts)
        ]
        found = model.complete(asked)
        seen.append(repr(found))
        prompts = [
            (*prompt, Part(answer.text + "\n", answer.tokens.ids if answer.finish == "stop" else None), Part("> "))
            for prompt, answer in zip(prompts, found, strict=True)
        ]
    return seen


def test_a_faulty_network_changes_no_byte_and_costs_at_most_twice_the_calls():
    with small_server() as server:
        model = open_model(server.url)
        faultless = play(model, 30, 3)
        num_faultless = len(server.bodies)
        model.close()
        with faulty_proxy(server.url, seed=1) as proxy:
            model = open_model(proxy.url)
            assert play(model, 30, 3) == faultless
            spent = model.spent
            model.close()
    assert set(proxy.seen) == set(FAULTS), "every kind of fault was met"
    assert len(proxy.seen) > 0.2 * proxy.num_calls
    assert spent.num_failed >= len(proxy.seen)
    assert num_faultless < proxy.num_calls <= 2 * num_faultless


@pytest.mark.parametrize("fault", FAULTS)
def test_a_request_that_always_fails_is_an_answer_with_the_reason(fault):
    with small_server() as server, faulty_proxy(server.url, share=0.0, faults=(fault,), retry_after="0") as proxy:
        model = open_model(proxy.url, max_attempts=3, timeout_s=1.5)
        proxy.share = 1.0
        [answer] = model.complete([Completion("x", max_tokens=2)])
        assert answer.finish == "error"
        assert "no answer after 3 tries" in answer.error
        proxy.share = 0.0
        [answer] = model.complete([Completion("x", max_tokens=2)])
        assert answer.finish == "length"
        model.close()


def test_a_server_that_recovers_is_used_again():
    """Six failures: the breaker opens after five, one try fails, and after its rest another goes through."""
    with small_server() as server, faulty_proxy(server.url, share=0.0, faults=("500",)) as proxy:
        model = open_model(proxy.url, max_attempts=6)
        proxy.share = 1.0
        broken = model.complete([Completion("x", max_tokens=2)])
        proxy.share = 0.0
        well = model.complete([Completion(f"x{i}", max_tokens=2) for i in range(3)])
        assert {a.finish for a in broken} == {"error"}
        assert {a.finish for a in well} == {"length"}
        model.close()
