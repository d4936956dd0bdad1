"""Tiny models with random weights and a byte-level tokenizer trained here: nothing is downloaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import transformers
from small_models import small_model

CORPUS = [
    "You are in the middle of a room. Looking quickly around you, you see a cabinet 2, a desk 1, and a drawer 3.",
    "Your task is to: put some vase in safe.\n> think: To solve the task I need a vase.\nOK.\n> go to drawer 1\n",
    "The drawer 1 is closed.\n> open drawer 1\nYou open the drawer 1. In it, you see a vase 1.\nNothing happens.\n",
]


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tokenizer():
    """Byte-level BPE with `</s>` as its end and `<|im_end|>` as a special token added later, and no opening."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    raw.train_from_iterator(
        CORPUS * 4, trainers.BpeTrainer(vocab_size=330, special_tokens=["</s>"], initial_alphabet=alphabet, show_progress=False)
    )
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")
    fast.add_special_tokens({"additional_special_tokens": ["<|im_end|>"]})
    return fast


@pytest.fixture(scope="session")
def llama(tokenizer):
    return small_model("llama", len(tokenizer))


@pytest.fixture(scope="session")
def folder(llama, tokenizer, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "llama"
    llama.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
