"""BM25 search over memory-mapped postings: Lucene's scores to the last bit, the best fifty found without reading most of them.

Scores follow Lucene 8's `BM25Similarity` in 32-bit arithmetic, term scores added in 64 bits and rounded once, ties broken by
ASIN. Terms are taken rarest first; as soon as the terms left cannot lift an unseen product into the first fifty (MaxScore,
Turtle & Flood 1995), only products already seen are looked up in the remaining, longest lists.

On disk, one folder: `docs.i4` and `freqs.u1` (postings, term after term, documents ascending), `starts.i8` (where each term's
postings begin), `terms.bin` with `term_starts.i8` (sorted UTF-8), `bounds.f4` (best frequency part per term), `norms.u1`
(lengths, SmallFloat),
`asin_rank.i4` (tie-break), `overflow.i8` (frequencies above 254), `index.json` (numbers).
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from a3t.envs.webshop.analyzer import terms
from a3t.errors import BadDataError, MissingDataError

K1 = np.float32(0.9)
B = np.float32(0.4)
TOP = 50
"""How many products a search returns at most."""

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]


def encode_length(length: int) -> int:
    """Lucene's `SmallFloat.intToByte4`: exact below 40, then four significant bits."""
    if length < 24:
        return length
    return 24 + _to_small_float(length - 24)


def decode_length(code: int) -> int:
    """Lucene's `SmallFloat.byte4ToInt`."""
    if code < 24:
        return code
    code -= 24
    mantissa, shift = code & 7, (code >> 3) - 1
    return 24 + (mantissa if shift == -1 else (mantissa | 8) << shift)


def _to_small_float(value: int) -> int:
    bits = value.bit_length()
    if bits < 4:
        return value
    shift = bits - 4
    return ((value >> shift) & 7) | ((shift + 1) << 3)


def length_factors(average_length: float) -> Floats:
    """1 / (k1 · ((1 - b) + b · length / average)) for each of the 256 length codes, in Lucene's order of 32-bit operations."""
    one = np.float32(1)
    lengths = np.array([decode_length(code) for code in range(256)], dtype=np.float32)
    return one / (K1 * ((one - B) + B * lengths / np.float32(average_length)))


def inverse_document_frequency(num_docs: int, doc_frequency: int) -> np.float32:
    return np.float32(np.log(1 + (num_docs - doc_frequency + 0.5) / (doc_frequency + 0.5)))


class _Term(NamedTuple):
    weight: np.float32
    bound: float
    """More than this no document gets from the term."""
    start: int
    end: int


class Index:
    """An open index; immutable, so any number of processes may share its pages.

    Raises:
        MissingDataError, BadDataError: the folder holds no index, or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        try:
            numbers = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            self.num_docs: int = numbers["num_docs"]
            self._docs = _map(folder / "docs.i4", np.int32)
            self._freqs = _map(folder / "freqs.u1", np.uint8)
            self._starts = _map(folder / "starts.i8", np.int64)
            self._bounds = _map(folder / "bounds.f4", np.float32)
            self._norms = _map(folder / "norms.u1", np.uint8)
            self._asin_rank = _map(folder / "asin_rank.i4", np.int32)
            self._overflow = _map(folder / "overflow.i8", np.int64).reshape(-1, 2)
            self._vocabulary = Vocabulary(folder)
        except FileNotFoundError as error:
            raise MissingDataError(
                f"{folder} holds no search index: {error.filename} is missing.\n  Try: import the catalogue again."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise BadDataError(
                f"the search index in {folder} is damaged: {error}.\n  Try: delete the folder and import again."
            ) from None
        if (
            len(self._norms) != self.num_docs
            or len(self._starts) != len(self._vocabulary) + 1
            or self._starts[-1] != len(self._docs)
        ):
            raise BadDataError(
                f"the search index in {folder} is damaged: its files do not fit together.\n"
                "  Try: delete the folder and import again."
            )
        self._docs_with_text: int = numbers["num_docs_with_text"]
        self._factors = length_factors(numbers["total_length"] / max(1, self._docs_with_text))
        self._scores = np.zeros(self.num_docs, dtype=np.float64)
        self._lock = Lock()
        self.search = lru_cache(maxsize=512)(self._search)

    def _search(self, query: str, top: int = TOP) -> tuple[int, ...]:
        """Product numbers, best first."""
        return tuple(int(doc) for doc, _score in self.ranked(query, top))

    def ranked(self, query: str, top: int = TOP) -> list[tuple[int, float]]:
        """(product number, score), best first; at most `top`."""
        # Threads share the scratch space.
        with self._lock:
            return self._ranked(query, top)

    def _ranked(self, query: str, top: int) -> list[tuple[int, float]]:
        wanted = sorted(self._weighted(query), key=lambda term: -term.bound)
        if not wanted or top < 1:
            return []
        remaining = float(sum(term.bound for term in wanted))
        scores, touched, threshold = self._scores, [], 0.0
        position = num_touched = 0
        try:
            # 1. Any product may still be among the best: read whole lists.
            for position, term in enumerate(wanted, start=1):
                docs = self._docs[term.start : term.end]
                so_far = scores[docs]
                touched.append(docs[so_far == 0.0])
                scores[docs] = so_far + self._term_scores(term.weight, docs, term.start, term.end)
                num_touched += len(touched[-1])
                remaining -= term.bound
                if num_touched >= top and position < len(wanted) and remaining < sum(t.bound for t in wanted[:position]):
                    threshold = _top_value(scores[np.concatenate(touched)], top)
                    if threshold > remaining * 1.000001:
                        break
            candidates = np.concatenate(touched)
            totals = scores[candidates]
        finally:
            for docs in touched:
                scores[docs] = 0.0
        # 2. No unseen product can reach the best any more: look up those that were seen, dropping the hopeless on the way.
        for term in wanted[position:]:
            keep = totals + remaining * 1.000001 >= threshold
            candidates, totals = candidates[keep], totals[keep]
            totals += self._look_up(term, candidates)
            remaining -= term.bound
            threshold = max(threshold, _top_value(totals, top))
        final = totals.astype(np.float32)
        if len(final) > 4 * top:
            keep = final >= _top_value(final, top)
            candidates, final = candidates[keep], final[keep]
        order = np.lexsort((self._asin_rank[candidates], -final))[:top]
        return [(int(candidates[i]), float(final[i])) for i in order]

    def _weighted(self, query: str) -> list[_Term]:
        found = []
        for term, count in Counter(terms(query)).items():
            number = self._vocabulary.find(term)
            if number is None:
                continue
            start, end = int(self._starts[number]), int(self._starts[number + 1])
            weight = np.float32(count) * inverse_document_frequency(self._docs_with_text, end - start)
            found.append(_Term(weight, float(weight) * float(self._bounds[number]) * 1.000001, start, end))
        return found

    def _term_scores(
        self, weight: np.float32, docs: Ints, start: int, end: int, at: npt.NDArray[np.int64] | None = None
    ) -> Floats:
        """[n] scores of `docs`, whose postings lie at start..end, or at the positions `at`."""
        frequencies = (self._freqs[start:end] if at is None else self._freqs[at]).astype(np.float32)
        if len(self._overflow) and frequencies.size and frequencies.max() == 255:
            self._mend(frequencies, np.arange(start, end) if at is None else at)
        scores: Floats = weight - weight / (np.float32(1) + frequencies * self._factors[self._norms[docs]])
        return scores

    def _mend(self, frequencies: Floats, positions: npt.NDArray[np.int64]) -> None:
        where = np.searchsorted(self._overflow[:, 0], positions)
        where[where == len(self._overflow)] = 0
        high = self._overflow[where, 0] == positions
        frequencies[high] = self._overflow[where[high], 1]

    def _look_up(self, term: _Term, candidates: Ints) -> npt.NDArray[np.float64]:
        """[n] what the term adds to each candidate; 0 where it does not occur."""
        docs = self._docs[term.start : term.end]
        added = np.zeros(len(candidates), dtype=np.float64)
        at = np.searchsorted(docs, candidates)
        at[at == len(docs)] = 0
        hit = docs[at] == candidates
        added[hit] = self._term_scores(term.weight, candidates[hit], term.start, term.end, at[hit] + term.start)
        return added


class Vocabulary:
    """Sorted terms in one mapped file; a term's number is its rank."""

    def __init__(self, folder: Path) -> None:
        self._bytes = _map(folder / "terms.bin", np.uint8)
        self._starts = _map(folder / "term_starts.i8", np.int64)
        self.find = lru_cache(maxsize=8192)(self._find)

    def __len__(self) -> int:
        return len(self._starts) - 1

    def _find(self, term: str) -> int | None:
        wanted = term.encode("utf-8", "surrogatepass")
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._at(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self._at(low) == wanted else None

    def _at(self, number: int) -> bytes:
        return self._bytes[self._starts[number] : self._starts[number + 1]].tobytes()


def _top_value(values: npt.NDArray[np.floating], top: int) -> float:
    """The top-th largest, or 0 where there are fewer."""
    if len(values) < top:
        return 0.0
    return float(np.partition(values, len(values) - top)[len(values) - top])


def _map(path: Path, dtype: type[np.generic]) -> npt.NDArray[Any]:
    # An empty file cannot be mapped.
    if path.stat().st_size == 0:
        return np.zeros(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)
