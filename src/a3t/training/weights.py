"""The weights that are trained: all of a base model's, or LoRA on top of them, the base whole or in four bits."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from a3t.config import TrainConfig
from a3t.errors import MissingDataError, ModelError, RecipeError
from a3t.quiet import quiet
from a3t.training.files import sha256

LARGE_BYTES = 512 * 2**20
"""Weight files above this are told apart by size and time, not by content."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How this machine trains, and every way in which that is not what the recipe asked for."""

    device: torch.device
    method: str
    optimizer: str
    autocast: torch.dtype | None
    """The dtype of matrix products; None is float32 throughout."""
    notes: tuple[str, ...]
    """What is used instead, and why: said before training starts."""


def available(train: TrainConfig, device: str = "auto") -> Plan:
    """What of the recipe exists on this machine.

    Raises:
        RecipeError: a device that is not there.
    """
    notes = []
    on = _device(device)
    method, optimizer = train.method, train.optimizer
    has_bitsandbytes = importlib.util.find_spec("bitsandbytes") is not None
    if method == "qlora" and not has_bitsandbytes:
        method = "lora"
        notes.append(
            "4-bit weights need bitsandbytes, which is not installed (pip install 'a3t[qlora]'): LoRA on the base as it is"
        )
    if optimizer == "paged_adamw_32bit" and not (has_bitsandbytes and on.type == "cuda"):
        optimizer = "adamw"
        why = "bitsandbytes is not installed" if not has_bitsandbytes else f"paging needs CUDA and this is {on.type}"
        notes.append(f"the paged optimiser is not available ({why}): AdamW with its state in memory, same arithmetic")
    autocast = _autocast(train.dtype, on)
    if train.dtype == "bfloat16" and on.type == "cpu" and not cpu_has_bfloat16():
        notes.append("this CPU has no bfloat16 instructions: bfloat16 is emulated, and slower than float32")
    return Plan(on, method, optimizer, autocast, tuple(notes))


def cpu_has_bfloat16() -> bool:
    """AMX or AVX512-BF16 (x86), or BF16 (ARM): then bfloat16 products are real, and on small models about 1.5 times as fast."""
    # The leading underscore is torch's; where a version lacks the name, float32 is the answer that is always right.
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported", "_is_arm_bf16_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in checks)


def _autocast(dtype: str, device: torch.device) -> torch.dtype | None:
    if dtype == "auto":
        real = torch.cuda.is_bf16_supported() if device.type == "cuda" else cpu_has_bfloat16()
        return torch.bfloat16 if real else None
    return torch.bfloat16 if dtype == "bfloat16" else None


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise RecipeError(f"device {name!r} does not exist: {error}.") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise RecipeError(
            f"device {name!r} was asked for, and torch {torch.__version__} sees no CUDA device. Try: device = 'auto'."
        )
    return device


def load_tokenizer(base: Path) -> Any:
    """Raises `MissingDataError`, `ModelError`."""
    from transformers import AutoTokenizer

    _check_folder(base)
    try:
        return AutoTokenizer.from_pretrained(base, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ModelError(f"the tokenizer in {base} cannot be loaded: {error}") from error


def load_trainable(base: Path, train: TrainConfig, plan: Plan, seed: int) -> Any:
    """The base model in training mode; only what is to be trained requires a gradient, and that is float32.

    Args:
        base: folder with `config.json` and safetensors.
        seed: decides LoRA's first A matrices; its B matrices are 0, so training starts at the base whatever the seed.

    Raises:
        MissingDataError, ModelError: the folder is not a model. RecipeError: LoRA modules that it does not have.
    """
    from transformers import AutoModelForCausalLM

    _check_folder(base)
    # Full training keeps float32 weights under autocast; a frozen base may be kept in the dtype it is computed in.
    dtype = torch.float32 if plan.method == "full" or plan.autocast is None or plan.device.type == "cpu" else plan.autocast
    options: dict[str, Any] = {"dtype": dtype, "local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
    if plan.method == "qlora":
        options |= {"quantization_config": _nf4(plan), "device_map": {"": plan.device}}
    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(base, **options)
    except Exception as error:
        raise ModelError(f"the model in {base} cannot be loaded: {error}") from error
    if plan.method != "qlora":
        model.to(plan.device)
    model.config.use_cache = False
    if train.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    if plan.method != "full":
        model = _with_lora(model, train, seed)
    model.train()
    return model


def trainable(model: Any) -> dict[str, Tensor]:
    """The parameters being trained, by name, tied ones once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


@torch.no_grad()
def assign(model: Any, values: Mapping[str, Tensor]) -> None:
    """Put values into the trained parameters."""
    parameters = trainable(model)
    for name, value in values.items():
        parameters[name].copy_(value)


def save_weights(model: Any, tokenizer: Any, out: Path) -> None:
    """A folder that plain transformers (or PEFT, for LoRA) loads: safetensors, configuration, tokenizer."""
    model.config.use_cache = True
    with quiet():
        model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    # PEFT adds an empty model card, and lists the modules in the order of a set: neither is the same from run to run.
    with contextlib.suppress(FileNotFoundError):
        (out / "README.md").unlink()
    adapter = out / "adapter_config.json"
    if adapter.exists():
        settings = json.loads(adapter.read_text(encoding="utf-8"))
        settings["target_modules"] = sorted(settings["target_modules"])
        adapter.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def context_limit(base: Path) -> int | None:
    """Tokens that the model's positions go up to; None where its configuration does not say."""
    _check_folder(base)
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    limit = config.get("max_position_embeddings") or config.get("n_positions")
    return int(limit) if limit else None


def fingerprint(base: Path) -> str:
    """Tells bases apart: hashes of everything small, size and time of weight files too large to read for that."""
    digest = hashlib.sha256()
    for path in sorted(path for path in base.iterdir() if path.suffix in {".json", ".safetensors", ".model", ".txt"}):
        size = path.stat().st_size
        digest.update(f"{path.name} {size} ".encode())
        digest.update((sha256(path) if size <= LARGE_BYTES else str(path.stat().st_mtime_ns)).encode())
    return digest.hexdigest()


def _check_folder(base: Path) -> None:
    if not (base / "config.json").is_file():
        what = "there is no such folder" if not base.exists() else "it has no config.json"
        raise MissingDataError(
            f"no model at {base}: {what}.\n  Expected config.json, *.safetensors and a tokenizer, as save_pretrained writes."
        )
    if not any(base.glob("*.safetensors")):
        raise ModelError(f"{base} holds no *.safetensors; other weight files are pickles, which a3t does not load.")


def _nf4(plan: Plan) -> Any:
    from transformers import BitsAndBytesConfig

    # The paper's: nf4, no double quantisation.
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=False,
        bnb_4bit_compute_dtype=plan.autocast or torch.float32,
    )


def _with_lora(model: Any, train: TrainConfig, seed: int) -> Any:
    from peft import LoraConfig, get_peft_model

    known = sorted({name.rpartition(".")[2] for name, module in model.named_modules() if hasattr(module, "in_features")})
    missing = sorted(set(train.lora_modules) - set(known))
    if missing:
        raise RecipeError(f"train.lora_modules: {type(model).__name__} has no {', '.join(missing)}; it has {', '.join(known)}.")
    config = LoraConfig(
        r=train.lora_rank,
        lora_alpha=train.lora_alpha,
        target_modules=sorted(train.lora_modules),
        lora_dropout=0.0,
        bias="none",
        task_type="CAUSAL_LM",
    )
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return get_peft_model(model, config)
