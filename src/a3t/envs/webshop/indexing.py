"""Builds the search index in two passes and bounded memory: spill counted terms block by block, then lay out postings term by
term.

A block is the terms of some thousand documents, written whole beside the products they belong to; an interrupted import goes on
with the next block. The second pass reads the blocks in document order, so that every list comes out sorted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from a3t.envs.webshop.analyzer import terms
from a3t.envs.webshop.bm25 import encode_length, length_factors


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
    _write_vocabulary(folder, vocabulary)
    starts.tofile(folder / "starts.i8")
    rank = {term: number for number, term in enumerate(vocabulary)}
    num_postings = int(starts[-1])
    docs = np.memmap(folder / "docs.i4", dtype=np.int32, mode="w+", shape=(max(1, num_postings),))
    freqs = np.memmap(folder / "freqs.u1", dtype=np.uint8, mode="w+", shape=(max(1, num_postings),))
    cursor = starts[:-1].copy()
    lengths: list[np.ndarray] = []
    overflow: list[tuple[int, int]] = []
    first_doc = 0
    for done, path in enumerate(blocks):
        block = _read_block(path)
        to_global = np.array([rank[term] for term in _block_terms(block)], dtype=np.int64)
        numbers = to_global[block["term_ids"]]
        order = np.argsort(numbers, kind="stable")
        numbers = numbers[order]
        # Within the block, the n-th posting of a term goes n places behind the term's cursor.
        distinct, first, counts = np.unique(numbers, return_index=True, return_counts=True)
        places = np.repeat(cursor[distinct] - first, counts) + np.arange(len(numbers))
        docs[places] = block["docs"][order] + first_doc
        exact = block["freqs"][order]
        freqs[places] = np.minimum(exact, 255)
        overflow.extend(zip(places[exact >= 255].tolist(), exact[exact >= 255].tolist(), strict=True))
        cursor[distinct] += counts
        lengths.append(block["lengths"])
        first_doc += len(block["lengths"])
        progress(0.9 * (done + 1) / len(blocks))
    all_lengths = np.concatenate(lengths) if lengths else np.zeros(0, dtype=np.int32)
    norms = _norms(all_lengths)
    norms.tofile(folder / "norms.u1")
    np.array(sorted(overflow), dtype=np.int64).reshape(-1, 2).tofile(folder / "overflow.i8")
    _asin_ranks(asins).tofile(folder / "asin_rank.i4")
    with_text = int(np.count_nonzero(all_lengths))
    total = int(all_lengths.sum(dtype=np.int64))
    _bounds(docs, freqs, starts, norms, length_factors(total / max(1, with_text)), dict(overflow)).tofile(folder / "bounds.f4")
    docs.flush()
    freqs.flush()
    if num_postings == 0:
        (folder / "docs.i4").write_bytes(b"")
        (folder / "freqs.u1").write_bytes(b"")
    numbers_file = {"num_docs": first_doc, "num_docs_with_text": with_text, "total_length": total, "num_postings": num_postings}
    (folder / "index.json").write_text(json.dumps(numbers_file), encoding="utf-8")
    progress(1.0)


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


def _bounds(
    docs: np.ndarray, freqs: np.ndarray, starts: np.ndarray, norms: np.ndarray, factors: np.ndarray, overflow: dict[int, int]
) -> np.ndarray:
    """[terms] the largest 1 - 1 / (1 + frequency · length factor) of each term, a slice of postings at a time."""
    bounds = np.zeros(len(starts) - 1, dtype=np.float32)
    slice_size, first = 1 << 22, 0
    while first < len(bounds):
        last = max(first + 1, int(np.searchsorted(starts, starts[first] + slice_size, side="right")) - 1)
        begin, end = int(starts[first]), int(starts[last])
        parts = 1 - 1 / (1 + freqs[begin:end].astype(np.float32) * factors[norms[docs[begin:end]]])
        bounds[first:last] = np.maximum.reduceat(parts, starts[first:last] - begin)
        first = last
    for place in overflow:
        bounds[int(np.searchsorted(starts, place, side="right")) - 1] = 1.0
    return bounds
