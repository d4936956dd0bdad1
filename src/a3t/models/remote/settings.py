"""What a recipe may say about a model behind a URL: `options` of a `kind = "openai"` model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator

from a3t.config import Section
from a3t.errors import RecipeError
from a3t.misfits import explain


class Prices(Section):
    """Dollars per million tokens."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)


class Serve(Section):
    """A server that lives as long as the run: a child process on loopback, behind a token of its own."""

    engine: Literal["local", "vllm", "sglang"] = "local"
    """`local`: a3t's own small server, for tests and tiny models; the others from an environment of their own."""
    python: str = ""
    """The interpreter of that environment; empty: ours, which is right for `local` alone."""
    args: tuple[str, ...] = ()
    """More arguments for the engine, as on its command line."""
    max_lora_rank: int = Field(64, ge=1)
    deterministic: bool = True
    """Equal requests get equal answers whatever else is asked (vLLM: VLLM_BATCH_INVARIANT=1, on GPUs that have it)."""
    start_timeout_s: float = Field(900.0, gt=0)
    """Loading a large model takes minutes."""
    max_restarts: int = Field(5, ge=0)
    """Deaths in a row after which the run stops with the reason; an hour of life forgives them."""


class Settings(Section):
    """Where the servers are, what is asked of them, and what they may cost."""

    urls: tuple[str, ...] = ()
    """Base URLs that serve the same model, `/v1` included: `http://127.0.0.1:8000/v1`."""
    serve: Serve | None = None
    """Instead of `urls`: a3t starts the server and ends it with the run."""
    model: str = ""
    """The name the server knows the model by; empty: the recipe's `path`."""
    api: Literal["completions", "chat"] = "completions"
    turns: bool = False
    """With `chat`: an episode is a conversation, one message per observation and per line of the agent, as hosted fine-tuning
    trains it; what is no episode (ActRe's questions) goes as one text all the same."""
    key_env: str | None = None
    """Environment variable that holds the API key. Keys themselves never stand in a recipe."""
    key_file: str | None = None
    """File that holds the API key and that only its owner may read (mode 600)."""
    max_in_flight: int = Field(128, ge=1)
    """Requests on their way at once, all URLs together; how many of these a server really gets adapts to it."""
    timeout_s: float = Field(120.0, gt=0)
    """Wall-clock seconds that one try may take, from the first byte sent to the last received."""
    max_attempts: int = Field(10, ge=1)
    """Tries per request at a server that can be reached; then the request's answer is `finish="error"`."""
    retry_base_s: float = Field(0.5, gt=0)
    """First wait before a retry, at most; it doubles, is drawn at random below that, and ends at 30 seconds."""
    patience_s: float = Field(300.0, gt=0)
    """Seconds without a single answer from any URL after which the model counts as broken, and the run stops."""
    max_cost_usd: float | None = Field(None, gt=0)
    max_total_tokens: int | None = Field(None, ge=1)
    """Prompt and completion together, over the life of this model object."""
    prices: Prices | None = None
    """None: the table in `prices.toml` beside this file, where it lists the model."""
    logprobs: bool | None = None
    """Ask for log-probabilities. None: where the server gives them; true: refuse a server that does not."""
    token_ids: bool | None = None
    """Send prompts as token ids (the tokenizer is in the recipe's `path`) and record those produced. None, true: as above."""
    seed: bool | None = None
    """Send each request's seed. None: where the server takes it; true: refuse a server that ignores it."""
    adapter_tolerance: float = Field(0.05, gt=0)
    """Mean nats per token by which a server's log-probs of a new adapter may differ from the trainer's."""

    @field_validator("urls")
    @classmethod
    def _urls_are_bases(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            try:
                parts = urlsplit(url)
                plain = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            except ValueError:
                plain = False
                parts = urlsplit("")
            if not plain:
                raise ValueError("a base URL looks like http://127.0.0.1:8000/v1")
            if parts.username or parts.password or parts.query or parts.fragment:
                raise ValueError("a base URL carries no user, password or query: keys come from key_env or key_file")
        return tuple(dict.fromkeys(url.rstrip("/") for url in urls))

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        if bool(self.urls) == bool(self.serve):
            raise ValueError("needs options.urls, such as ['http://127.0.0.1:8000/v1'], or options.serve; one of the two")
        if self.serve and (self.key_env or self.key_file):
            raise ValueError("a server that a3t starts has a token of its own: leave key_env and key_file out")
        if self.key_env and self.key_file:
            raise ValueError("key_env and key_file are both given; one is enough")
        if self.turns and self.api != "chat":
            raise ValueError("turns are a conversation's: they need api = 'chat'")
        if self.api == "chat" and self.token_ids:
            raise ValueError("a chat API takes no token ids: use api = 'completions', or leave token_ids out")
        return self

    @property
    def source(self) -> tuple[str, ...]:
        """Where answers come from, as their cache names it: a child's port changes from start to start and decides nothing."""
        return self.urls if self.serve is None else (f"serve:{self.serve.engine}",)


def parse_settings(options: Mapping[str, Any]) -> Settings:
    """Read a recipe's `options`.

    Raises:
        RecipeError: an unknown key (with the nearest known one) or a value that does not fit. Values of unknown keys and URLs
            are never repeated in the message: a secret put in the wrong place must not travel further.
    """
    try:
        return Settings.model_validate(dict(options))
    except ValidationError as error:
        raise RecipeError("\n".join(_explain(item) for item in error.errors())) from None


def _explain(item: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in item["loc"])
    looks_secret = "key" in key.lower() or key.lower() == "token" or "secret" in key.lower()
    if item["type"] == "extra_forbidden" and looks_secret:
        hint = "keys never stand in a recipe; name a variable (key_env) or a file (key_file)."
        return f"model 'openai' has no option {key!r}: {hint}"
    return explain(item, Settings, "model 'openai', options")
