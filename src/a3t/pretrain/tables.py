"""Tables of a pretraining recipe as the values that they describe; what does not fit is refused in a recipe's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from a3t.errors import RecipeError, nearest
from a3t.misfits import expected

T = TypeVar("T")


def read(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """A dataclass out of its fields.

    Args:
        where: the table's name, for the message: `lessons.2.mixture`.

    Raises:
        RecipeError: a key that it has not, with the nearest that it has; or a value of another type.
    """
    from pydantic import TypeAdapter, ValidationError

    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            close = nearest(key, known, limit=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}."
            raise RecipeError(f"{where} has an unknown key {key!r}: {hint}")
    try:
        return TypeAdapter(kind).validate_python(dict(table))
    except ValidationError as error:
        item = error.errors()[0]
        key = ".".join(map(str, item["loc"]))
        raise RecipeError(f"{where}.{key} = {item['input']!r} does not fit: {expected(item)}.") from None
