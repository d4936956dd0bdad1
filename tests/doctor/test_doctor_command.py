"""`a3t doctor` as a command: over real HTTP, with real folders, an exit code for scripts, and no key anywhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "remote"))

from http.server import BaseHTTPRequestHandler

from openai_server import running

from a3t import cli

SECRET = "sk-very-secret-0123456789abcdef"


class Models(BaseHTTPRequestHandler):
    """Lists one model to whoever has the key, and repeats a wrong key in its refusal, as real services do."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        sent = self.headers.get("authorization", "")
        status = 200 if sent == f"Bearer {SECRET}" else 401
        answer = {"data": [{"id": "m", "root": "/models/m"}]} if status == 200 else {"error": {"message": f"wrong key {sent}"}}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def doctor(a3t, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code, out, err = a3t("doctor", *arguments)
        return code, out + err

    return call


def finding(text, check):
    (found,) = [one for one in json.loads(text)["findings"] if one["check"].startswith(check)]
    return found


def test_the_default_recipe_runs_here(doctor):
    code, text = doctor(Path(cli.__file__).parent.parent / "assets/recipes/household.toml", "--json")
    assert code == 0
    assert json.loads(text)["ok"] is True
    assert finding(text, "policy")["level"] == "ok"


def test_the_key_opens_the_server_and_is_never_shown(doctor, monkeypatch):
    monkeypatch.setenv("SOME_KEY", SECRET)
    with running(Models) as url:
        code, text = doctor("--server", url, "--key-env", "SOME_KEY", "--json")
        assert code == 0
        assert finding(text, "server")["says"].startswith("serves m")
        monkeypatch.setenv("SOME_KEY", SECRET[:-1] + "X")
        wrong_code, wrong = doctor("--server", url, "--key-env", "SOME_KEY")
        bare_code, bare = doctor("--server", url, "--json")
    assert (wrong_code, bare_code) == (1, 1)
    assert "refuses the key" in wrong
    assert finding(bare, "server")["says"].startswith("wants a key")
    for said in (text, wrong, bare):
        assert SECRET[:12] not in said and SECRET[-8:] not in said


def test_a_key_that_is_not_set_is_a_problem_with_its_mend(doctor, monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    code, text = doctor("--server", "http://127.0.0.1:9/v1", "--key-env", "SOME_KEY", "--json")
    assert code == 1
    assert finding(text, "key")["mend"].startswith("export SOME_KEY=")
    assert "nobody answers" in finding(text, "server")["says"]


def test_a_password_in_a_url_is_refused_and_not_repeated(doctor):
    code, text = doctor("--server", f"http://me:{SECRET}@127.0.0.1/v1")
    assert code == 1
    assert SECRET not in text


def test_servers_and_folders_of_a_recipe_are_looked_at(doctor, tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        '[environment]\nname = "alfworld"\noptions = { data = "nowhere" }\n[policy]\npath = "/nope"\n'
        '[annotator.model]\nkind = "openai"\npath = "gpt"\noptions = { urls = ["http://127.0.0.1:9/v1"], key_file = "absent" }\n'
    )
    code, text = doctor(recipe, "--json")
    assert code == 1
    assert finding(text, "alfworld data")["mend"] == "a3t data fetch alfworld"
    assert "/nope" in finding(text, "policy")["says"]
    assert "absent" in finding(text, "key absent")["says"]
    assert finding(text, "server http://127.0.0.1:9/v1")["level"] == "problem"


def test_an_output_folder_that_is_a_file_is_a_problem(doctor, tmp_path):
    (tmp_path / "file").write_text("")
    code, text = doctor("--out", tmp_path / "file", "--json")
    assert code == 1
    assert "is a file" in finding(text, "permissions")["says"]


def test_nothing_is_made_by_looking(doctor, tmp_path):
    doctor("--out", tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "words"), [(["nope.toml"], "no recipe"), (["seed=1"], "recipe before it")])
def test_nonsense_is_one_message(doctor, arguments, words):
    code, text = doctor(*arguments)
    assert code == 2
    assert words in text
