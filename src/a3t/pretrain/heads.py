"""Attention that begins as copying: what comes after the last time this token stood here?

Small models learn to copy late and all at once, after most of their training was spent without it. The circuit is known (Elhage
et al. 2021; Olsson et al. 2022: induction heads), so it is written into the weights before the first step: a head that looks one
token back and notes what it saw, and, a layer later, heads that look for the note which equals the token at hand and bring along
the token that carries it. Training is free to change every number of it.
"""

from __future__ import annotations

from typing import Any

NOTE_DIMS = 32
"""Of the residual stream, kept free in all embeddings for the note of the token before."""
EMBEDDING_NORM = 0.7


def write_copying_heads(model: Any, seed: int) -> None:
    """Change a new Llama in place: its embeddings, and heads of its first two layers.

    Args:
        model: `LlamaForCausalLM`, at least two layers, untrained, a key head for each query head; with slow rotations
            (`rope_theta` of a million), so that content can be compared over some hundred tokens.
        seed: draws the directions that notes and comparisons use.
    """
    import torch

    config = model.config
    width, num_heads = config.hidden_size, config.num_attention_heads
    size = width // num_heads
    pairs = size // 2
    generator = torch.Generator().manual_seed(seed)

    def orthogonal(rows: int, columns: int) -> Any:
        square = torch.linalg.qr(torch.randn(max(rows, columns), max(rows, columns), generator=generator))[0]
        return square[:rows, :columns]

    basis = orthogonal(width, width)
    # Every token's share of one direction tells positions apart without telling tokens apart.
    ever, content, note = basis[:, 0], basis[:, 1 : width - NOTE_DIMS], basis[:, width - NOTE_DIMS :]
    table = model.get_input_embeddings().weight
    frequencies = config.rope_parameters["rope_theta"] ** -(torch.arange(pairs) / pairs)
    looks_back, matcher = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    with torch.no_grad():
        own = table @ content
        # The padding token has no vector at all.
        own = own / own.norm(dim=1, keepdim=True).clamp_min(1e-9)
        table.copy_(EMBEDDING_NORM * (own @ content.T + ever))
        # After the norm either share has half of the squared length, `width`.
        share = (width / 2) ** 0.5
        reader = orthogonal(NOTE_DIMS, width - NOTE_DIMS - 1) @ content.T

        # One token back: a key turned by one position answers best to the query one position on.
        fast = torch.arange(4)
        strength = (60 * size**0.5 / 4) ** 0.5 / share
        looks_back.q_proj.weight[:size] = 0
        looks_back.k_proj.weight[:size] = 0
        looks_back.q_proj.weight[fast] = strength * ever
        looks_back.k_proj.weight[fast] = strength * frequencies[fast].cos()[:, None] * ever
        looks_back.k_proj.weight[fast + pairs] = strength * frequencies[fast].sin()[:, None] * ever
        looks_back.v_proj.weight[:size] = reader
        # The note is as long as the content that it was read from.
        looks_back.o_proj.weight[:, :size] = note * (EMBEDDING_NORM / (share * (NOTE_DIMS / content.shape[1]) ** 0.5))

        # The token at hand against each token's note, in dimensions that hardly turn.
        slow = torch.nonzero(frequencies < 0.01).flatten()
        slow = torch.cat([slow, slow + pairs])
        compare = orthogonal(len(slow), NOTE_DIMS)
        # Of the squared length, a third each: what all share, content, note.
        third = (width / 3) ** 0.5
        seen = third**2 * (NOTE_DIMS / content.shape[1]) ** 0.5 * len(slow) / NOTE_DIMS
        strength = (25 * size**0.5 / seen) ** 0.5
        for head in range(2):
            rows = slice(head * size, (head + 1) * size)
            matcher.q_proj.weight[rows] = 0
            matcher.k_proj.weight[rows] = 0
            matcher.q_proj.weight[head * size + slow] = strength * compare @ reader
            matcher.k_proj.weight[head * size + slow] = strength * compare @ note.T
            brings = content[:, head * size : (head + 1) * size]
            matcher.v_proj.weight[rows] = brings.T
            matcher.o_proj.weight[:, rows] = brings * (2 * EMBEDDING_NORM / third)
