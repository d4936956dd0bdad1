"""`a3t bench train` measures what it says, and its arithmetic about sizes is right."""

from __future__ import annotations

import pytest
import transformers

from a3t.bench import train as bench
from a3t.errors import RecipeError

SMALL = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "sliding_window": None,
    "tie_word_embeddings": False,
}


def test_both_ways_are_measured_on_the_same_rows():
    figures = bench.run(8, num_runs=1)
    assert figures.num_rows == 8
    assert figures.num_tokens == sum(map(len, bench.random_rows(8, 2500, 0)))
    assert figures.ours.tokens_per_s > 0 < figures.theirs.tokens_per_s
    assert figures.ratio == figures.ours.tokens_per_cpu_s / figures.theirs.tokens_per_cpu_s
    if figures.large is None:
        assert "no CUDA device" in figures.lines()[-1]


def test_a_large_step_takes_the_way_that_real_weights_take():
    step = bench.large_step("lora", shape=SMALL, batch_tokens=512, row_tokens=128, num_steps=2, device="cpu")
    assert step.method == "lora"
    assert step.share == step.model_flops_per_s / step.matrix_flops_per_s


def test_parameters_are_counted_as_the_model_counts_them():
    for shape in (SMALL, {**SMALL, "tie_word_embeddings": True}):
        model = transformers.MistralForCausalLM(transformers.MistralConfig(**shape))
        assert bench._num_parameters(shape) == sum(parameter.numel() for parameter in model.parameters())
    assert bench._num_parameters(bench.MISTRAL_7B) == 7_241_732_096


def test_a_7b_token_costs_29_gflop_when_its_weights_are_frozen():
    """4 x 7.11 G weights in products, and 32 layers of attention over 1,024 tokens: 28.8 GFLOP."""
    assert bench.flops_per_token(bench.MISTRAL_7B, 1024, frozen=True) == pytest.approx(29.25e9, rel=0.01)


@pytest.mark.parametrize("bad", [{"num_rows": 0}, {"num_runs": 0}, {"large": "huge"}])
def test_nonsense_is_refused(bad: dict):
    with pytest.raises(RecipeError, match=next(iter(bad))):
        bench.run(**bad)
