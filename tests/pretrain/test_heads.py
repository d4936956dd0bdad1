"""Heads that copy before anything was learned."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from a3t.pretrain.heads import write_copying_heads


def new_model(prepared: bool) -> LlamaForCausalLM:
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=400,
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            tie_word_embeddings=True,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
            pad_token_id=0,
        )
    )
    if prepared:
        write_copying_heads(model, seed=0)
    return model.eval()


def share_copied(model: LlamaForCausalLM) -> float:
    """Of the second half of rows `A B C … A B C …`, whose first half is random: the share that is foretold."""
    half = torch.stack([torch.randperm(399, generator=torch.Generator().manual_seed(i))[:80] + 1 for i in range(4)])
    with torch.no_grad():
        foretold = model(torch.cat([half, half], dim=1)).logits.argmax(-1)
    return float((foretold[:, 80:-1] == half[:, 1:]).float().mean())


def test_a_new_model_with_copying_heads_repeats_what_came_after_a_token_and_one_without_does_not():
    assert share_copied(new_model(prepared=True)) > 0.8
    assert share_copied(new_model(prepared=False)) < 0.05


def test_the_same_seed_writes_the_same_heads_and_every_number_is_finite():
    one, two = new_model(prepared=True).state_dict(), new_model(prepared=True).state_dict()
    assert all(torch.equal(one[name], two[name]) and torch.isfinite(one[name]).all() for name in one)
