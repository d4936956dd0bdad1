"""Builds the search index in bounded memory: counted terms are spilled block by block, then laid out a range of terms at a time.

A block is the terms of some thousand documents, written whole beside the products they belong to; an interrupted import goes on
with the next block. For each range of terms all blocks are read again, in document order, so that every list comes out sorted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from a3t.envs.webshop.analyzer import terms
from a3t.envs.webshop.bm25 import encode_length, length_factors

MAX_POSTINGS = 1 << 24
"""Laid out at once: eight bytes each, and as much again while they are weighed."""


def write_block(path: Path, texts: Sequence[str]) -> None:
    """Analyze the texts of consecutive documents and write their counted terms, whole or not at all."""
    numbers: dict[str, int] = {}
    term_ids, docs, freqs, lengths = [], [], [], []
    for doc, text in enumerate(texts):
        found = terms(text)
        lengths.append(len(found))
        for term, count in Counter(found).items():
            term_ids.append(numbers.setdefault(term, len(numbers)))
            docs.append(doc)
            freqs.append(count)
    # One line a term: a UAX#29 word never holds a line break.
    vocabulary = "\n".join(numbers).encode("utf-8", "surrogatepass")
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.savez(
            file,
            vocabulary=np.frombuffer(vocabulary, dtype=np.uint8),
            term_ids=np.array(term_ids, dtype=np.int32),
            docs=np.array(docs, dtype=np.int32),
            freqs=np.array(freqs, dtype=np.int32),
            lengths=np.array(lengths, dtype=np.int32),
        )
    temporary.replace(path)


def num_documents(block: Path) -> int:
    """How many documents a block holds the terms of."""
    with np.load(block) as file:
        return len(file["lengths"])


def write_index(
    folder: Path, blocks: Sequence[Path], asins: Sequence[str], progress: Callable[[float], None] = lambda share: None
) -> None:
    """Lay out the index of all blocks in `folder`; `index.json` is written last.

    Args:
        folder: exists.
        blocks: in document order.
        asins: of every document, for the tie-break.
        progress: called with the share done, 0 to 1.
    """
    vocabulary, frequencies = _merge_vocabularies(blocks)
    starts = np.zeros(len(vocabulary) + 1, dtype=np.int64)
    np.cumsum(frequencies, out=starts[1:])
    starts.tofile(folder / "starts.i8")
    _write_vocabulary(folder, vocabulary)
    rank = {term: number for number, term in enumerate(vocabulary)}
    del vocabulary
    numbers = [np.array([rank[term] for term in _block_terms(_read_block(path))], dtype=np.int32) for path in blocks]
    del rank
    lengths = [_read_block(path)["lengths"] for path in blocks]
    all_lengths = np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int32)
    with_text, total = int(np.count_nonzero(all_lengths)), int(all_lengths.sum(dtype=np.int64))
    norms, factors = _norms(all_lengths), length_factors(total / max(1, with_text))
    norms.tofile(folder / "norms.u1")
    _asin_ranks(asins).tofile(folder / "asin_rank.i4")
    with (
        (folder / "docs.i4").open("wb") as docs,
        (folder / "freqs.u1").open("wb") as freqs,
        (folder / "overflow.i8").open("wb") as overflow,
        (folder / "bounds.f4").open("wb") as bounds,
    ):
        for first, last in _ranges(starts):
            laid = _lay_out(blocks, numbers, starts, first, last)
            laid.docs.tofile(docs)
            np.minimum(laid.freqs, 255).astype(np.uint8).tofile(freqs)
            high = np.flatnonzero(laid.freqs >= 255)
            np.stack([high + starts[first], laid.freqs[high].astype(np.int64)], axis=1).tofile(overflow)
            _bounds(laid, starts[first : last + 1] - starts[first], norms, factors).tofile(bounds)
            progress(float(starts[last]) / max(1, int(starts[-1])))
    counts = {
        "num_docs": len(all_lengths),
        "num_docs_with_text": with_text,
        "total_length": total,
        "num_postings": int(starts[-1]),
    }
    (folder / "index.json").write_text(json.dumps(counts), encoding="utf-8")
    progress(1.0)


class _Laid(NamedTuple):
    """Postings of a range of terms, term after term."""

    docs: np.ndarray
    freqs: np.ndarray
    """Exact, as int32."""


def _ranges(starts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Terms from and up to, so many at once that their postings fit into memory (one term always does)."""
    first = 0
    while first < len(starts) - 1:
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + MAX_POSTINGS, side="right")) - 1)
        yield first, last
        first = last


def _lay_out(blocks: Sequence[Path], numbers: Sequence[np.ndarray], starts: np.ndarray, first: int, last: int) -> _Laid:
    """Collect the postings of terms `first` to `last` from all blocks.

    Args:
        blocks: in document order.
        numbers: for each block, the number of each of its terms.
        starts: where each term's postings begin.
        first, last: from and up to.
    """
    num_postings = int(starts[last] - starts[first])
    laid = _Laid(np.empty(num_postings, dtype=np.int32), np.empty(num_postings, dtype=np.int32))
    cursor = starts[first:last] - starts[first]
    first_doc = 0
    for path, number in zip(blocks, numbers, strict=True):
        block = _read_block(path)
        of_term = number[block["term_ids"]]
        mine = np.flatnonzero((of_term >= first) & (of_term < last))
        order = mine[np.argsort(of_term[mine], kind="stable")]
        sorted_terms = of_term[order] - first
        # Within the block, the n-th posting of a term goes n places behind the term's cursor.
        distinct, at, counts = np.unique(sorted_terms, return_index=True, return_counts=True)
        places = np.repeat(cursor[distinct] - at, counts) + np.arange(len(sorted_terms))
        laid.docs[places] = block["docs"][order] + first_doc
        laid.freqs[places] = block["freqs"][order]
        cursor[distinct] += counts
        first_doc += len(block["lengths"])
    return laid


def _merge_vocabularies(blocks: Sequence[Path]) -> tuple[list[bytes], np.ndarray]:
    counts: dict[bytes, int] = {}
    for path in blocks:
        block = _read_block(path)
        in_block = np.bincount(block["term_ids"], minlength=1)
        for term, count in zip(_block_terms(block), in_block.tolist(), strict=False):
            counts[term] = counts.get(term, 0) + count
    vocabulary = sorted(counts)
    return vocabulary, np.fromiter((counts[term] for term in vocabulary), dtype=np.int64, count=len(vocabulary))


def _read_block(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def _block_terms(block: dict[str, np.ndarray]) -> list[bytes]:
    joined = block["vocabulary"].tobytes()
    return joined.split(b"\n") if joined else []


def _write_vocabulary(folder: Path, vocabulary: Sequence[bytes]) -> None:
    (folder / "terms.bin").write_bytes(b"".join(vocabulary))
    starts = np.zeros(len(vocabulary) + 1, dtype=np.int64)
    np.cumsum([len(term) for term in vocabulary], out=starts[1:])
    starts.tofile(folder / "term_starts.i8")


def _norms(lengths: np.ndarray) -> np.ndarray:
    distinct, inverse = np.unique(lengths, return_inverse=True)
    codes = np.array([encode_length(int(length)) for length in distinct], dtype=np.uint8)
    return codes[inverse] if len(codes) else np.zeros(0, dtype=np.uint8)


def _asin_ranks(asins: Sequence[str]) -> np.ndarray:
    ranks = np.empty(len(asins), dtype=np.int32)
    # Lucene compares the ASINs as UTF-8 bytes.
    ranks[sorted(range(len(asins)), key=lambda doc: asins[doc].encode("utf-8", "surrogatepass"))] = np.arange(
        len(asins), dtype=np.int32
    )
    return ranks


def _bounds(laid: _Laid, starts: np.ndarray, norms: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """[terms] the largest 1 - 1 / (1 + frequency · length factor) of each term."""
    parts = 1 - 1 / (1 + laid.freqs.astype(np.float32) * factors[norms[laid.docs]])
    # A little more than a product with so high a frequency ever gets.
    parts[laid.freqs >= 255] = 1.0
    return np.maximum.reduceat(parts, starts[:-1]).astype(np.float32)
