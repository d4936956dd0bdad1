"""Stop texts are found whichever way the tokenizer cut them; draws follow the distribution and the request's seed alone."""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from a3t.models.local import LocalModel
from a3t.models.sampling import draw, uniforms
from a3t.models.stopping import Texts, first_stop
from a3t.types import Completion


class Recites(torch.nn.Module):
    """A causal LM that recites a text: after token t of it comes token t + 1, whatever stood before."""

    def __init__(self, script: list[int], vocabulary: int) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(vocabulary, 1)
        self.script = script
        self.config = SimpleNamespace(
            get_text_config=lambda: SimpleNamespace(max_position_embeddings=256), _name_or_path="recites"
        )
        self.dtype = torch.float32

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, input_ids, position_ids=None, logits_to_keep=0, **_others):
        del position_ids, logits_to_keep
        logits = torch.zeros(*input_ids.shape, self.embedding.num_embeddings)
        for t in range(input_ids.shape[1]):
            logits[0, t, self.script[min(t, len(self.script) - 1)]] = 9.0
        return SimpleNamespace(logits=logits, past_key_values=None, cache_params=None)


def recite(tokenizer, ids: list[int], stop: tuple[str, ...], max_tokens: int = 30):
    with pytest.warns(UserWarning, match="one conversation at a time"):
        local = LocalModel(Recites(ids, len(tokenizer)), tokenizer)
    return local.complete([Completion("a", stop, max_tokens)])[0]


@pytest.mark.parametrize(
    ("said", "stop", "text"),
    [
        ("go to desk 1\nThe desk 1 is", ("\n",), "go to desk 1"),
        ("go to desk 1\n> open", ("\n> ",), "go to desk 1"),
        ("the vase is closed", ("ase is c",), "the v"),
        ("the vase is closed", ("closed", "is"), "the vase "),
        ("the vase is", (" ",), "the"),
        ("caf\u00e9 \u2615 here", ("\u2615",), "caf\u00e9 "),
        ("caf\u00e9 here", ("\u00e9",), "caf"),
        ("\n\n", ("\n",), ""),
    ],
)
def test_a_stop_text_is_found_in_the_middle_of_a_token_and_across_tokens(tokenizer, said, stop, text):
    ids = tokenizer.encode(said, add_special_tokens=False)
    answer = recite(tokenizer, ids, stop)
    assert (answer.finish, answer.text) == ("stop", text)
    produced = answer.tokens.ids
    assert list(produced) == ids[: len(produced)]  # the stop text's ids are part of the record
    whole = tokenizer.decode(produced)
    assert any(s in whole for s in stop)
    assert not any(s in tokenizer.decode(produced[:-1]) for s in stop)  # and it ended as soon as it could


def test_the_end_of_sequence_ends_a_completion_and_is_no_text(tokenizer):
    ids = [*tokenizer.encode("go to desk", add_special_tokens=False), tokenizer.eos_token_id, 5, 6]
    answer = recite(tokenizer, ids, ("\n",))
    assert (answer.finish, answer.text) == ("end", "go to desk")
    assert answer.tokens.ids[-1] == tokenizer.eos_token_id


def test_without_a_stop_the_completion_has_its_full_length(tokenizer):
    ids = tokenizer.encode("go to desk 1 and open the drawer 3", add_special_tokens=False)
    answer = recite(tokenizer, ids, (), max_tokens=4)
    assert (answer.finish, answer.text) == ("length", tokenizer.decode(ids[:4]))


def test_a_stop_text_in_the_very_last_token_allowed_is_a_stop(tokenizer):
    ids = tokenizer.encode("desk\n", add_special_tokens=False)
    assert recite(tokenizer, ids, ("\n",), max_tokens=len(ids)).finish == "stop"


def test_the_space_before_a_first_word_is_kept_where_the_decoder_would_drop_it():
    raw = Tokenizer(
        models.BPE(
            {"\u2581": 0, "g": 1, "o": 2, "\u2581g": 3, "\u2581go": 4, "a": 5, "b": 6}, [("\u2581", "g"), ("\u2581g", "o")]
        )
    )
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(tokenizer_object=raw)
    assert fast.decode([4]) == "go"
    assert Texts(fast).text([4], [4, 4]) == " go go"
    assert Texts(fast).text([], [4, 4]) == "go go"


@given(st.text(alphabet="ab\n ", max_size=20), st.lists(st.text(alphabet="ab\n ", min_size=1, max_size=3), max_size=3))
def test_the_first_stop_is_where_a_slow_scan_finds_one(text, stops):
    slow = next((at for at in range(len(text)) if any(text.startswith(stop, at) for stop in stops)), None)
    assert first_stop(text, stops) == slow


def test_draws_follow_the_softmax_at_the_temperature():
    logits = torch.log(torch.tensor([[0.5, 0.3, 0.2, 0.0]]))
    numbers = uniforms(1, 20_000)
    chosen = draw(logits.expand(20_000, 4), [0.5] * 20_000, list(numbers))
    sharpened = np.array([0.5, 0.3, 0.2, 0.0]) ** 2
    sharpened /= sharpened.sum()
    counts = Counter(chosen.ids)
    for token, share in enumerate(sharpened):
        assert abs(counts[token] / 20_000 - share) < 4 * math.sqrt(share * (1 - share) / 20_000) + 1e-12
    assert all(math.exp(p) == pytest.approx(sharpened[t], rel=1e-4) for t, p in zip(chosen.ids, chosen.logprobs, strict=True))


def test_a_token_of_probability_zero_is_never_drawn_even_at_the_ends_of_the_range():
    logits = torch.log(torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]]))
    for number in (0.0, 0.49999999, 0.5, 0.5000001, 1 - 1e-16, np.nextafter(1, 0)):
        assert draw(logits, [1.0], [number]).ids[0] in (1, 3)


def test_greedy_and_sampled_rows_share_a_batch():
    logits = torch.tensor([[0.0, 2.0, 1.0]] * 3)
    chosen = draw(logits, [0.0, 1.0, 1e-6], [0.0, 0.01, 0.9])
    assert chosen.ids == [1, 0, 1]
    assert chosen.logprobs[0] == pytest.approx(2 - math.log(1 + math.e + math.e**2), abs=1e-5)


def test_the_numbers_of_a_seed_are_its_own_and_a_longer_row_begins_like_a_shorter_one():
    assert uniforms(5, 9)[:4].tolist() == uniforms(5, 4).tolist()
    assert uniforms(5, 4).tolist() != uniforms(6, 4).tolist()
    assert len(uniforms(-1, 3)) == len(uniforms(2**70, 3)) == 3
