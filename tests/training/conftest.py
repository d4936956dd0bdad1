"""One thread: the machine may be shared, and the trainer's bytes depend on how many there are."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny_words
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with random weights."""
    return tiny_words.save_base(tmp_path_factory.mktemp("base"))
