"""The 7B recipe holds the paper's settings, and its training section trains the same architecture in small."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import tiny_words
import torch
from safetensors.torch import load_file

from a3t.config import Recipe, load_recipe
from a3t.training import weights
from a3t.training.trainer import Trainer

PATH = Path(__file__).parents[2] / "recipes" / "alfworld-7b.toml"


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(PATH)


@pytest.fixture(scope="module")
def small_mistral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mistral-7B-Instruct-v0.2's architecture: grouped queries, no sliding window, untied head. Sizes fit nf4's blocks of 64."""
    return tiny_words.save_base(
        tmp_path_factory.mktemp("mistral"),
        "Mistral",
        hidden_size=64,
        intermediate_size=128,
        head_dim=16,
        sliding_window=None,
        rope_theta=1e6,
    )


def test_the_recipe_is_the_papers(recipe: Recipe):
    """Appendix A."""
    train, explore = recipe.train, recipe.explore
    assert (train.method, train.lora_rank, train.lora_alpha, train.lora_modules) == ("qlora", 16, 32, ("q_proj", "v_proj"))
    assert (train.optimizer, train.lr, train.epochs_first, train.epochs) == ("paged_adamw_32bit", 1e-4, 10, 6)
    assert (train.average, train.observation_loss) == ("all", True)
    assert (explore.probability, explore.num_compositions, explore.min_compositions, explore.rescue_after) == (0.5, 40, 40, 3)
    assert (recipe.environment.num_train_tasks, recipe.environment.num_validation_tasks) == (600, 60)
    assert (recipe.num_rounds, recipe.environment.test_splits) == (4, ("valid_unseen",))
    assert (recipe.objective.name, recipe.objective.selection, recipe.objective.failed_weight) == ("a3t", "binarized", -1.0)


def fit(recipe: Recipe, base: Path, out: Path) -> tuple[dict, list[str]]:
    heard: list[str] = []
    # The recipe's own section, except that this data fits one step and should show several.
    train = recipe.train.model_copy(update={"batch_tokens": 256})
    trainer = Trainer(base, train, recipe.objective, tiny_words.render, device="cpu", announce=heard.append)
    return trainer.fit(tiny_words.dataset(), out, round_index=1), heard


def test_it_trains_in_four_bits(recipe: Recipe, small_mistral: Path, tmp_path: Path):
    """Real steps through bitsandbytes' 4-bit weights; on a CPU, where nothing can be paged, AdamW is announced instead."""
    if importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("needs bitsandbytes: pip install 'a3t[qlora]'")
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    metrics, heard = fit(recipe, small_mistral, tmp_path)
    assert metrics["method"] == "qlora"
    assert metrics["num_steps"] >= 6 * 2
    assert [note for note in heard if "paged" in note]
    adapter = load_file(tmp_path / "adapter_model.safetensors")
    # 2 layers x (q, v) x (A, B); B was zero at the base.
    assert len(adapter) == 8
    assert all(value.abs().sum() > 0 for value in adapter.values())
    assert metrics["epochs"][-1]["success_nll"] < metrics["epochs"][0]["success_nll"]
    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(small_mistral), str(tmp_path))
    assert torch.isfinite(tuned(input_ids=torch.tensor([[1, 3, 4]])).logits).all()


def test_its_frozen_weights_really_are_in_four_bits(recipe: Recipe, small_mistral: Path):
    if importlib.util.find_spec("bitsandbytes") is None:
        pytest.skip("needs bitsandbytes: pip install 'a3t[qlora]'")
    import bitsandbytes

    plan = weights.available(recipe.train, "cpu")
    model = weights.load_trainable(small_mistral, recipe.train, plan, 0)
    linear = [module for module in model.modules() if isinstance(module, bitsandbytes.nn.Linear4bit)]
    assert len(linear) == 2 * 7
    assert {module.weight.quant_type for module in linear} == {"nf4"}
    assert not any(module.weight.quant_state.nested for module in linear)
    assert set(weights.trainable(model)) == {name for name, _ in model.named_parameters() if "lora_" in name}
    assert {parameter.dtype for parameter in weights.trainable(model).values()} == {torch.float32}


def test_without_bitsandbytes_it_trains_lora_on_whole_weights_and_says_so(
    recipe: Recipe, small_mistral: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda _name: None)
    metrics, heard = fit(recipe, small_mistral, tmp_path)
    assert metrics["method"] == "lora"
    assert any("a3t[qlora]" in note for note in heard)
