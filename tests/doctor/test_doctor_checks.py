"""From facts to findings: what each machine lacks, for which recipe, and what mends it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest

from a3t.config import parse_recipe
from a3t.doctor.adapters import SERVED_RANKS, check_adapter, read_adapter
from a3t.doctor.checks import check_machine
from a3t.doctor.finding import Level, note, ok, problem, report, warning
from a3t.doctor.machine import Gpu, Machine, _java
from a3t.doctor.places import file_system
from a3t.doctor.servers import Served, check_server, read

GIB = 2**30
LAPTOP = Machine(
    system="Linux x86_64",
    python=(3, 11, 7),
    executable="/x/bin/python",
    in_environment=True,
    num_cores=2,
    memory_bytes=8 * GIB,
    packages={
        "torch": "2.13.0+cpu",
        "transformers": "5.23.0",
        "peft": "0.21.2",
        "accelerate": "1.15.0",
        "safetensors": "0.8.0",
        "gymnasium": "1.4.0",
    },
)
SERVER = replace(LAPTOP, torch_cuda="13.0", gpus=(Gpu("H200", 139 * GIB, 130 * GIB, (9, 0)),), driver="NVIDIA H200")
QLORA = parse_recipe({"train": {"method": "qlora", "optimizer": "paged_adamw_32bit"}})


def said(machine, check, recipe=None):
    (found,) = [finding for finding in check_machine(machine, recipe) if finding.check == check]
    return found


def test_a_laptop_without_extras_has_no_problem():
    levels = {finding.level for finding in check_machine(LAPTOP, None)}
    assert levels == {Level.OK, Level.NOTE}


@pytest.mark.parametrize("check", ["scienceworld", "java"])
def test_what_scienceworld_needs_is_a_problem_for_a_recipe_of_it_alone(check):
    assert said(LAPTOP, check, parse_recipe({"environment": {"name": "scienceworld"}})).level is Level.PROBLEM
    assert said(LAPTOP, check, parse_recipe({"environment": {"name": "textcraft"}})).level is Level.NOTE


def test_more_copies_of_a_model_than_cores_are_said_where_there_is_no_gpu():
    wants = parse_recipe({"policy": {"processes": 3}})
    assert said(LAPTOP, "cores", wants).mend == "a3t run RECIPE policy.processes=2"
    assert not [finding for finding in check_machine(SERVER, wants) if finding.check == "cores"]
    assert not [finding for finding in check_machine(replace(LAPTOP, num_cores=4), wants) if finding.check == "cores"]


def test_the_java_that_is_named_is_the_one_that_the_world_would_start(monkeypatch, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.7.0_80\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert _java() == (None, f"scienceworld needs Java 8 or newer, and {java} is Java 7")
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.15\" 2025-04-15' >&2\n")
    assert _java() == (f"17 at {java}", "")


@pytest.mark.parametrize(
    ("machine", "check", "level", "words", "mend"),
    [
        (replace(LAPTOP, python=(3, 10, 4)), "python", Level.PROBLEM, "3.11", "PYTHON="),
        (replace(LAPTOP, in_environment=False), "python", Level.NOTE, "outside", "venv"),
        (replace(LAPTOP, packages={**LAPTOP.packages, "transformers": "4.57.1"}), "transformers", Level.PROBLEM, "5.0", "-U"),
        (replace(LAPTOP, packages={}), "torch", Level.PROBLEM, "not installed", "pip install torch"),
        (replace(LAPTOP, torch_error="OSError: libcudart"), "torch", Level.PROBLEM, "libcudart", "--force-reinstall"),
        (replace(LAPTOP, driver="NVIDIA L4"), "gpu", Level.WARNING, "built for CPUs", "whl/cu130"),
        (replace(SERVER, gpus=()), "gpu", Level.WARNING, "driver", "nvidia-smi"),
        (replace(SERVER, gpus=(Gpu("T4", 15 * GIB, 14 * GIB, (7, 5)),)), "gpu", Level.WARNING, "no bfloat16", "float32"),
        (replace(LAPTOP, java=None), "java", Level.NOTE, "nothing else needs it", "jre"),
        (
            replace(LAPTOP, java_error="scienceworld needs Java 8, and /x is Java 7"),
            "java",
            Level.NOTE,
            "Java 7",
            "jre",
        ),
        (replace(LAPTOP, java="17 at /x/java"), "java", Level.OK, "17 at /x/java", ""),
        (LAPTOP, "scienceworld", Level.NOTE, "not installed", "a3t[scienceworld]"),
        (SERVER, "gpu", Level.OK, "130 of 139 GiB free", ""),
    ],
)
def test_each_lack_is_named_with_what_mends_it(machine, check, level, words, mend):
    found = said(machine, check)
    assert found.level is level
    assert words in found.says
    assert mend in found.mend and bool(found.mend) == bool(mend)


def test_bitsandbytes_is_a_note_for_all_but_those_who_need_it():
    nf4 = parse_recipe({"policy": {"quantization": "nf4"}})
    with_it = replace(LAPTOP, packages={**LAPTOP.packages, "bitsandbytes": "0.50.2"})
    assert said(LAPTOP, "bitsandbytes").level is Level.NOTE
    assert said(LAPTOP, "bitsandbytes", QLORA).level is Level.WARNING
    assert said(LAPTOP, "bitsandbytes", nf4).level is Level.PROBLEM
    assert said(with_it, "bitsandbytes", nf4).level is Level.OK
    assert "paged" in said(with_it, "bitsandbytes", QLORA).says
    assert said(replace(SERVER, packages=with_it.packages), "bitsandbytes", QLORA).level is Level.OK


def test_a_recipe_that_names_a_gpu_makes_its_absence_a_problem():
    recipe = parse_recipe({"policy": {"device": "cuda:1"}})
    found = said(LAPTOP, "gpu", recipe)
    assert found.level is Level.PROBLEM
    assert found.mend == "a3t run … policy.device=auto"
    assert said(LAPTOP, "gpu", QLORA).level is Level.WARNING


def test_a_recipe_with_a_served_model_needs_the_client():
    recipe = parse_recipe({"annotator": {"model": {"kind": "openai", "path": "m"}}})
    assert said(LAPTOP, "openai client").level is Level.NOTE
    assert said(LAPTOP, "openai client", recipe).level is Level.PROBLEM


def test_the_exit_code_counts_problems_alone():
    assert report([ok("a", "x"), note("b", "x", "y"), warning("c", "x", "y")]).exit_code == 0
    bad = report([ok("a", "x"), problem("b", "gone", "get it"), warning("c", "x", "y")])
    assert bad.exit_code == 1
    assert bad.to_text().endswith("Problems: 1. Warnings: 1.")
    assert "→ get it" in bad.to_text()
    told = json.loads(json.dumps(bad.to_json()))
    assert (told["ok"], told["problems"], told["warnings"]) == (False, 1, 1)
    assert told["findings"][1] == {"check": "b", "level": "problem", "says": "gone", "mend": "get it"}


# --- servers and adapters ---------------------------------------------------------------

VLLM = {
    "data": [
        {"id": "mistral", "root": "/models/Mistral-7B", "parent": None, "max_model_len": 8192},
        {"id": "round-01", "root": "/runs/01", "parent": "mistral", "max_model_len": 8192},
    ]
}
URL = "http://h:8000/v1"


def test_a_servers_list_is_read_into_bases_and_adapters():
    served = read(URL, json.dumps(VLLM).encode())
    assert served.bases == ("mistral", "/models/Mistral-7B")
    assert served.adapters == ("round-01",)
    assert served.max_context == 8192
    assert check_server(served, "round-01", has_key=False).level is Level.OK


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b'{"data": 3}', b"\xff\xfe", b"[" * 100_000, b'{"data": [3, {"id": 7}, {}]}'],
)
def test_nonsense_from_a_server_is_a_finding(content):
    found = check_server(read(URL, content), "m", has_key=False)
    assert found.level is Level.PROBLEM
    assert found.mend


@pytest.mark.parametrize(
    ("served", "model", "has_key", "words"),
    [
        (Served(URL, "answers 401", 401), "m", True, "refuses the key"),
        (Served(URL, "answers 401", 401), "m", False, "wants a key"),
        (Served(URL, "answers 404", 404), "m", False, "/v1"),
        (Served(URL, "answers 500", 500), "m", False, "answers 500"),
        (Served(URL, "ConnectError"), "m", False, "nobody answers"),
        (Served(URL, bases=("mistral-7b",)), "mistral-7", False, "'mistral-7b'"),
    ],
)
def test_what_a_server_lacks_is_said(served, model, has_key, words):
    found = check_server(served, model, has_key=has_key)
    assert found.level is Level.PROBLEM
    assert words in found.says and found.mend


def adapter(folder, **config):
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": 16, "base_model_name_or_path": "/models/Mistral-7B", **config}))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return read_adapter(folder)


def test_an_adapter_fits_the_base_that_it_was_trained_on(tmp_path):
    served = read(URL, json.dumps(VLLM).encode())
    (found,) = check_adapter(adapter(tmp_path / "a"), (served,), 16)
    assert found.level is Level.OK
    (elsewhere,) = check_adapter(adapter(tmp_path / "b", base_model_name_or_path="org/mistral-7b"), (served,), 16)
    assert elsewhere.level is Level.WARNING
    (other,) = check_adapter(adapter(tmp_path / "c", base_model_name_or_path="org/llama-bnb-4bit"), (served,), 16)
    assert other.level is Level.PROBLEM and "silently" in other.says and "4-bit" in other.says


@pytest.mark.parametrize(("config", "rank"), [({"r": 17}, 32), ({"r": 64}, 64), ({"r": 8, "rank_pattern": {"q_proj": 100}}, 128)])
def test_a_rank_above_the_limit_is_mended_by_the_next_that_servers_take(tmp_path, config, rank):
    found, *_rest = check_adapter(adapter(tmp_path / "a", **config), (), 16)
    assert found.level is Level.PROBLEM
    assert found.mend.endswith(f"--max-lora-rank {rank}") and rank in SERVED_RANKS


@pytest.mark.parametrize("config", ["", "{", "[]", '{"r": 0}', '{"r": "x"}', '{"r": 4, "rank_pattern": 3}', '{"r": true}'])
def test_a_broken_adapter_is_a_finding(tmp_path, config):
    (tmp_path / "adapter_config.json").write_text(config)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    (found,) = check_adapter(read_adapter(tmp_path), (), 16)
    assert found.level is Level.PROBLEM and found.mend


def test_a_pickled_adapter_is_not_taken(tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"r": 4}')
    (tmp_path / "adapter_model.bin").write_bytes(b"")
    assert "unpickles nothing" in read_adapter(tmp_path).error


def test_the_file_system_is_that_of_the_longest_mount_above(tmp_path):
    lines = ["/dev/sda / ext4", f"host:/x {tmp_path} nfs4", f"host:/y {tmp_path}x cifs", f"tmpfs {tmp_path}/a tmpfs"]
    mounts = "\n".join(f"{line} rw 0 0" for line in lines)
    (tmp_path / "a").mkdir()
    assert file_system(tmp_path, mounts) == "nfs4"
    assert file_system(tmp_path / "a", mounts) == "tmpfs"
    assert file_system(tmp_path.parent, mounts) == "ext4"
    assert file_system(tmp_path, "nonsense\n\n") == ""


def child(recipe, **serve):
    from a3t.doctor.children import check_child
    from a3t.models.remote.settings import Serve

    return list(check_child("policy", Serve.model_validate(serve), recipe.train))


def test_a_server_that_the_run_would_start_is_looked_at_without_starting_it(tmp_path):
    lora = parse_recipe({"train": {"method": "lora", "lora_rank": 16}})
    (absent,) = child(lora, engine="vllm", python=str(tmp_path / "no" / "bin" / "python"))
    assert absent.level is Level.PROBLEM and absent.mend.startswith("python3 -m venv")
    (lacking,) = child(lora, engine="sglang", python=sys.executable)
    assert lacking.level is Level.PROBLEM and lacking.mend.endswith("-m pip install sglang")
    assert child(lora, engine="local") == []


def test_a_recipes_rank_must_fit_the_server_that_the_run_starts():
    recipe = parse_recipe({"train": {"method": "qlora", "lora_rank": 100}})
    (found,) = child(recipe, engine="local", max_lora_rank=64)
    assert found.level is Level.PROBLEM
    assert found.mend == "a3t run … policy.options.serve.max_lora_rank=128"
    assert child(parse_recipe({"train": {"method": "full"}}), engine="local", max_lora_rank=1) == []
