"""Tiny models with random weights, and the obvious slow ways that the fast ones are compared with."""

from __future__ import annotations

import random

import torch
import transformers

WORDS = ["go", "to", "desk", "drawer 1", "vase", "think:", "room", "safe", "\n", "> ", "OK.", "the", "é"]


def small_model(kind: str, vocabulary: int):
    """A causal LM of some architecture; the weights are spread wide, so that its greedy text is not one word over and over."""
    size = {"vocab_size": vocabulary, "initializer_range": 0.3}
    width = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(7)
    match kind:
        case "llama":
            config = transformers.LlamaConfig(**size, **width, num_key_value_heads=4, max_position_embeddings=512)
        case "llama-wide":
            wide = {**width, "hidden_size": 64, "intermediate_size": 128}
            config = transformers.LlamaConfig(**size, **wide, num_key_value_heads=4, max_position_embeddings=512)
        case "llama-grouped":
            config = transformers.LlamaConfig(**size, **width, num_key_value_heads=2, max_position_embeddings=512)
        case "gpt2":
            config = transformers.GPT2Config(**size, n_embd=32, n_layer=2, n_head=4, n_positions=512)
        case "qwen2":
            config = transformers.Qwen2Config(**size, **width, num_key_value_heads=2, max_position_embeddings=512)
        case "mistral-sliding":
            config = transformers.MistralConfig(
                **size, **width, num_key_value_heads=2, max_position_embeddings=512, sliding_window=16
            )
        case "gemma2":
            config = transformers.Gemma2Config(
                **size, **width, num_key_value_heads=2, head_dim=8, max_position_embeddings=512, sliding_window=16
            )
        case "bloom":
            config = transformers.BloomConfig(**size, hidden_size=32, n_layer=2, n_head=4)
        case "mamba":
            config = transformers.MambaConfig(**size, hidden_size=32, num_hidden_layers=2, state_size=8)
    config.eos_token_id = config.bos_token_id = config.pad_token_id = None
    # Gemma 2 caps its scores, which transformers itself computes only in its plain attention.
    own = {"attn_implementation": "eager"} if kind == "gemma2" else {}
    return transformers.AutoModelForCausalLM.from_config(config, **own).float().eval()


def some_text(seed: int, num_words: int) -> str:
    rng = random.Random(seed)
    return "".join(rng.choice(WORDS) + " " for _ in range(num_words))


def slow_greedy(model, ids: list[int], num_tokens: int) -> list[int]:
    """The obvious way, for comparison: transformers' `generate` reading the whole prompt."""
    prompt = torch.tensor([ids])
    out = model.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=num_tokens, do_sample=False)
    return out[0, len(ids) :].tolist()


def slow_logprobs(model, ids: list[int]) -> list[float]:
    """log p of each id but the first, from one plain forward pass."""
    with torch.no_grad():
        logprobs = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return [float(logprobs[t, token]) for t, token in enumerate(ids[1:])]
