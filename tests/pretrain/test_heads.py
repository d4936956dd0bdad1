"""Heads that copy before anything was learned."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from a3t.pretrain.craft.words import grow_embeddings
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


def share_copied(model: LlamaForCausalLM, least: int = 1, most: int = 399) -> float:
    """Of the second half of rows `A B C … A B C …`, whose first half is random: the share that is foretold."""
    num = most - least + 1
    half = torch.stack([torch.randperm(num, generator=torch.Generator().manual_seed(i))[:80] + least for i in range(4)])
    with torch.no_grad():
        foretold = model(torch.cat([half, half], dim=1)).logits.argmax(-1)
    return float((foretold[:, 80:-1] == half[:, 1:]).float().mean())


def test_a_new_model_with_copying_heads_repeats_what_came_after_a_token_and_one_without_does_not():
    assert share_copied(new_model(prepared=True)) > 0.8
    assert share_copied(new_model(prepared=False)) < 0.05


def test_tokens_that_come_later_are_copied_too_for_they_keep_the_notes_free():
    """A base that reads on (`grow_embeddings`): rows of the new tokens lie where the old ones lie."""

    class Longer:
        def __len__(self) -> int:
            return 500

        def decode(self, ids: list[int]) -> str:
            return f"word {ids[0]}"

    model = new_model(prepared=True)
    grow_embeddings(model, Longer(), seed=1)
    assert share_copied(model, least=401, most=499) > 0.6


def test_the_same_seed_writes_the_same_heads_and_every_number_is_finite():
    one, two = new_model(prepared=True).state_dict(), new_model(prepared=True).state_dict()
    assert all(torch.equal(one[name], two[name]) and torch.isfinite(one[name]).all() for name in one)
