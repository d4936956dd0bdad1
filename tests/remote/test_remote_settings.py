"""What a recipe may say about a server, and how it is told that it may not."""

import os

import pytest

from a3t.config import ModelConfig
from a3t.errors import ModelError, RecipeError
from a3t.models import load, names
from a3t.models.remote import Key, parse_settings, read_key

URL = "http://127.0.0.1:8000/v1"


def test_the_kind_is_registered():
    assert "openai" in names()


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(RecipeError, match="'max_in_flight'"):
        parse_settings({"urls": [URL], "max_in_fligt": 3})


def test_an_unknown_price_names_the_nearest():
    with pytest.raises(RecipeError, match=r"'prices\.output'"):
        parse_settings({"urls": [URL], "prices": {"input": 1, "output": 2, "outptu": 3}})


def test_a_key_in_the_recipe_is_refused_and_not_repeated():
    with pytest.raises(RecipeError, match="key_env") as caught:
        parse_settings({"urls": [URL], "api_key": "sk-very-secret-000"})
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://x/v1", "127.0.0.1:8000", "http://user:hush@x/v1", "http://x/v1?key=hush", "http://x:99999/v1", 7]
)
def test_urls_that_are_no_base_are_refused_without_repeating_them(url):
    with pytest.raises(RecipeError) as caught:
        parse_settings({"urls": [url]})
    assert "hush" not in str(caught.value)


def test_urls_are_needed():
    with pytest.raises(RecipeError, match=r"needs options\.urls"):
        parse_settings({})


def test_a_chat_api_takes_no_token_ids():
    with pytest.raises(RecipeError, match="chat API takes no token ids"):
        parse_settings({"urls": [URL], "api": "chat", "token_ids": True})


def test_a_slash_at_the_end_and_a_repeated_url_do_not_matter():
    assert parse_settings({"urls": [URL + "/", URL]}).urls == (URL,)


def test_a_checkpoint_cannot_be_given_to_a_url(tmp_path):
    with pytest.raises(ModelError, match="which only a run does"):
        load(ModelConfig(kind="openai", path="x", options={"urls": [URL]}), weights=tmp_path / "adapter")


def test_a_model_needs_a_name():
    with pytest.raises(RecipeError, match=r"options\.model"):
        load(ModelConfig(kind="openai", options={"urls": [URL]}))


def test_a_key_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("A3T_TEST_KEY", " sk-123456789012 \n")
    assert read_key("A3T_TEST_KEY", None).reveal() == "sk-123456789012"


def test_an_unset_variable_is_named(monkeypatch):
    monkeypatch.delenv("A3T_TEST_KEY", raising=False)
    with pytest.raises(RecipeError, match="A3T_TEST_KEY, which is not set"):
        read_key("A3T_TEST_KEY", None)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_file_that_others_can_touch_is_refused(tmp_path, mode):
    file = tmp_path / "key"
    file.write_text("sk-secret-secret")
    file.chmod(mode)
    with pytest.raises(RecipeError, match="chmod 600") as caught:
        read_key(None, str(file))
    assert "sk-secret" not in str(caught.value)


def test_a_private_key_file_is_read(tmp_path):
    file = tmp_path / "key"
    file.write_text("sk-secret-secret\n")
    file.chmod(0o600)
    assert read_key(None, str(file)).reveal() == "sk-secret-secret"


@pytest.mark.parametrize("content", [b"", b"two words", b"caf\xc3\xa9-key", b"a\nb", os.urandom(64) + b"\xff"])
def test_a_file_that_holds_no_key_is_refused_without_showing_it(tmp_path, content):
    file = tmp_path / "key"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(RecipeError):
        read_key(None, str(file))


def test_a_key_does_not_print():
    key = Key("sk-abcdefgh-ijklmnop")
    assert "abcdefgh" not in f"{key} {key!r} {[key]}"


def test_a_key_takes_itself_and_its_ends_out_of_a_text():
    key = Key("sk-abcdefgh-ijklmnop")
    said = key.redact("bad key sk-abcdefgh-ijklmnop (sk-abcde***mnop)")
    assert "abcde" not in said
    assert "mnop" not in said
