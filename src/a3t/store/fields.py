"""One field of a JSON object, read strictly: the kind that was asked for, or an error that names the field and what came."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any, NoReturn, TypeAlias, TypeVar

from a3t.errors import BadDataError, nearest

JsonObject: TypeAlias = dict[str, Any]
Choice = TypeVar("Choice", bound=Enum)

_NOT_IN_JSON = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def read_object(data: object, known: frozenset[str], where: str) -> JsonObject:
    """An object without unknown keys; `where` is its place in the record, empty for the record itself."""
    if type(data) is not dict:
        raise BadDataError(f"{where or 'the record'}: expected an object, got {shown(data)}.")
    if not data.keys() <= known:
        stray = min(map(str, data.keys() - known))[:60]
        stray = stray if stray.isprintable() else ascii(stray)[1:-1]
        close = nearest(stray, known, limit=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}."
        raise BadDataError(f"{_at(where, stray)}: unknown field; {hint}")
    return data


def read_text(fields: JsonObject, key: str, where: str, default: str | None = None) -> str:
    value = fields.get(key, default)
    if type(value) is not str:
        _refuse(fields, key, where, "a string")
    return value


def read_int(fields: JsonObject, key: str, where: str, default: int | None = None) -> int:
    value = fields.get(key, default)
    if type(value) is not int:  # so that True is no 1
        _refuse(fields, key, where, "a whole number")
    return value


def read_bool(fields: JsonObject, key: str, where: str, default: bool) -> bool:
    value = fields.get(key, default)
    if type(value) is not bool:
        _refuse(fields, key, where, "true or false")
    return value


def read_float(fields: JsonObject, key: str, where: str, default: float | None = None) -> float:
    value = fields.get(key, default)
    if type(value) is float:
        return value
    if key not in fields:
        _refuse(fields, key, where, "a number")
    return to_float(value, _at(where, key))


def to_float(value: object, where: str) -> float:
    if type(value) is float:
        return value
    if type(value) is int and abs(value) <= 2**53:
        return float(value)
    if type(value) is str and value in _NOT_IN_JSON:
        return _NOT_IN_JSON[value]
    raise BadDataError(f"{where}: expected a number, got {shown(value)}.")


def read_list(fields: JsonObject, key: str, where: str, default: list[Any] | None = None) -> list[Any]:
    value = fields.get(key, default)
    if type(value) is not list:
        _refuse(fields, key, where, "a list")
    return value


def read_choice(fields: JsonObject, key: str, where: str, choices: dict[str, Choice], default: Choice) -> Choice:
    if key not in fields:
        return default
    value = fields[key]
    if type(value) is not str or value not in choices:
        _refuse(fields, key, where, f"one of {', '.join(choices)}")
    return choices[value]


def _refuse(fields: JsonObject, key: str, where: str, expected: str) -> NoReturn:
    got = shown(fields[key]) if key in fields else "nothing: the field is missing"
    raise BadDataError(f"{_at(where, key)}: expected {expected}, got {got}.")


def _at(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def shown(value: object, limit: int = 60) -> str:
    """A value that does not fit, short enough for a message."""
    kind = {dict: "an object", list: "a list", type(None): "null"}.get(type(value))
    if kind is not None:
        return kind
    if isinstance(value, int) and value.bit_length() > 10_000:
        return f"a number of {value.bit_length()} bits"  # which Python declines to print
    text = ascii(value[: limit + 1]) if isinstance(value, str) else repr(value)
    return text if len(text) <= limit else f"{text[:limit]}…"
