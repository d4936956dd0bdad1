"""Folders, good and bad: every fault is one clear error, and nothing is ever fetched from the network."""

from __future__ import annotations

import json
import shutil
import socket

import pytest
import torch
from peft import LoraConfig, get_peft_model
from small_models import small_model, some_text

from a3t import models
from a3t.config import ModelConfig
from a3t.errors import MissingExtraError, ModelError, RecipeError, UnknownNameError
from a3t.models.local import LocalModel
from a3t.models.scripted import ScriptedModel
from a3t.types import Completion


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a3t went to the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def copy(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "model")
    return tmp_path / "model"


def make_adapter(folder, out, seed=1):
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(seed)
    adapted = get_peft_model(base, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    adapted.save_pretrained(out)
    return adapted.eval()


def test_a_saved_folder_gives_the_same_answers_as_the_objects(folder, llama, tokenizer):
    requests = [Completion(some_text(i, 9), ("\n",), 10) for i in range(5)]
    loaded = LocalModel.load(folder)
    assert loaded.complete(requests) == LocalModel(llama, tokenizer).complete(requests)
    assert loaded.name == str(folder)
    assert loaded.model.dtype == torch.float32 or loaded.device.type == "cuda"


def test_the_fingerprint_tells_tokenizers_apart(folder, llama, tokenizer, copy):
    assert LocalModel.load(folder).fingerprint == LocalModel(llama, tokenizer).fingerprint
    content = json.loads((copy / "tokenizer.json").read_text())
    content["added_tokens"].append({**content["added_tokens"][-1], "id": len(tokenizer), "content": "<|new|>"})
    (copy / "tokenizer.json").write_text(json.dumps(content))
    model = small_model("llama", len(tokenizer) + 1)
    model.save_pretrained(copy)
    assert LocalModel.load(copy).fingerprint != LocalModel.load(folder).fingerprint


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_an_adapter_lies_on_top_of_its_base(folder, tmp_path, tokenizer, dtype):
    adapted = make_adapter(folder, tmp_path / "adapter")
    local = LocalModel.load(folder, adapter=tmp_path / "adapter", device="cpu", dtype=dtype)
    assert str(local.model.dtype) == f"torch.{dtype}"
    ids = tokenizer.encode(some_text(3, 12), add_special_tokens=False)
    with torch.no_grad():
        expected = adapted(torch.tensor([ids])).logits[0].log_softmax(-1)
        base = LocalModel.load(folder, device="cpu").model(torch.tensor([ids])).logits[0].log_softmax(-1)
        got = local.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    assert (got - expected).abs().max() < (1e-4 if dtype == "float32" else 0.5) < (base - expected).abs().max()


def test_an_adapters_folder_alone_finds_its_base(folder, tmp_path):
    make_adapter(folder, tmp_path / "adapter")
    request = Completion(some_text(3, 12), max_tokens=8)
    whole = LocalModel.load(folder, adapter=tmp_path / "adapter").complete([request])
    assert LocalModel.load(tmp_path / "adapter").complete([request]) == whole
    config = tmp_path / "adapter" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "base_model_name_or_path": "mistralai/Mistral-7B"}))
    with pytest.raises(ModelError, match=r"mistralai/Mistral-7B.*no folder here"):
        LocalModel.load(tmp_path / "adapter")


def test_a_name_of_the_hub_is_not_downloaded():
    with pytest.raises(ModelError, match=r"no model folder at 'mistralai/Mistral-7B'[\s\S]*never downloads[\s\S]*--local-dir"):
        LocalModel.load("mistralai/Mistral-7B")


def test_a_folder_that_is_no_model_says_what_it_holds(tmp_path):
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ModelError, match=r"expected config\.json.*holiday\.jpg"):
        LocalModel.load(tmp_path)


def test_pickled_weights_are_refused(copy):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin, which a3t does not unpickle"):
        LocalModel.load(copy)


def test_a_missing_tokenizer_is_told(copy):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copy / name).unlink()
    with pytest.raises(ModelError, match="has no tokenizer"):
        LocalModel.load(copy)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty"])
def test_broken_weights_are_told(copy, damage):
    weights = copy / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes({"truncated": content[: len(content) // 2], "garbage": b"\xff" * 999, "empty": b""}[damage])
    with pytest.raises(ModelError, match="cannot load the model"):
        LocalModel.load(copy)


def test_weights_that_lack_a_tensor_are_not_filled_up_with_noise(copy):
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"incomplete: 1 tensors? .*up_proj"):
        LocalModel.load(copy)


@pytest.mark.parametrize(
    "config", ["{not json", "[]", "{}", '{"model_type": "no-such-architecture"}', '{"auto_map": {"AutoConfig": "evil.Evil"}}']
)
def test_a_broken_configuration_is_told(copy, config):
    (copy / "config.json").write_text(config)
    (copy / "evil.py").write_text("raise SystemExit('strangers\\' code ran')")
    with pytest.raises(ModelError, match="cannot load the model"):
        LocalModel.load(copy)


def test_a_configuration_of_another_size_is_told(copy):
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 48}))
    with pytest.raises(ModelError, match="cannot load the model"):
        LocalModel.load(copy)


def test_a_broken_tokenizer_is_told(copy):
    (copy / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(ModelError, match="cannot read the tokenizer"):
        LocalModel.load(copy)


def test_an_adapter_that_is_none_is_told(folder, tmp_path):
    with pytest.raises(ModelError, match=r"no adapter_config\.json"):
        LocalModel.load(folder, adapter=tmp_path)
    make_adapter(folder, tmp_path / "a")
    (tmp_path / "a" / "adapter_model.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match="cannot put the adapter"):
        LocalModel.load(folder, adapter=tmp_path / "a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "abacus"}, "no device 'abacus'"),
        ({"device": "cuda:77"}, "no device 'cuda:77'"),
        ({"dtype": "float8"}, "unknown dtype"),
        ({"quantization": "int2"}, "unknown quantization"),
    ],
)
def test_options_that_make_no_sense_are_told(folder, options, message):
    with pytest.raises(ModelError, match=message):
        LocalModel.load(folder, **options)


def test_nf4_without_bitsandbytes_names_the_extra(folder, monkeypatch):
    from a3t.models import loading

    monkeypatch.setattr(loading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"a3t\[qlora\]"):
        LocalModel.load(folder, quantization="nf4")


def test_an_nf4_model_answers_with_packed_batches(tmp_path, tokenizer):
    pytest.importorskip("bitsandbytes")
    model = small_model("llama-wide", len(tokenizer))  # nf4 works on blocks of 64 weights
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    local = LocalModel.load(tmp_path, quantization="nf4", device="cpu", dtype="float32")
    assert any(type(module).__name__ == "Linear4bit" for module in local.model.modules())
    requests = [Completion(some_text(i, 9), max_tokens=6, session=str(i)) for i in range(4)]
    together = local.complete(requests)
    local.clear()
    assert [local.complete([r])[0].tokens.ids for r in requests] == [a.tokens.ids for a in together]


def test_a_recipes_local_model_is_loaded_with_its_options(folder):
    local = models.load(ModelConfig(path=str(folder), max_context=100, options={"max_batch": 3}))
    assert isinstance(local, LocalModel)
    assert (local.max_context, local._engine.max_batch) == (100, 3)


def test_a_checkpoint_replaces_the_weights_or_lies_on_them(folder, tmp_path, tokenizer):
    request = Completion(some_text(3, 12), max_tokens=8)
    config = ModelConfig(path=str(folder))
    make_adapter(folder, tmp_path / "adapter")
    with_adapter = models.load(config, weights=tmp_path / "adapter").complete([request])
    assert with_adapter == LocalModel.load(folder, adapter=tmp_path / "adapter").complete([request])
    torch.manual_seed(99)
    other = small_model("gpt2", len(tokenizer))
    other.save_pretrained(tmp_path / "full")
    tokenizer.save_pretrained(tmp_path / "full")
    replaced = models.load(config, weights=tmp_path / "full").complete([request])[0]
    assert replaced.tokens.ids == LocalModel(other, tokenizer).complete([request])[0].tokens.ids


def test_unknown_kinds_and_options_are_refused_with_the_nearest_known(folder):
    with pytest.raises(UnknownNameError, match="'local'"):
        models.load(ModelConfig(kind="locale"))
    with pytest.raises(RecipeError, match="max_bach"):
        models.load(ModelConfig(path=str(folder), options={"max_bach": 3}))


def test_a_base_of_ours_is_found_or_said_how_to_make(monkeypatch, tmp_path, folder):
    for name in ("tiny", "shop", "craft", "both"):
        monkeypatch.setitem(models.BASES, f"builtin:{name}", tmp_path / name)
        with pytest.raises(ModelError, match=rf"Make it: a3t pretrain \S+\.toml --out runs/{name}, then policy.path="):
            models.load(ModelConfig(path=f"builtin:{name}"))
        assert models.RECIPES[f"builtin:{name}"].is_file()
    with pytest.raises(ModelError, match=r"'builtin:huge'; known are 'builtin:tiny', 'builtin:shop', .*'builtin:both'"):
        models.load(ModelConfig(path="builtin:huge"))
    monkeypatch.setitem(models.BASES, "builtin:tiny", folder)
    assert isinstance(models.load(ModelConfig()), LocalModel)


def test_a_plug_in_is_found_by_its_entry_point(monkeypatch):
    class Entry:
        name = "echo"

        def load(self):
            return lambda config, weights: ScriptedModel(lambda request: f"{config.path} {weights}")

    def entry_points(group, name=None):
        return [Entry()] if group == "a3t.models" and name in (None, "echo") else []

    monkeypatch.setattr(models, "entry_points", entry_points)
    assert {"echo", "local", "scripted"} <= set(models.names())
    assert models.load(ModelConfig(kind="echo", path="p")).complete([Completion("x")])[0].text == "p None"
