"""The gradient of a whole optimiser step, through a real model, against a slow float64 reference."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import tiny_words
import torch
from transformers import AutoModelForCausalLM

from a3t.config import TrainConfig
from a3t.learning.objectives import Example, make_objective
from a3t.training.batches import Forward
from a3t.training.data import Data, prepare
from a3t.training.forward import TokenLogprobs, collate
from a3t.training.run import Run, Turn
from a3t.training.weights import available, load_tokenizer, trainable


def prepared(base: Path, objective: str = "a3t") -> Data:
    return prepare(
        tiny_words.dataset(),
        tiny_words.render,
        load_tokenizer(base),
        make_objective(objective),
        observation_loss=True,
        max_tokens=None,
    )


def slow_logprobs(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """One row, unpadded, every position's full softmax: [T - 1]."""
    logits = model(input_ids=ids[None], use_cache=False).logits[0]
    return torch.log_softmax(logits, -1)[torch.arange(len(ids) - 1), ids[1:]]


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("Llama", {}),
        ("Mistral", {"sliding_window": None}),
        ("Qwen2", {"tie_word_embeddings": True}),
        ("Gemma2", {"head_dim": 8, "final_logit_softcapping": 2.0}),
    ],
)
def test_log_probs_of_padded_rows_are_those_of_each_row_alone(tmp_path: Path, architecture: str, changes: dict[str, Any]):
    base = tiny_words.save_base(tmp_path, architecture, **changes)
    model = AutoModelForCausalLM.from_pretrained(base)
    rows = [row for row in prepared(base).rows if row.num_trained]
    with torch.no_grad():
        fast = TokenLogprobs(model)(collate(rows, torch.device("cpu")))
        slow = torch.cat([slow_logprobs(model, torch.from_numpy(row.ids))[row.trained[1:]] for row in rows])
    assert len({len(row) for row in rows}) > 1
    assert fast.shape == slow.shape
    assert torch.allclose(fast, slow, atol=1e-5)


def test_the_head_runs_on_trained_positions_alone_and_is_left_as_it_was(base: Path):
    model = AutoModelForCausalLM.from_pretrained(base)
    seen: list[int] = []
    logprobs = TokenLogprobs(model)
    model.lm_head.register_forward_hook(lambda _module, _inputs, output: seen.append(output.shape[1]))
    row = prepared(base).rows[0]
    logprobs(collate([row], torch.device("cpu")))
    model(input_ids=torch.from_numpy(row.ids)[None])
    assert seen == [row.num_trained, len(row)]
    assert row.num_trained < len(row) - 1


def step_gradient(base: Path, data: Data, forwards: tuple[Forward, ...], tmp_path: Path) -> dict[str, torch.Tensor]:
    """What one optimiser step sees: AdamW replaced by looking, so that nothing is clipped or moved."""
    train = TrainConfig(dtype="float32", max_grad_norm=1e9, micro_batch_tokens=4096)
    model = AutoModelForCausalLM.from_pretrained(base)
    run = Run(
        model,
        data,
        train,
        make_objective("a3t"),
        available(train, "cpu"),
        folder=tmp_path,
        identity="",
        seed=0,
        round_index=1,
    )
    gradient: dict[str, torch.Tensor] = {}

    def look() -> None:
        gradient.update({name: p.grad.detach().clone().double() for name, p in trainable(model).items() if p.grad is not None})

    run.optimizer.step = look  # type: ignore[method-assign, assignment]
    run.take(Turn(0, forwards, False, False))
    return gradient


def test_a_steps_gradient_is_eq_1_however_the_batch_is_cut_padded_and_ordered(base: Path, tmp_path: Path):
    """Σ_m R(τ_m) Σ_t log p / Σ_m tokens in float64, one row at a time, full logits; ours in float32, within 1e-5."""
    data = prepared(base)
    units = list(range(len(data.units)))
    exact_model = copy.deepcopy(AutoModelForCausalLM.from_pretrained(base)).double()
    total = sum(row.num_trained for row in data.rows)
    for row, weighted in zip(data.rows, tiny_words.dataset(), strict=True):
        logprobs = slow_logprobs(exact_model, torch.from_numpy(row.ids))[row.trained[1:]]
        (-weighted.weight * logprobs.sum() / total).backward()
    exact = {name: parameter.grad for name, parameter in exact_model.named_parameters()}
    norm = torch.cat([gradient.flatten() for gradient in exact.values()]).norm()
    cuts: list[tuple[Forward, ...]] = [
        (tuple(units),),
        tuple((unit,) for unit in units),
        tuple(tuple(units[::-1][start : start + 5]) for start in range(0, len(units), 5)),
    ]
    for cut in cuts:
        gradient = step_gradient(base, data, cut, tmp_path)
        assert gradient.keys() == exact.keys()
        difference = torch.cat([(gradient[name] - exact[name]).flatten() for name in exact]).norm()
        assert difference / norm < 1e-5


def test_examples_say_what_the_rows_hold(base: Path):
    """Weights, rewards and token counts reach the objective unchanged."""
    seen: list[Example] = []

    class Looking(type(make_objective("a3t"))):  # type: ignore[misc]
        def units(self, examples):
            seen.extend(examples)
            return super().units(examples)

    data = prepare(
        tiny_words.dataset(), tiny_words.render, load_tokenizer(base), Looking(), observation_loss=False, max_tokens=None
    )
    assert [example.weight for example in seen] == [weighted.weight for weighted in tiny_words.dataset()]
    assert [example.num_tokens for example in seen] == [row.num_trained for row in data.rows]
