"""Before a model is used: does it compute with our attention (`packed`) what it computes with its own?"""

from __future__ import annotations

from typing import Any

import torch

from a3t.errors import ModelError
from a3t.models import packed
from a3t.models.cache import KeyValueCache
from a3t.models.packed import Segment

NUM_TOKENS = 12


def disagreement(model: Any, cache: KeyValueCache, max_context: int) -> str:
    """Compare a few tokens, read in two pieces beside another conversation, with the model's own forward pass.

    Leaves the (empty) cache empty, but knowing the shapes of its layers. A model whose own logits are not numbers agrees: that is
    told request by request.

    Returns:
        Why the architecture is not one for `packed`: an unknown kind of attention, a state that is not keys and values (recurrent
        and hybrid models), or positions that are not `position_ids`. Empty where the two agree.
    """
    device = next(model.parameters()).device
    count = min(NUM_TOKENS, max_context)
    half = count // 2
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = [(7 * i + 3) % vocabulary for i in range(count)]
    with torch.inference_mode():
        theirs = model(input_ids=torch.tensor([ids], device=device), use_cache=False).logits[0].float()
        cache.resize(2, NUM_TOKENS, [])
        try:
            with packed.attention(model):
                first = packed.forward(model, cache, [Segment(0, 0, ids[:half], half), Segment(1, 0, ids[: half - 1], half - 1)])
                # One new token in slot 1, several in slot 0: both kinds of attention call, neither from position 0.
                then = packed.forward(
                    model, cache, [Segment(1, half - 1, ids[half - 1 : half], 1), Segment(0, half, ids[half:], count - half)]
                )
        except (ModelError, TypeError, AttributeError, ValueError, LookupError, RuntimeError) as error:
            return str(error)
        finally:
            cache.resize(0, 0, [])
    ours = torch.cat([first, then])
    expected = torch.cat([theirs[:half], theirs[: half - 1], theirs[half - 1 : half], theirs[half:]])
    if not bool(torch.isfinite(expected).all()):
        return ""
    # bfloat16 keeps 8 bits: the two ways may differ by that much of the logits' scale; a wrong mask differs by far more.
    share = 1e-3 if model.dtype == torch.float32 else 0.1
    worst = float((ours - expected).abs().max()) if ours.shape == expected.shape else float("inf")
    return "" if worst <= share * float(expected.abs().max() + 1) else f"its logits would differ by {worst:.3g}"
