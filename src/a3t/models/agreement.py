"""Before a model is used: does it compute with our attention (`packed`) what it computes with its own?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from a3t.errors import ModelError
from a3t.models import packed
from a3t.models.cache import KeyValueCache
from a3t.models.packed import Segment

NUM_TOKENS = 12


def disagreement(model: Any, cache: KeyValueCache, max_context: int) -> str:
    """Compare a few tokens, read in two pieces beside another conversation, with the model's own forward pass.

    What only shows in long conversations (windows, rotary positions that change with length) is read from the configuration.
    Leaves the (empty) cache empty, but knowing the shapes of its layers. A model whose own logits are not numbers agrees: that is
    told request by request.

    Returns:
        Why the architecture is not one for `packed`; empty where the two agree.
    """
    device = next(model.parameters()).device
    count = min(NUM_TOKENS, max_context)
    half = count // 2
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = [(7 * i + 3) % vocabulary for i in range(count)]
    windows: dict[int, int | None] = {}

    def attend(module: Any, *tensors: Any, **others: Any) -> Any:
        windows[module.layer_idx] = others.get("sliding_window")
        return packed.attend(module, *tensors, **others)

    with torch.inference_mode():
        theirs = model(input_ids=torch.tensor([ids], device=device), use_cache=False).logits[0].float()
        cache.resize(2, NUM_TOKENS, [])
        try:
            with packed.attention(model, attend):
                first = packed.forward(model, cache, [Segment(0, 0, ids[:half], half), Segment(1, 0, ids[: half - 1], half - 1)])
                # One new token in slot 1, several in slot 0: both kinds of attention call, neither from position 0.
                then = packed.forward(
                    model, cache, [Segment(1, half - 1, ids[half - 1 : half], 1), Segment(0, half, ids[half:], count - half)]
                )
        except (ModelError, TypeError, AttributeError, ValueError, LookupError, RuntimeError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            cache.resize(0, 0, [])
    ours = torch.cat([first, then])
    expected = torch.cat([theirs[:half], theirs[: half - 1], theirs[half - 1 : half], theirs[half:]])
    if ours.shape != expected.shape:
        return f"it gave {len(ours)} rows of logits where {len(expected)} were asked for"
    # bfloat16 keeps 8 bits: the two ways may differ by that much of the logits' scale; a wrong mask differs by far more.
    share = 1e-3 if model.dtype == torch.float32 else 0.1
    worst = float((ours - expected).abs().max())
    if bool(torch.isfinite(expected).all()) and not worst <= share * float(expected.abs().max() + 1):
        return f"its logits would differ by {worst:.3g}"
    return _long_range(model.config.get_text_config(), windows, max_context)


def _long_range(config: Any, windows: dict[int, int | None], max_context: int) -> str:
    """What would go wrong beyond the few tokens compared.

    Args:
        windows: the sliding window that each layer told its attention.
    """
    kinds = list(getattr(config, "layer_types", None) or [])
    unknown = sorted(set(kinds) - {"full_attention", "sliding_attention"})
    if unknown:
        return f"its layers have {unknown[0].replace('_', ' ')}"
    window = getattr(config, "sliding_window", None)
    if window and window < max_context:
        is_used = getattr(config, "use_sliding_window", True) is not False
        expected = [kind == "sliding_attention" for kind in kinds] or [is_used] * len(windows)
        if any(slides != bool(windows.get(layer)) for layer, slides in enumerate(expected)):
            return "its layers do not tell their sliding window to their attention"
    for rope in _ropes(getattr(config, "rope_parameters", None)):
        if rope.get("rope_type") in ("dynamic", "longrope"):
            short = rope.get("original_max_position_embeddings") or config.max_position_embeddings
            if int(short) < max_context:
                return "its rotary positions change with the longest conversation of a batch"
    return ""


def _ropes(parameters: Any) -> Iterator[dict[str, Any]]:
    """The rotary settings, of all layers or of each kind of layer."""
    if isinstance(parameters, dict):
        nested = [value for value in parameters.values() if isinstance(value, dict) and "rope_type" in value]
        yield from nested or [parameters]
