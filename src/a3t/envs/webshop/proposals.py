"""Search queries for an explorer: a random string explores nothing, so queries are cut from the instruction itself.

They are the whole instruction without its price clause, its noun phrases (runs between function words and punctuation), the
attributes of the catalogue that it names, and short combinations of these. Nothing of the goal but its words is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

from a3t.envs.webshop.words import word_list

_PRICE_CLAUSE = re.compile(r",? and price lower than [\d.,]+ dollars\b")
_BREAK = re.compile(r"[.,;:!?()\[\]{}\"]+(?:\s|$)|\s[-–—]\s|[\[\]\n\r]+")
_FILLERS = frozenset(word_list("fillers"))
MAX_PROPOSALS = 12


def propose(instruction: str, is_attribute: Callable[[str], bool] = lambda phrase: False) -> list[str]:
    """Queries for an instruction, the whole first, without repetitions; at most `MAX_PROPOSALS`.

    Args:
        instruction: as the shopper reads it.
        is_attribute: whether some product carries this phrase as an attribute.
    """
    whole = _plain(_PRICE_CLAUSE.sub("", instruction))
    phrases = _phrases(_PRICE_CLAUSE.sub("", instruction))
    words = [word for phrase in phrases for word in phrase.split()]
    pairs = (f"{one} {other}" for one, other in pairwise(words))
    attributes = [pair for pair in pairs if is_attribute(pair)]
    longest = sorted(phrases, key=lambda phrase: -len(phrase.split()))
    candidates = [whole, " ".join(words), *phrases, *attributes]
    if longest:
        candidates += [f"{longest[0]} {attribute}" for attribute in attributes if attribute not in longest[0]]
        candidates += [f"{longest[0]} {other}" for other in longest[1:]]
    return list(dict.fromkeys(query for query in candidates if query))[:MAX_PROPOSALS]


def _phrases(text: str) -> list[str]:
    phrases = []
    for part in _BREAK.split(text.lower()):
        run: list[str] = []
        for word in [*part.split(), ""]:
            word = word.strip(".,;:!?()[]{}\"'")
            if word and word not in _FILLERS:
                run.append(word)
            elif run:
                phrases.append(" ".join(run))
                run = []
    return list(dict.fromkeys(phrases))


def _plain(text: str) -> str:
    """One line without brackets, so that `search[…]` holds it."""
    return " ".join(re.sub(r"[\[\]\s]+", " ", text).split())
