"""Which architectures may run packed: seen on a few tokens, and told by the configuration where a few tokens cannot show it."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from small_models import small_model

from a3t.models import packed
from a3t.models.agreement import _long_range, disagreement
from a3t.models.cache import KeyValueCache


@pytest.mark.parametrize("kind", ["llama", "llama-grouped", "gpt2", "qwen2", "mistral-sliding", "gemma2"])
def test_attention_from_the_interface_and_positions_from_position_ids_agree(kind):
    cache = KeyValueCache()
    assert disagreement(small_model(kind, 331), cache, 512) == ""
    assert cache.num_bytes == 0 and cache.token_bytes > 0


def test_agreement_in_bfloat16_is_judged_at_its_own_precision():
    assert disagreement(small_model("llama", 331).bfloat16(), KeyValueCache(), 512) == ""


@pytest.mark.parametrize("kind", ["bloom", "mamba"])
def test_positions_and_states_of_another_kind_are_seen(kind):
    assert "logits would differ" in disagreement(small_model(kind, 331), KeyValueCache(), 512)


def test_a_wrong_mask_would_be_seen(monkeypatch):
    monkeypatch.setattr(packed, "_segment_mask", lambda *arguments: None)
    assert "logits would differ" in disagreement(small_model("llama", 331), KeyValueCache(), 512)


def test_attention_to_a_neighbours_tokens_would_be_seen(monkeypatch):
    write = KeyValueCache.write
    monkeypatch.setattr(KeyValueCache, "write", lambda self, layer, slots, *rest: write(self, layer, slots * 0, *rest))
    assert "logits would differ" in disagreement(small_model("llama", 331), KeyValueCache(), 512)


def test_an_argument_that_our_attention_does_not_know_is_a_reason():
    with packed.attention(small_model("llama", 331)), pytest.raises(Exception, match="s_aux"):
        tensor = torch.zeros(1, 1, 1, 1)
        packed.attend(SimpleNamespace(layer_idx=0), tensor, tensor, tensor, None, s_aux=tensor)


def test_broken_weights_are_no_reason():
    model = small_model("llama", 331)
    with torch.no_grad():
        model.model.norm.weight.fill_(math.nan)
    assert disagreement(model, KeyValueCache(), 512) == ""


@pytest.mark.parametrize(
    ("config", "windows", "reason"),
    [
        ({}, {0: None}, ""),
        ({"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 64}, {0: None, 1: 64}, ""),
        ({"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 64}, {0: None, 1: None}, "sliding window"),
        ({"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 64}, {0: 64, 1: 64}, "sliding window"),
        ({"layer_types": ["full_attention", "sliding_attention"], "sliding_window": 600}, {0: None, 1: None}, ""),
        ({"layer_types": ["full_attention", "chunked_attention"]}, {0: None, 1: None}, "chunked attention"),
        ({"layer_types": ["linear_attention", "full_attention"]}, {1: None}, "linear attention"),
        ({"sliding_window": 64}, {0: None, 1: None}, "sliding window"),
        ({"sliding_window": 64}, {0: 64, 1: 64}, ""),
        ({"sliding_window": 64, "use_sliding_window": False}, {0: None, 1: None}, ""),
        ({"rope_parameters": {"rope_type": "default"}}, {0: None}, ""),
        ({"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 128}}, {0: None}, "rotary"),
        ({"rope_parameters": {"rope_type": "longrope", "original_max_position_embeddings": 512}}, {0: None}, ""),
        (
            {"rope_parameters": {"sliding_attention": {"rope_type": "dynamic"}}, "max_position_embeddings": 99},
            {0: None},
            "rotary",
        ),
    ],
)
def test_what_only_long_conversations_show_is_read_from_the_configuration(config, windows, reason):
    found = _long_range(SimpleNamespace(**config), windows, max_context=512)
    assert reason in found and bool(reason) == bool(found)
