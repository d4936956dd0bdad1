"""Names that players see (`desk 2`) from the raw ids of the data (`Desk_bar__minus_01_dot_29_bar_...`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

_MANGLED = (("_bar_", "|"), ("_minus_", "-"), ("_plus_", "+"), ("_dot_", "."), ("_comma_", ","))


def display_names(ids: Iterable[str]) -> dict[str, str]:
    """The name of each entity: its type's word and a number that counts *down* along the sorted ids.

    All entities of a game share one count per word, so pass them all, places included. Ids are lower-case. An id without `_bar_`
    has no number, and its name ends in the space that the official engine leaves there.
    """
    ordered = sorted(set(ids))
    words = {id_: _word(id_) for id_ in ordered}
    left = Counter(word for id_, word in words.items() if "_bar_" in id_)
    names = {}
    for id_, word in words.items():
        if "_bar_" in id_:
            names[id_] = f"{word} {left[word]}"
            left[word] -= 1
        else:
            names[id_] = f"{word} "
    return names


def _word(id_: str) -> str:
    word = id_
    for mangled, plain in _MANGLED:
        word = word.replace(mangled, plain)
    if "_bar_" not in id_:
        return word
    # A sink and its basin share a prefix (`Sink_bar_...` and `Sink_bar_..._bar_SinkBasin`); the word tells them apart.
    return word.split("|", 1)[0] + ("basin" if "basin" in id_ else "")
