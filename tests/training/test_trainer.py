"""What `Trainer.fit` promises: the weights it writes, what it learns, what it measures, and what it says when it cannot."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import tiny_words
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from a3t.config import ObjectiveConfig, TrainConfig
from a3t.errors import MissingDataError, ModelError, NothingToTrainError, RecipeError
from a3t.training import weights
from a3t.training.run import Progress
from a3t.training.trainer import Trainer

FAST = {"lr": 3e-3, "epochs": 3, "epochs_first": 4, "batch_tokens": 256, "dtype": "float32"}


def trainer(base: Path, *, objective: dict[str, Any] | None = None, seed: int = 0, announce: Any = None, **train: Any) -> Trainer:
    config = TrainConfig(**{**FAST, **train})
    return Trainer(
        base, config, ObjectiveConfig(**objective or {}), tiny_words.render, seed=seed, device="cpu", announce=announce
    )


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.glob("*.safetensors")
    return load_file(path)


def bytes_of(folder: Path) -> str:
    (path,) = folder.glob("*.safetensors")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_full_weights_are_loaded_by_plain_transformers(base: Path, tmp_path: Path):
    trainer(base).fit(tiny_words.dataset(), tmp_path, round_index=1)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer("go to drawer 1").input_ids == AutoTokenizer.from_pretrained(base)("go to drawer 1").input_ids
    assert model.config.use_cache
    assert not torch.equal(model.lm_head.weight, AutoModelForCausalLM.from_pretrained(base).lm_head.weight)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".safetensors", ".jinja"}


def test_an_adapter_is_loaded_by_plain_peft_and_leaves_the_base_alone(base: Path, tmp_path: Path):
    from peft import PeftModel

    before = bytes_of(base)
    trainer(base, method="lora", lora_rank=4).fit(tiny_words.dataset(), tmp_path, round_index=1)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(tmp_path))
    changed = {name for name, value in model.named_parameters() if "lora_B" in name and value.abs().sum() > 0}
    assert changed
    assert all("q_proj" in name or "v_proj" in name for name in changed)
    assert (tmp_path / "tokenizer.json").exists()
    assert not list(tmp_path.glob("model*"))
    assert bytes_of(base) == before


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(base: Path, tmp_path: Path):
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        trainer(base, seed=seed, method="lora").fit(tiny_words.dataset(), tmp_path / name, round_index=1)
    assert bytes_of(tmp_path / "first") == bytes_of(tmp_path / "again") != bytes_of(tmp_path / "other")
    settings = [(tmp_path / name / "adapter_config.json").read_bytes() for name in ("first", "again")]
    assert settings[0] == settings[1]


def test_training_raises_successes_and_lowers_the_agents_words_in_failures(base: Path, tmp_path: Path):
    metrics = trainer(base, epochs=8).fit(tiny_words.dataset(), tmp_path, round_index=1)
    first, last = metrics["epochs"][0], metrics["epochs"][-1]
    assert last["success_nll"] < first["success_nll"] - 0.5
    assert last["failed_agent_nll"] > first["failed_agent_nll"] + 0.5


def test_round_0_trains_for_its_own_number_of_epochs(base: Path, tmp_path: Path):
    assert len(trainer(base).fit(tiny_words.dataset(), tmp_path / "0", round_index=0)["epochs"]) == 4
    assert len(trainer(base).fit(tiny_words.dataset(), tmp_path / "1", round_index=1)["epochs"]) == 3


def test_half_an_epoch_is_half_of_its_steps(base: Path, tmp_path: Path):
    whole = trainer(base, epochs=1, batch_tokens=100).fit(tiny_words.dataset(), tmp_path / "whole", round_index=1)
    more = trainer(base, epochs=1.5, batch_tokens=100).fit(tiny_words.dataset(), tmp_path / "more", round_index=1)
    assert more["num_steps"] == whole["num_steps"] + round(whole["num_steps"] / 2)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_result_is_the_mean_of_the_checkpoints_of_the_whole_run(base: Path, tmp_path: Path, method: str):
    """At a constant rate, runs of 1, 2 and 3 epochs are beginnings of one another. LoRA: mean of A, mean of B."""
    constant = {"method": method, "schedule": "constant", "warmup_share": 0.0}
    checkpoints = []
    for epochs in (1, 2, 3):
        out = tmp_path / f"last-{epochs}"
        trainer(base, **constant, epochs=epochs, average="last").fit(tiny_words.dataset(), out, round_index=1)
        checkpoints.append(weights_of(out))
    metrics = trainer(base, **constant, epochs=3).fit(tiny_words.dataset(), tmp_path / "all", round_index=1)
    averaged = weights_of(tmp_path / "all")
    assert metrics["num_averaged"] == 3
    for name, value in averaged.items():
        slow = torch.stack([checkpoint[name] for checkpoint in checkpoints]).double().mean(0)
        assert torch.allclose(value.double(), slow, atol=1e-7)
    assert any(not torch.equal(checkpoints[0][name], checkpoints[2][name]) for name in averaged)


def test_checkpoints_may_be_taken_more_often(base: Path, tmp_path: Path):
    metrics = trainer(base, epochs=2, checkpoints_per_epoch=3, batch_tokens=64).fit(tiny_words.dataset(), tmp_path, round_index=1)
    assert metrics["num_averaged"] == 6


def test_training_ends_when_the_nll_of_successes_rises_and_keeps_what_was_before(base: Path, tmp_path: Path):
    """Pushing away everything, successes too, is the surest way to make them worse."""
    hostile = [weighted.__class__(weighted.trajectory, -1.0) for weighted in tiny_words.dataset()]
    watched = trainer(base, epochs=6, max_success_nll_rise=0.1).fit(hostile, tmp_path, round_index=1)
    unwatched = trainer(base, epochs=6).fit(hostile, tmp_path / "unwatched", round_index=1)
    assert watched["stopped_early"]
    assert len(watched["epochs"]) < 6 == len(unwatched["epochs"])
    assert watched["num_averaged"] == len(watched["epochs"]) - 1


def test_metrics_say_what_was_read_and_how(base: Path, tmp_path: Path):
    seen: list[Progress] = []
    fitting = Trainer(base, TrainConfig(**FAST), ObjectiveConfig(), tiny_words.render, device="cpu", progress=seen.append)
    metrics = fitting.fit(tiny_words.dataset(), tmp_path, round_index=1)
    assert json.loads(json.dumps(metrics)) == metrics
    assert (metrics["num_rows"], metrics["failed_rows"], metrics["num_cut_rows"]) == (16, 4, 0)
    tokens = [fitting.count_tokens(weighted.trajectory) for weighted in tiny_words.dataset()]
    assert metrics["trained_tokens"] == sum(tokens)
    assert metrics["failed_trained_tokens"] == sum(tokens[12:])
    assert 0 <= metrics["padding_share"] < 0.2
    assert [progress.step for progress in seen] == list(range(1, metrics["num_steps"] + 1))
    assert seen[-1].eta_s == 0
    assert {progress.epoch for progress in seen} == {0, 1, 2}


def test_a_finished_fit_is_not_done_again(base: Path, tmp_path: Path):
    seen: list[Progress] = []
    first = trainer(base).fit(tiny_words.dataset(), tmp_path, round_index=1)
    again = Trainer(base, TrainConfig(**FAST), ObjectiveConfig(), tiny_words.render, device="cpu", progress=seen.append)
    assert again.fit(tiny_words.dataset(), tmp_path, round_index=1) == first
    assert not seen
    assert not (tmp_path / "resume").exists()


def test_other_data_into_the_same_folder_is_trained_anew(base: Path, tmp_path: Path):
    trainer(base).fit(tiny_words.dataset(), tmp_path, round_index=1)
    before = bytes_of(tmp_path)
    trainer(base).fit(tiny_words.dataset()[:8], tmp_path, round_index=1)
    assert bytes_of(tmp_path) != before


def test_rows_longer_than_the_context_are_cut_and_counted(tmp_path: Path):
    base = tiny_words.save_base(tmp_path / "base", max_position_embeddings=32)
    metrics = trainer(base, epochs=1).fit(tiny_words.dataset(), tmp_path / "out", round_index=1)
    assert metrics["num_cut_rows"] == 10
    assert metrics["row_tokens"] <= 16 * 32


def test_gradient_checkpointing_changes_memory_and_not_the_result(base: Path, tmp_path: Path):
    for name, checkpointing in (("plain", False), ("checkpointed", True)):
        trainer(base, epochs=1, gradient_checkpointing=checkpointing).fit(tiny_words.dataset(), tmp_path / name, round_index=1)
    plain, checkpointed = weights_of(tmp_path / "plain"), weights_of(tmp_path / "checkpointed")
    assert all(torch.allclose(plain[name], checkpointed[name], atol=1e-6) for name in plain)


def test_bfloat16_products_train_float32_weights(base: Path, tmp_path: Path):
    metrics = trainer(base, dtype="bfloat16").fit(tiny_words.dataset(), tmp_path, round_index=1)
    assert metrics["autocast"] == "bfloat16"
    assert {value.dtype for value in weights_of(tmp_path).values()} == {torch.float32}
    assert metrics["epochs"][-1]["success_nll"] < metrics["epochs"][0]["success_nll"]


@pytest.mark.parametrize("name", ["sft", "asymre", "topr", "dpo", "kto"])
def test_every_objective_trains(base: Path, tmp_path: Path, name: str):
    metrics = trainer(base, objective={"name": name}, epochs=4).fit(tiny_words.dataset(), tmp_path, round_index=1)
    first, last = metrics["epochs"][0], metrics["epochs"][-1]
    assert last["success_nll"] < first["success_nll"]
    if name != "sft":
        assert last["failed_agent_nll"] - last["success_agent_nll"] > first["failed_agent_nll"] - first["success_agent_nll"]


def test_without_successes_there_is_nothing_to_train_on(base: Path, tmp_path: Path):
    with pytest.raises(NothingToTrainError, match="at least one success"):
        trainer(base, objective={"name": "sft"}).fit(tiny_words.dataset()[12:], tmp_path, round_index=1)
    with pytest.raises(NothingToTrainError):
        trainer(base).fit([], tmp_path, round_index=1)


def test_a_loss_that_blows_up_says_what_to_try(base: Path, tmp_path: Path):
    nan = trainer(base, lr=1.0, weight_decay=1e30, warmup_share=0.0, max_grad_norm=1e30)
    with pytest.raises(ModelError, match=r"failed_floor"):
        nan.fit(tiny_words.dataset(), tmp_path, round_index=1)


def test_a_folder_without_a_model_is_refused(tmp_path: Path):
    with pytest.raises(MissingDataError, match="no such folder"):
        trainer(tmp_path / "nowhere").fit(tiny_words.dataset(), tmp_path / "out", round_index=1)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingDataError, match=r"no config\.json"):
        trainer(tmp_path / "empty").fit(tiny_words.dataset(), tmp_path / "out", round_index=1)


def test_pickled_weights_are_refused(base: Path, tmp_path: Path):
    model = AutoModelForCausalLM.from_pretrained(base)
    tiny_words.save_tokenizer(tmp_path / "pickled")
    model.config.save_pretrained(tmp_path / "pickled")
    torch.save(model.state_dict(), tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickles"):
        trainer(tmp_path / "pickled").fit(tiny_words.dataset(), tmp_path / "out", round_index=1)


def test_lora_modules_that_a_model_lacks_are_named_beside_those_it_has(base: Path, tmp_path: Path):
    with pytest.raises(RecipeError, match=r"no query.*q_proj"):
        trainer(base, method="lora", lora_modules=("query",)).fit(tiny_words.dataset(), tmp_path, round_index=1)


def test_a_device_that_is_not_there_is_refused(base: Path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(RecipeError, match="sees no CUDA device"):
        Trainer(base, TrainConfig(), ObjectiveConfig(), tiny_words.render, device="cuda")


def test_what_is_missing_here_is_said_before_training_starts(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda _name: None)
    heard: list[str] = []
    fitting = trainer(base, method="qlora", optimizer="paged_adamw_32bit", announce=heard.append)
    metrics = fitting.fit(tiny_words.dataset(), tmp_path, round_index=1)
    assert any("bitsandbytes" in note and "LoRA" in note for note in heard)
    assert any("paged" in note and "AdamW" in note for note in heard)
    assert (metrics["method"], metrics["optimizer"], metrics["notes"]) == ("lora", "adamw", heard)
