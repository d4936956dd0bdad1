"""Other people's servers on a CPU, over HTTP: what each gives is found, not assumed, and a loop runs on them.

`transformers serve` serves the base that ships; `xllamacpp` (llama.cpp's server) a tiny Llama that is written here. Both are
extras of the tests: `pip install 'a3t[servers]'`. What is seen here stands in docs/servers.md.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from tiny_gguf import write_gguf

from a3t.cli.assemble import closing_afterwards, open_run
from a3t.cli.console import PlainProgress
from a3t.config import parse_recipe
from a3t.errors import ModelError
from a3t.loop import run_loop
from a3t.models import folder
from a3t.models.remote import Key, RemoteModel, Settings
from a3t.protocols import ScoringModel
from a3t.types import Completion, Stage
from few_games import FEW_GAMES

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

BASE = folder("builtin:tiny")
ROOM = "You are in the middle of a room. Looking quickly around you, you see a desk 1, and a"


def need(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: pip install 'a3t[servers]'")


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """llama.cpp's server in this process, behind a key."""
    need("xllamacpp", "gguf")
    import xllamacpp

    at = tmp_path_factory.mktemp("llama")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(write_gguf(at / "tiny.gguf"))
    settings.hostnames, settings.port, settings.api_keys = ["127.0.0.1"], 0, ["llama-key"]
    settings.n_ctx, settings.n_parallel, settings.cpuparams.n_threads = 8192, 4, 1
    server = xllamacpp.Server(settings)
    (at / "key").touch(mode=0o600)
    (at / "key").write_text("llama-key")
    yield f"{server.listening_address}/v1", at / "key"
    del server


@pytest.fixture(scope="module")
def transformers(tmp_path_factory):
    """`transformers serve`, a process of its own."""
    need("fastapi", "uvicorn", "openai")
    command = shutil.which("transformers", path=str(Path(sys.executable).parent))
    if command is None:
        pytest.skip("needs the command `transformers`")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    log = tmp_path_factory.mktemp("transformers") / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [command, "serve", str(BASE), "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"],
            stdout=out,
            stderr=out,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )
    while not _is_well(port):
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}/v1"
    process.terminate()
    process.wait()


def _is_well(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=10.0).status_code == 200
    except httpx.HTTPError:
        return False


def test_what_llama_cpp_gives(llama):
    url, _key_file = llama
    model = RemoteModel(Settings(urls=(url,), model="tiny"), Key("llama-key"))
    found = model.capabilities
    assert (found.usage, found.logprobs, found.seed, found.several) == (True, True, True, True)
    assert (found.token_ids, found.prompt_ids, found.echo) == (False, False, False)
    assert not isinstance(model, ScoringModel)
    requests = [Completion(ROOM, ("U", "\n"), 12, (i % 2) * 1.0, seed=i, session=f"s{i}") for i in range(8)]
    answers = model.complete(requests)
    assert all(answer.finish in ("stop", "length") and "U" not in answer.text for answer in answers)
    assert all(0 < answer.num_completion_tokens <= 12 and answer.num_prompt_tokens > 60 for answer in answers)
    assert [a.text for a in model.complete(requests[::-1])][::-1] == [a.text for a in answers]
    [long] = model.complete([Completion("a " * 6000, max_tokens=4)])
    assert long.finish == "context", "each server says in its own words that a prompt is too long"
    model.close()


def test_llama_cpp_turns_a_wrong_key_away_and_is_not_told_the_right_one(llama):
    url, _key_file = llama
    with pytest.raises(ModelError, match="Is the key right") as caught:
        RemoteModel(Settings(urls=(url,), model="tiny"), Key("wrong-wrong-key"))
    assert "wrong-wrong" not in str(caught.value)


def test_what_transformers_serve_gives(transformers):
    model = RemoteModel(Settings(urls=(transformers,), model=str(BASE)))
    found = model.capabilities
    assert found.usage
    assert found.seed is None, "its draws are all alike: this model's generation_config.json does not say do_sample"
    assert (found.logprobs, found.token_ids, found.prompt_ids, found.several, found.echo) == (False,) * 5
    [answer] = model.complete([Completion(ROOM, ("\n",), 12)])
    assert answer.text.strip(), "it goes on with the room"
    assert answer.num_completion_tokens > 0 and answer.tokens is None
    model.close()


@pytest.mark.parametrize("option", ["logprobs", "token_ids"])
def test_what_transformers_serve_lacks_is_refused_where_the_recipe_insists(transformers, option):
    with pytest.raises(ModelError, match=rf"options\.{option} cannot be had"):
        RemoteModel(Settings(urls=(transformers,), model=str(BASE), **{option: True}))


def test_a_loop_with_its_bootstrap_and_its_annotator_on_two_real_servers(transformers, llama, tmp_path, capsys):
    """Round 0 is played by the shipped base behind `transformers serve`; llama.cpp explains; the policy is trained here."""
    url, key_file = llama
    recipe = parse_recipe(
        {
            "name": "real-servers",
            "num_threads": 1,
            "num_rounds": 2,
            "environment": FEW_GAMES,
            "agent": {"max_turns": 8, "max_tokens": 30},
            "bootstrap": {
                "model": {
                    "kind": "openai",
                    "path": "builtin:tiny",
                    "options": {"urls": [transformers], "model": str(BASE)},
                }
            },
            "annotator": {
                "model": {"kind": "openai", "path": "tiny", "options": {"urls": [url], "key_file": str(key_file)}},
                "max_tokens": 8,
            },
            "explore": {"num_compositions": 1, "min_compositions": 1, "temperature": 1.0},
            "evaluate": {"batch_size": 4},
            "train": {"epochs_first": 1, "epochs": 1, "lr": 1e-4, "batch_tokens": 2048},
        }
    )
    parts = open_run(recipe, tmp_path / "run", PlainProgress())
    with parts.store as store, closing_afterwards(parts.close):
        run_loop(parts)
        servers = store.rounds()[-1].metrics["servers"]
        broken = [t.error for t in store.trajectories() if t.is_broken]
        explained = [t for t in store.trajectories(stages=(Stage.EXPLORE,)) if t.annotator]
        bootstrap = list(store.trajectories(stages=(Stage.COLLECT,), rounds=(0,)))
    assert not broken
    assert set(servers) == {str(BASE), "tiny"}
    assert any(t.success for t in bootstrap), "a real model plays: some games are solved over HTTP"
    assert all(t.cost.completion_tokens > 0 for t in bootstrap), "tokens are counted though no ids are told"
    assert explained and {t.annotator for t in explained} == {"tiny"}
    assert "llama-key" not in capsys.readouterr().out
