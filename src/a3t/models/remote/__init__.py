"""Any model behind a URL that speaks OpenAI's API: `kind = "openai"` in a recipe. docs/servers.md tells how to point at one."""

from __future__ import annotations

from pathlib import Path

from a3t.config import ModelConfig
from a3t.errors import ModelError, RecipeError
from a3t.models.remote.capabilities import Capabilities
from a3t.models.remote.key import Key, read_key
from a3t.models.remote.model import RemoteModel
from a3t.models.remote.settings import Prices, Settings, parse_settings
from a3t.models.remote.spending import BudgetSpentError, Spent

__all__ = [
    "BudgetSpentError",
    "Capabilities",
    "Key",
    "Prices",
    "RemoteModel",
    "Settings",
    "Spent",
    "load_configured",
    "parse_settings",
    "read_key",
]


def load_configured(config: ModelConfig, weights: Path | None = None) -> RemoteModel:
    """A recipe's `kind = "openai"`. `path` is the folder of the served model's tokenizer, or just the model's name.

    Raises:
        RecipeError: an option does not fit, or the key cannot be read.
        ModelError: a server is absent or lacks what the recipe insists on; or a checkpoint is given, which no URL can load.
    """
    settings = parse_settings(config.options)
    if weights is not None:
        raise ModelError(
            f"{settings.urls[0]} cannot be given checkpoint {weights.name!r}: what is behind a URL is served by somebody else.\n"
            "  Serve it there, and name it in options.model; or use kind = 'local' for the model that is trained."
        )
    if not settings.model:
        if config.path.startswith("builtin:") or not config.path:
            raise RecipeError("model 'openai' needs options.model (or path): the name the server knows the model by.")
        settings = settings.model_copy(update={"model": config.path})
    key = read_key(settings.key_env, settings.key_file)
    tokenizer, fingerprint = _tokenizer(config, settings)
    return RemoteModel(settings, key, tokenizer=tokenizer, fingerprint=fingerprint, max_context=config.max_context)


def _tokenizer(config: ModelConfig, settings: Settings) -> tuple[object | None, str]:
    """The tokenizer in `path`, and its fingerprint; nothing where there is none or none is wanted."""
    if settings.api == "chat" or settings.token_ids is False:
        return None, ""
    from a3t.models import folder

    if not config.path.startswith("builtin:") and not (Path(config.path).expanduser() / "tokenizer_config.json").is_file():
        return None, ""
    from a3t.models.loading import load_tokenizer, tokenizer_fingerprint

    tokenizer = load_tokenizer(folder(config.path))
    return tokenizer, tokenizer_fingerprint(tokenizer)
