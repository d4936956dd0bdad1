"""What does not fit a recipe, in a recipe's words: pydantic tells types of Python, its reader wants to know what to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from a3t.errors import nearest


def explain(item: Mapping[str, Any], model: type[BaseModel], where: str) -> str:
    """One line for one of `ValidationError.errors()`: the key with the nearest known one, or the value and what was expected."""
    location = [str(part) for part in item["loc"]]
    dotted = ".".join(location)
    if item["type"] == "extra_forbidden":
        known = known_keys(model, location[:-1])
        close = nearest(location[-1], known, limit=1)
        hint = f"did you mean {'.'.join([*location[:-1], close[0]])!r}?" if close else f"known here: {', '.join(known)}."
        return f"{where} has an unknown key {dotted!r}: {hint}"
    if item["type"] == "missing":
        return f"{where} lacks {dotted!r}, which has no default."
    if not location:
        return f"{where} does not fit: {expected(item)}."
    # A URL may hold a password, which must not travel further; a table may hold a URL.
    holds_url = any(part in ("url", "urls") for part in location)
    came = "…" if holds_url else "{…}" if isinstance(item["input"], Mapping) else repr(item["input"])
    return f"{where}: {dotted} = {came} does not fit: {expected(item)}."


def expected(item: Mapping[str, Any]) -> str:
    """What would have fitted, without the full stop."""
    told = KINDS.get(item["type"])
    if isinstance(told, str):
        return f"expected {told}"
    if told is not None:
        return f"expected {told(item['ctx'])}"
    return str(item["msg"]).removeprefix("Value error, ")


KINDS: dict[str, str | Callable[[Mapping[str, Any]], str]] = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    "string_type": "text",
    **dict.fromkeys(("tuple_type", "list_type"), "a list, such as ['a', 'b']"),
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a table of keys"),
    "literal_error": lambda ctx: str(ctx["expected"]),
    "greater_than": lambda ctx: f"more than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"at least {ctx['ge']:g}",
    "less_than": lambda ctx: f"less than {ctx['lt']:g}",
    "less_than_equal": lambda ctx: f"at most {ctx['le']:g}",
    "too_short": lambda ctx: f"at least {ctx['min_length']} of them",
    "string_too_short": lambda ctx: f"at least {ctx['min_length']} characters",
}
"""By pydantic's name of the error; of others, its own words or our validators'."""


def known_keys(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The keys of the table at `path`; none where no table of ours is there. Places in a list do not count."""
    here: Any = model
    for name in path:
        if name.isdigit():
            continue
        field = here.model_fields.get(name)
        here = _table(field.annotation) if field else None
        if here is None:
            return []
    return list(here.model_fields)


def _table(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation holds: itself, or within `… | None` or a list of them."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
