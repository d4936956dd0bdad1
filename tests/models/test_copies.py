"""A model in two processes against the same model in this one, and what becomes of it when a process is gone."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest
from small_models import some_text

from a3t.config import ModelConfig
from a3t.errors import ModelError
from a3t.models import load
from a3t.models.copies import Copies, workers
from a3t.models.local import LocalModel
from a3t.protocols import ScoringModel
from a3t.types import Completion, Part, Scoring


@pytest.fixture(scope="module")
def config(folder: Path) -> ModelConfig:
    return ModelConfig(path=str(folder), processes=2)


@pytest.fixture(scope="module")
def one(folder: Path) -> LocalModel:
    return LocalModel.load(folder, device="cpu")


def two(config: ModelConfig) -> Copies:
    model = load(config)
    assert isinstance(model, Copies)
    return model


def questions(temperature: float, sessions: bool = True) -> list[Completion]:
    return [
        Completion(some_text(seed, 3 + seed), max_tokens=12, temperature=temperature, seed=seed, session=f"s{seed}" * sessions)
        for seed in range(11)
    ]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("sessions", [True, False])
def test_two_processes_write_what_one_writes_in_the_order_of_the_questions(config, one, temperature, sessions):
    asked = questions(temperature, sessions)
    copies = two(config)
    assert [answer.text for answer in copies.complete(asked)] == [answer.text for answer in one.complete(asked)]
    assert copies.fingerprint == one.fingerprint
    copies.release(question.session for question in asked)


def test_two_processes_score_as_one(config, one):
    asked = [Scoring(some_text(seed, 9), (Part(some_text(seed + 50, 4)),), session=f"t{seed}") for seed in range(7)]
    copies = two(config)
    assert isinstance(copies, ScoringModel)
    for ours, theirs in zip(copies.score(asked), one.score(asked), strict=True):
        assert ours.logprobs == pytest.approx(theirs.logprobs, abs=1e-5)


def test_a_conversation_stays_where_it_began_and_new_ones_go_where_the_fewest_are(config):
    copies = two(config)
    copies.complete([Completion("a", session=name, max_tokens=1) for name in "abcd"])
    assert copies._of == {"a": 0, "b": 1, "c": 0, "d": 1}
    copies.release(["b", "d", "never heard of"])
    copies.complete([Completion("a", session=name, max_tokens=1) for name in "cef"])
    assert copies._of == {"a": 0, "c": 0, "e": 1, "f": 1}


def test_an_error_while_loading_is_the_error_that_one_process_would_raise(tmp_path):
    with pytest.raises(ModelError, match="no-such-folder"):
        load(ModelConfig(path=str(tmp_path / "no-such-folder"), processes=2))


def test_a_process_that_was_killed_is_said_and_the_next_model_has_new_ones(config, one):
    copies = two(config)
    os.kill(copies._workers[1]._process.pid, signal.SIGKILL)
    with pytest.raises(ModelError, match=r"gone \(SIGKILL\)[\s\S]*policy.processes=1"):
        copies.complete(questions(0.0))
    del copies
    asked = questions(0.0)
    assert [answer.text for answer in two(config).complete(asked)] == [answer.text for answer in one.complete(asked)]


def test_a_model_nobody_uses_is_forgotten_by_its_processes(config):
    copies = two(config)
    held_by, key = copies._workers, copies._key
    del copies
    gc.collect()
    held_by[0].send("complete", key, questions(0.0))
    with pytest.raises(ModelError, match="KeyError"):
        raise held_by[0].receive().error()


def test_ctrl_c_is_for_the_program_and_its_processes_end_with_their_line(config):
    copies = two(config)
    process = copies._workers[0]._process
    os.kill(process.pid, signal.SIGINT)
    assert copies.complete([Completion("a", max_tokens=1)])
    for worker in copies._workers:
        worker.end()
    assert process.returncode == 0
    workers.cache_clear()
