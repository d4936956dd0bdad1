"""The household loop in small, policy, ActRe and bootstrap all behind one real server over HTTP, LoRA trained and hot-swapped:
killed and resumed, or behind a network that fails a third of the calls, it ends with the very same records and weights.
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from faulty_proxy import FAULTS, faulty_proxy
from openai_server import small_server
from small_adapters import BASE

from a3t.cli.assemble import closing_afterwards, open_run, reopen_run
from a3t.cli.console import PlainProgress
from a3t.config import Recipe, parse_recipe
from a3t.errors import ModelError, RecipeError
from a3t.loop import run_loop
from a3t.models.remote import Serve
from a3t.serving.child import Child
from a3t.store import Store
from a3t.types import Stage
from few_games import FEW_GAMES

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def recipe(policy: dict, **changes) -> Recipe:
    return parse_recipe(
        {
            "name": "over-http",
            "num_threads": 1,
            "num_rounds": 2,
            "environment": FEW_GAMES,
            "policy": policy,
            "agent": {"max_turns": 14, "max_tokens": 30},
            "annotator": {"max_tokens": 30},
            "explore": {"num_compositions": 1, "min_compositions": 1, "temperature": 1.0},
            "evaluate": {"batch_size": 4},
            "train": {"method": "lora", "epochs_first": 6, "epochs": 3, "lr": 1e-2, "batch_tokens": 1024, "dtype": "float32"},
            **changes,
        }
    )


def behind(url: str, key_file: os.PathLike, **options) -> dict:
    told = {"urls": [url], "model": "base", "key_file": str(key_file), "token_ids": True, "seed": True, **options}
    return {"kind": "openai", "path": "builtin:tiny", "options": told}


@dataclass
class Ended:
    digest: str
    weights: list[bytes]
    servers: dict
    told: str
    num_explored: int


def to_the_end(parts, capsys) -> Ended:
    with parts.store as store, closing_afterwards(parts.close):
        run_loop(parts)
        rounds = store.rounds()
        weights = [(parts.folder / one.checkpoint / "adapter_model.safetensors").read_bytes() for one in rounds]
        explored = store.count(stages=(Stage.EXPLORE,))
        return Ended(store.digest(), weights, dict(rounds[-1].metrics["servers"]), capsys.readouterr().out, explored)


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    """The real server, a process of its own."""
    folder = tmp_path_factory.mktemp("server")
    child = Child(Serve(), BASE, "base", folder / "local.log")
    child.start()
    (folder / "key").touch(mode=0o600)
    (folder / "key").write_text(child.key.reveal())
    child.key_file = folder / "key"
    yield child
    child.stop()


@pytest.fixture(scope="module")
def whole(child, tmp_path_factory):
    """The run that nothing happened to, and its calls."""

    class Nothing:
        @staticmethod
        def readouterr():
            return type("Told", (), {"out": ""})

    with faulty_proxy(child.url, share=0.0) as proxy:
        run = recipe(behind(proxy.url, child.key_file))
        ended = to_the_end(open_run(run, tmp_path_factory.mktemp("whole"), PlainProgress()), Nothing)
        return ended, proxy.num_calls


def test_every_part_of_the_loop_speaks_http_and_an_adapter_is_swapped_in_each_round(whole, child):
    ended, num_calls = whole
    assert ended.num_explored > 0, "something failed, was composed on and explained"
    spent = ended.servers["base"]
    assert 0 < spent["num_calls"] <= num_calls
    assert spent["num_failed"] == 0
    assert spent["prompt_tokens"] > 1000 and spent["completion_tokens"] > 100
    log = child.log.read_text()
    assert log.count("load_lora_adapter") >= 4
    assert child.key.reveal() not in log
    assert len(set(ended.weights)) == 2


def test_a_run_that_was_killed_and_resumed_equals_the_one_that_was_not(whole, child, tmp_path, capsys):
    """Killed with -9 in round 1, after the first adapter had been swapped in."""
    ended, num_calls = whole
    run = recipe(behind(child.url, child.key_file))
    (tmp_path / "recipe.toml").write_text(run.to_toml())
    folder = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-m", "a3t", "run", str(tmp_path / "recipe.toml"), "--out", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    while process.poll() is None and not _has_begun_round_1(folder):
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL, process.stderr.read().decode()
    resumed = to_the_end(reopen_run(folder, PlainProgress()), capsys)
    assert resumed.digest == ended.digest
    assert resumed.weights == ended.weights
    assert resumed.servers["base"]["num_remembered"] > 0
    assert resumed.servers["base"]["num_calls"] <= num_calls + 60, "nothing is paid twice but what was on its way, and probes"
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not any(child.key.reveal().encode() in text for text in texts), "the key is nowhere"


def _has_begun_round_1(folder) -> bool:
    if not (folder / "rounds" / "00" / "metrics.json").exists():
        return False
    with Store.open(folder, read_only=True) as store:
        return store.count(rounds=(1,)) > 0


def test_behind_a_network_that_fails_a_third_of_the_calls_the_data_set_is_byte_identical(whole, child, tmp_path, capsys):
    ended, num_calls = whole
    with faulty_proxy(child.url, seed=1) as proxy:
        policy = behind(proxy.url, child.key_file, timeout_s=10.0, retry_base_s=0.05, max_attempts=30)
        faulty = to_the_end(open_run(recipe(policy), tmp_path / "run", PlainProgress()), capsys)
    assert set(proxy.seen) == set(FAULTS), "every kind of fault was met"
    assert len(proxy.seen) > 0.2 * proxy.num_calls
    assert faulty.digest == ended.digest
    assert faulty.weights == ended.weights
    assert num_calls < proxy.num_calls <= 2 * num_calls
    print(f"\n{num_calls} calls without faults; {proxy.num_calls} with {len(proxy.seen)} of them failing")


def test_parts_may_live_apart_a_policy_here_a_bootstrap_there_an_annotator_somewhere_else(child, tmp_path, capsys):
    """The policy trained whole in this process, round 0 played by the served base, reasons by a chat model that has no scores."""
    with small_server(key="another-key", repeats_cue=True) as chat:
        (tmp_path / "key").touch(mode=0o600)
        (tmp_path / "key").write_text("another-key")
        prices = {"input": 1000.0, "output": 2000.0}
        options = {"urls": [chat.url], "model": "small", "api": "chat", "key_file": str(tmp_path / "key"), "prices": prices}
        mixed = recipe(
            {"path": "builtin:tiny"},
            bootstrap={"model": behind(child.url, child.key_file)},
            annotator={"model": {"kind": "openai", "path": "small", "options": options}, "max_tokens": 10},
            train={"method": "full", "epochs_first": 1, "epochs": 1, "lr": 1e-4, "batch_tokens": 2048},
        )
        parts = open_run(mixed, tmp_path / "run", PlainProgress())
        told = capsys.readouterr().out
        assert "token ids: yes" in told and "scoring: no" in told and "another-key" not in told
        with parts.store as store, closing_afterwards(parts.close):
            run_loop(parts)
            explained = [t for t in store.trajectories(stages=(Stage.EXPLORE,)) if t.annotator]
            servers = store.rounds()[-1].metrics["servers"]
            stages = store.rounds()[-1].metrics["cost"]
        assert {t.annotator for t in explained} == {"small"}
        assert set(servers) == {"base", "small"}
        assert servers["small"]["usd"] >= sum(t.cost.usd for t in explained) > 0, "what an explanation cost is in its record"
        assert stages["explore"]["usd"] > 0


def test_what_cannot_work_is_said_before_anything_is_begun(child, tmp_path):
    served = behind(child.url, child.key_file)
    for changed, says in (
        ({"policy": served, "train": {"method": "full"}}, "a server is brought an adapter, not whole weights"),
        ({"policy": {**served, "path": "gpt-4o"}}, "is no folder with weights"),
    ):
        with pytest.raises((RecipeError, ModelError), match=says):
            open_run(recipe(**changed), tmp_path / "run", PlainProgress())
        assert not (tmp_path / "run").exists()
    nobody = behind("http://127.0.0.1:9/v1", child.key_file, patience_s=0.1)
    with pytest.raises(ModelError, match=r"no answer from http://127\.0\.0\.1:9/v1"):
        open_run(recipe(nobody), tmp_path / "run", PlainProgress())
    parts = open_run(recipe(served), tmp_path / "run", PlainProgress())
    parts.close()
    parts.store.close()


def test_a_run_whose_own_server_is_killed_in_round_1_ends_with_the_same_records(whole, tmp_path, capsys):
    """`options.serve`: the server is started with the run, started again with the adapter it had, and ended with the run."""
    ended, _num_calls = whole
    own = recipe({"kind": "openai", "path": "builtin:tiny", "options": {"serve": {"engine": "local"}}})
    folder = tmp_path / "run"
    killed: list[int] = []

    def kill_once() -> None:
        while not _has_begun_round_1(folder):
            time.sleep(0.02)
        killed.append(_processes(folder)[-1])
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_once, daemon=True)
    killer.start()
    mine = to_the_end(open_run(own, folder, PlainProgress()), capsys)
    assert killed
    assert mine.digest == ended.digest
    assert mine.weights == ended.weights
    assert "The server (local) is started again: it ended with status 137" in mine.told
    first, second = _processes(folder)
    assert first == killed[0]
    assert not Path(f"/proc/{second}").exists(), "ended with the run"
    log = folder / "servers" / "local-0.log"
    assert log.stat().st_mode & 0o077 == 0, "what a server prints is for its owner's eyes"


def _processes(folder) -> list[int]:
    log = folder / "servers" / "local-0.log"
    return [int(number) for number in re.findall(r"^serving .* process (\d+)$", log.read_text(), re.MULTILINE)]
