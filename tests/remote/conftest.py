"""Servers are spoken to with the `openai` client, an extra: without it these tests say so and are skipped."""

import importlib.util

import pytest


@pytest.fixture(autouse=True)
def _the_extra_is_installed():
    if importlib.util.find_spec("openai") is None:
        pytest.skip("needs the openai client: pip install 'a3t[serve]'")
