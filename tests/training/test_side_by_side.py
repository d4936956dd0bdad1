"""Forwards of a small model go side by side, and nobody can tell it from the weights."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
import tiny_words
import torch
from transformers import AutoModelForCausalLM

from a3t.config import ObjectiveConfig, TrainConfig
from a3t.training import side_by_side
from a3t.training.side_by_side import Gradients, add, in_order, is_small, threads_for
from a3t.training.trainer import Trainer

CPU = torch.device("cpu")


def trained(base: Path, out: Path, threads: int, objective: str = "a3t") -> str:
    """Digest of the weights."""
    train = TrainConfig(epochs=2, lr=1e-3, batch_tokens=256, micro_batch_tokens=64)
    torch.set_num_threads(threads)
    trainer = Trainer(base, train, ObjectiveConfig(name=objective), tiny_words.render, device="cpu")
    trainer.fit(tiny_words.dataset(), out, round_index=1)
    assert torch.get_num_threads() == threads, "what was set stays set"
    (path,) = out.glob("*.safetensors")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("objective", ["a3t", "dpo"])
def test_the_weights_are_the_same_bytes_however_many_threads(tmp_path: Path, objective: str) -> None:
    base = tiny_words.save_base(tmp_path / "base")
    digests = {threads: trained(base, tmp_path / str(threads), threads, objective) for threads in (1, 2, 3)}
    assert len(set(digests.values())) == 1
    assert digests[1] != hashlib.sha256((base / "model.safetensors").read_bytes()).hexdigest(), "and they did learn"


def test_the_dearest_is_begun_first_and_what_comes_is_in_the_order_of_the_plan() -> None:
    begun: list[int] = []

    def compute(index: int) -> Gradients:
        begun.append(index)
        return Gradients(float(index), [], [], ())

    torch.set_num_threads(2)
    with threads_for(True) as threads:
        assert threads is not None and threads.num == 2 and torch.get_num_threads() == 1
        found = [one.loss for one in in_order(threads, compute, [5, 9, 1, 7])]
    assert found == [0.0, 1.0, 2.0, 3.0] and set(begun[:2]) == {1, 3}
    assert torch.get_num_threads() == 2
    with threads_for(False) as threads:
        assert threads is None and torch.get_num_threads() == 2, "a large model keeps all threads to itself"


def test_no_more_gradients_are_kept_than_a_few_for_each_thread() -> None:
    handed_over = 0
    furthest: list[int] = []

    def compute(index: int) -> Gradients:
        furthest.append(index - handed_over)
        return Gradients(float(index), [], [], ())

    torch.set_num_threads(2)
    with threads_for(True) as threads:
        for handed_over, one in enumerate(in_order(threads, compute, [1] * 40), 1):
            assert one.loss == handed_over - 1
    assert len(furthest) == 40 and max(furthest) <= 8


def test_what_one_forward_raises_is_raised_and_those_not_yet_begun_are_not() -> None:
    begun: list[int] = []
    wait = threading.Event()

    def compute(index: int) -> Gradients:
        begun.append(index)
        if index == 0:
            raise ValueError(f"forward {index}")
        wait.wait(20)
        return Gradients(0.0, [], [], ())

    torch.set_num_threads(2)
    with threads_for(True) as threads:
        with pytest.raises(ValueError, match="forward 0"):
            list(in_order(threads, compute, [1] * 40))
        wait.set()
    assert len(begun) <= 4


def test_a_gradient_that_two_parameters_are_handed_is_added_to_each_once() -> None:
    one, other = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(2))
    for _forward in range(2):
        gradient = torch.ones(2)
        add([one, other], [gradient, gradient])
    assert one.grad is not None and other.grad is not None
    assert one.grad.tolist() == other.grad.tolist() == [2.0, 2.0]


def test_large_models_and_those_with_dropout_take_one_forward_after_the_other(tmp_path: Path, monkeypatch) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_words.save_base(tmp_path / "plain"))
    assert is_small(model, CPU)
    assert not is_small(model, torch.device("cuda"))
    dropping = AutoModelForCausalLM.from_pretrained(tiny_words.save_base(tmp_path / "dropping", attention_dropout=0.1))
    assert not is_small(dropping, CPU), "its chance would depend on which thread came first"
    model.extra = torch.nn.Dropout(0.1)
    assert not is_small(model, CPU)
    del model.extra
    for name in ("layerdrop", "router_jitter_noise"):
        setattr(model.config, name, 0.1)
        assert not is_small(model, CPU)
        delattr(model.config, name)
    monkeypatch.setattr(side_by_side, "MOST_PARAMETERS", 10)
    assert not is_small(model, CPU)
