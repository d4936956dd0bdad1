"""Before a model is used: does it compute with our attention what it computes with its own?"""

from __future__ import annotations

from typing import Any

import torch

from a3t.errors import ModelError
from a3t.models import packed
from a3t.models.cache import KeyValueCache
from a3t.models.packed import Segment

NUM_TOKENS = 12


def check_agreement(model: Any, cache: KeyValueCache, name: str, max_context: int) -> None:
    """Compare a few tokens, read in two pieces beside another conversation, with the model's own forward pass.

    Leaves the (empty) cache empty, but knowing the shapes of its layers. A model whose own logits are not numbers passes: that is
    told request by request.

    Raises:
        ModelError: they differ; the architecture is not one for `packed`.
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
        except (TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise ModelError(f"{name}: this architecture does not run with a3t's attention: {error}") from error
        finally:
            cache.resize(0, 0, [])
    ours = torch.cat([first, then])
    expected = torch.cat([theirs[:half], theirs[: half - 1], theirs[half - 1 : half], theirs[half:]])
    if not bool(torch.isfinite(expected).all()):
        return
    # bfloat16 keeps 8 bits: the two ways may differ by that much of the logits' scale; a wrong mask differs by far more.
    share = 1e-3 if model.dtype == torch.float32 else 0.1
    worst = float((ours - expected).abs().max())
    if not worst <= share * float(expected.abs().max() + 1):
        raise ModelError(
            f"{name}: with a3t's attention this architecture's logits differ by {worst:.3g} from its own.\n"
            "  Its layers keep a state that is not keys and values (a recurrent or hybrid model?), or place tokens otherwise."
        )
