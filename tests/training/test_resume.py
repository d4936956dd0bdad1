"""A run that was killed, interrupted or ran out of disk ends in the very bytes of one that was not."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import killed
import peft  # noqa: F401  (imported once here, not in every child)
import pytest
import tiny_words
import torch

from a3t.cli.console import StopRequest
from a3t.config import ObjectiveConfig, TrainConfig
from a3t.errors import DiskFullError, Interrupted
from a3t.training import files
from a3t.training.run import Progress
from a3t.training.trainer import Trainer

SCRIPT = Path(__file__).with_name("killed.py")


def run(base: Path, out: Path, method: str, when: str) -> int:
    """The exit code; negative for a signal. `killed.py` may itself be killed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        killed.main(base, out, method, when)
        code = 0
    except Interrupted:
        code = 130
    finally:
        os._exit(code)


def digest(folder: Path) -> str:
    (path,) = folder.glob("*.safetensors")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def dropping_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with dropout, so that chance takes part in every step."""
    return tiny_words.save_base(tmp_path_factory.mktemp("dropping"), attention_dropout=0.2)


@pytest.fixture(scope="module")
def uninterrupted(dropping_base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folders = {method: tmp_path_factory.mktemp("whole") for method in ("full", "lora")}
    for method, folder in folders.items():
        assert run(dropping_base, folder, method, "never") == 0
    return {method: digest(folder) for method, folder in folders.items()}


@pytest.mark.parametrize(
    ("method", "when"),
    [
        *(("full", when) for when in ("step:1", "step:8", "saved:5", "saving:1", "saving:9", "writing")),
        *(("lora", when) for when in ("step:8", "saving:9", "writing")),
    ],
)
def test_killed_anywhere_the_final_weights_are_bit_identical(dropping_base, tmp_path, uninterrupted, method, when):
    assert run(dropping_base, tmp_path, method, when) == -signal.SIGKILL
    assert not (tmp_path / files.MARKER).exists()
    assert run(dropping_base, tmp_path, method, "never") == 0
    assert digest(tmp_path) == uninterrupted[method]
    assert files.is_sealed(tmp_path)


def test_killed_again_and_again(dropping_base, tmp_path, uninterrupted):
    for when in ("saving:2", "step:4", "saved:6", "saving:11"):
        assert run(dropping_base, tmp_path, "full", when) == -signal.SIGKILL
    assert run(dropping_base, tmp_path, "full", "never") == 0
    assert digest(tmp_path) == uninterrupted["full"]


def test_ctrl_c_finishes_the_step_saves_and_goes_on_later(dropping_base, tmp_path, uninterrupted):
    assert run(dropping_base, tmp_path, "full", "interrupt:4") == 130
    assert [path.name for path in (tmp_path / "resume").glob("step-*")] == ["step-00000004"]
    assert run(dropping_base, tmp_path, "full", "never") == 0
    assert digest(tmp_path) == uninterrupted["full"]


def test_in_a_process_of_its_own_too(dropping_base, tmp_path, uninterrupted):
    """Nothing was inherited that made the runs above agree."""
    command = [sys.executable, str(SCRIPT), str(dropping_base), str(tmp_path), "full"]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parent), "PYTHONHASHSEED": "1"}
    assert subprocess.run([*command, "step:7"], env=environment, check=False, capture_output=True).returncode == -signal.SIGKILL
    subprocess.run([*command, "never"], env=environment, check=True, capture_output=True)
    assert digest(tmp_path) == uninterrupted["full"]


def fitting(base: Path, progress=None, should_stop=lambda: False, **train) -> Trainer:
    config = TrainConfig(lr=3e-3, epochs=3, batch_tokens=128, dtype="float32", save_every_s=1e-9, **train)
    return Trainer(base, config, ObjectiveConfig(), tiny_words.render, device="cpu", progress=progress, should_stop=should_stop)


def stop_at(number: int):
    def progress(now: Progress) -> None:
        if now.step == number:
            os.kill(os.getpid(), signal.SIGINT)

    return progress


def test_the_message_says_where_it_stopped_and_how_to_go_on(base: Path, tmp_path: Path):
    before = signal.getsignal(signal.SIGINT)  # a job in the background may ignore it
    # A clause: the command adds what to type.
    with pytest.raises(Interrupted, match=r"after step 3 of \d+; its state is kept in [^\n]* the same again goes on[^\n]*\w$"):
        fitting(base, stop_at(3)).fit(tiny_words.dataset(), tmp_path, round_index=1)
    assert signal.getsignal(signal.SIGINT) is before


def test_who_listened_before_training_answers_the_first_ctrl_c(base: Path, tmp_path: Path, capsys):
    stop = StopRequest()
    with stop.listening(), pytest.raises(Interrupted, match="after step 3"):
        fitting(base, stop_at(3)).fit(tiny_words.dataset(), tmp_path, round_index=1)
    assert stop()
    assert "Ctrl-C again stops at once" in capsys.readouterr().err


def test_the_second_ctrl_c_stops_training_at_once(base: Path, tmp_path: Path):
    def twice(now: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with StopRequest().listening(), pytest.raises(KeyboardInterrupt):
        fitting(base, twice).fit(tiny_words.dataset(), tmp_path, round_index=1)


def test_who_asked_before_training_began_is_heard_after_its_first_step(base: Path, tmp_path: Path):
    """Reading the data and loading the base take minutes on large ones."""
    trainer = fitting(base, should_stop=lambda: True)
    with pytest.raises(Interrupted, match="after step 1 "):
        trainer.fit(tiny_words.dataset(), tmp_path, round_index=1)


def test_a_damaged_state_is_not_gone_on_from(base: Path, tmp_path: Path):
    fitting(base).fit(tiny_words.dataset(), tmp_path / "whole", round_index=1)
    with pytest.raises(Interrupted):
        fitting(base, stop_at(3)).fit(tiny_words.dataset(), tmp_path / "out", round_index=1)
    state = tmp_path / "out" / "resume" / "step-00000003" / "state.safetensors"
    damaged = bytearray(state.read_bytes())
    damaged[-100] ^= 1
    state.write_bytes(damaged)
    metrics = fitting(base).fit(tiny_words.dataset(), tmp_path / "out", round_index=1)
    assert metrics["resumed_at_step"] == 0
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")


def test_a_state_of_other_settings_is_not_gone_on_from(base: Path, tmp_path: Path):
    with pytest.raises(Interrupted):
        fitting(base, stop_at(3)).fit(tiny_words.dataset(), tmp_path, round_index=1)
    assert fitting(base, weight_decay=0.1).fit(tiny_words.dataset(), tmp_path, round_index=1)["resumed_at_step"] == 0


def test_a_resumed_run_has_the_curves_of_an_uninterrupted_one(base: Path, tmp_path: Path):
    whole = fitting(base).fit(tiny_words.dataset(), tmp_path / "whole", round_index=1)
    with pytest.raises(Interrupted):
        fitting(base, stop_at(7)).fit(tiny_words.dataset(), tmp_path / "out", round_index=1)
    resumed = fitting(base).fit(tiny_words.dataset(), tmp_path / "out", round_index=1)
    assert resumed["resumed_at_step"] == 7
    timing = {"seconds", "tokens_per_s"}
    for one, other in zip(whole["epochs"], resumed["epochs"], strict=True):
        assert {k: v for k, v in one.items() if k not in timing} == {k: v for k, v in other.items() if k not in timing}


def test_a_full_disk_is_one_clear_error_and_the_state_before_it_is_intact(base: Path, tmp_path: Path):
    """The kernel refuses files above a limit, as it would above a quota; the limit falls at step 5."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def progress(now: Progress) -> None:
        if now.step == 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))

    try:
        with pytest.raises(DiskFullError, match="saved before this one is intact"):
            fitting(base, progress).fit(tiny_words.dataset(), tmp_path / "out", round_index=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert [path.name for path in (tmp_path / "out" / "resume").iterdir()] == ["step-00000004"]
    assert fitting(base).fit(tiny_words.dataset(), tmp_path / "out", round_index=1)["resumed_at_step"] == 4
    fitting(base).fit(tiny_words.dataset(), tmp_path / "whole", round_index=1)
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")


def test_a_file_that_is_not_all_there_is_no_state(tmp_path: Path):
    files.write_folder(tmp_path / "state", {"w": torch.ones(3)}, {"step": 1})
    tensors, record = files.read_folder(tmp_path / "state") or ({}, {})
    assert (tensors["w"].tolist(), record) == ([1, 1, 1], {"step": 1})
    for name in ("state.json", "state.safetensors", files.MARKER):
        files.write_folder(tmp_path / name, {"w": torch.ones(3)}, {"step": 1})
        (tmp_path / name / name).unlink()
        assert files.read_folder(tmp_path / name) is None
