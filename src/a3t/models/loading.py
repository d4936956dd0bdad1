"""From a folder to a model and its tokenizer: only safetensors; nothing is downloaded or unpickled, no foreign code is run."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import torch

from a3t.errors import ModelError, missing_extra
from a3t.models import check_folder
from a3t.quiet import quiet


def load_folder(
    path: Path, *, device: str = "auto", dtype: str = "auto", quantization: str = "none", adapter: Path | str | None = None
) -> tuple[Any, Any]:
    """A causal LM in evaluation mode on its device, and its tokenizer.

    Where `path` itself is an adapter's folder, its base is the folder that `base_model_name_or_path` in it names.

    Args:
        device: `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:1` …
        dtype: `auto` (float32 on a CPU, where it decodes faster; bfloat16 on a GPU), `float32` or `bfloat16`.
        quantization: `none` or `nf4` (bitsandbytes, without double quantisation).
        adapter: folder of a PEFT adapter. In float32 it is merged into the weights; otherwise it stays beside them, since
            merging would round.

    Raises:
        ModelError, MissingExtraError.
    """
    if (path / "adapter_config.json").is_file() and not (path / "config.json").is_file() and adapter is None:
        path, adapter = _base_of(path), path
    check_folder(path)
    place, kind = pick_device(device), _dtype(dtype, device)
    options: dict[str, Any] = {"dtype": kind}
    if quantization == "nf4":
        if importlib.util.find_spec("bitsandbytes") is None:
            raise missing_extra("nf4 quantization", "bitsandbytes", "qlora")
        from transformers import BitsAndBytesConfig

        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=False, bnb_4bit_compute_dtype=kind
        )
        options["device_map"] = {"": place}
    elif quantization != "none":
        raise ModelError(f"unknown quantization {quantization!r}: expected 'none' or 'nf4'.")
    model = _load_model(path, options)
    if quantization == "none":
        model = model.to(place)
    if adapter is not None:
        model = _add_adapter(model, Path(adapter), merge=quantization == "none" and kind == torch.float32)
    return model.eval(), load_tokenizer(path)


def load_tokenizer(path: Path) -> Any:
    """The tokenizer of a folder. Raises `ModelError` where there is none."""
    from transformers import AutoTokenizer

    if not any((path / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")):
        raise ModelError(f"{path} has no tokenizer: expected tokenizer.json (and tokenizer_config.json) beside the weights.")
    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(f"cannot read the tokenizer in {path}: {_first_line(error)}") from error


def context_limit(model: Any, wanted: int | None) -> int:
    """Tokens that fit: what is wanted, or the model's own limit. Raises `ModelError` where more is wanted than it has."""
    config = model.config.get_text_config()
    own = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
    if wanted is None:
        return int(own or 4096)
    if own and wanted > own:
        raise ModelError(f"max_context = {wanted}, but the model was made for {own} tokens. Leave it out or lower it.")
    return wanted


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Ids that end a completion: the tokenizer's end of sequence, and those of the model's generation settings."""
    settings = getattr(model, "generation_config", None)
    listed = getattr(settings, "eos_token_id", None)
    ids = list(listed) if isinstance(listed, list | tuple) else [listed]
    return frozenset(i for i in [*ids, tokenizer.eos_token_id] if i is not None)


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """Sixteen hex digits that change with the vocabulary, the merges or the special tokens: ids of one are not another's."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content = backend.to_str() if backend is not None else json.dumps(sorted(tokenizer.get_vocab().items()))
    special = json.dumps([tokenizer.bos_token_id, tokenizer.eos_token_id])
    return hashlib.sha256(f"{content}\n{special}".encode()).hexdigest()[:16]


def _load_model(path: Path, options: dict[str, Any]) -> Any:
    from transformers import AutoModelForCausalLM

    try:
        with quiet():
            model, report = AutoModelForCausalLM.from_pretrained(
                path, local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True, **options
            )
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{path} does not fit into the device's memory. Try quantization=nf4, or device=cpu.") from error
    except Exception as error:  # safetensors, json, OSError, KeyError: whatever a broken folder provokes
        raise ModelError(f"cannot load the model in {path}: {_first_line(error)}") from error
    missing = sorted(map(str, report["missing_keys"]))
    if missing:
        raise ModelError(f"the weights in {path} are incomplete: {len(missing)} tensors are missing, {missing[0]!r} among them.")
    return model


def _add_adapter(model: Any, path: Path, *, merge: bool) -> Any:
    from peft import PeftModel

    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if not (path / name).is_file():
            raise ModelError(f"{path} is not an adapter's folder: it has no {name}.")
    try:
        with quiet():
            adapted = PeftModel.from_pretrained(model, str(path), local_files_only=True)
    except Exception as error:
        raise ModelError(f"cannot put the adapter in {path} on its base: {_first_line(error)}") from error
    return adapted.merge_and_unload() if merge else adapted


def _base_of(adapter: Path) -> Path:
    try:
        name = json.loads((adapter / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"cannot read {adapter / 'adapter_config.json'}: {_first_line(error)}") from error
    if not name or not Path(name).is_dir():
        raise ModelError(f"{adapter} is an adapter of {name!r}, which is no folder here. Give its base as path, this as adapter.")
    return Path(name)


def pick_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(name)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"there is no device {name!r} here: {_first_line(error)} Try device=auto.") from error
    return place


def _dtype(name: str, device: str) -> torch.dtype:
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    if name == "auto":
        return torch.bfloat16 if pick_device(device).type == "cuda" else torch.float32
    if name not in kinds:
        raise ModelError(f"unknown dtype {name!r}: expected auto, {' or '.join(kinds)}.")
    return kinds[name]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300] if lines else 'no message'}"
