"""A trajectory as bytes and back: JSON for the words, two plain arrays for token ids and log-probabilities, zstd around both.

Layout before compression, little-endian: record version (u8), type of the ids (`i` int32 or `q` int64), type of the log-probs
(`f` float32 or `d` float64), lengths in bytes of the three parts (u64 each), then JSON, ids, log-probs. The narrow type is taken
only where every number survives it, so what is read equals what was written. Wall-clock seconds stay outside: equal work packs to
equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import struct
import sys
from array import array
from dataclasses import replace
from typing import Any

import zstandard

from a3t.errors import BadDataError
from a3t.store.records import RECORD_VERSION, from_json, to_json
from a3t.types import Tokens, Trajectory

_HEAD = struct.Struct("<BccQQQ")
_LEVEL = 3


def pack(trajectory: Trajectory) -> bytes:
    """The canonical bytes of a trajectory, its seconds left out; equal trajectories give equal bytes.

    Raises:
        BadDataError: a token id needs more than 64 bits.
    """
    ids: list[int] = []
    logprobs: list[float] = []

    def set_aside(tokens: Tokens) -> list[int]:
        ids.extend(tokens.ids)
        logprobs.extend(tokens.logprobs)
        return [len(tokens.ids), len(tokens.logprobs)]

    if trajectory.cost.seconds:
        trajectory = replace(trajectory, cost=replace(trajectory.cost, seconds=0.0))
    data = to_json(trajectory, set_aside)
    # surrogatepass: an environment may show half a character, and the record says what was shown.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    id_type, id_bytes = _narrow_ids(ids)
    logprob_type, logprob_bytes = _narrow_logprobs(logprobs)
    head = _HEAD.pack(RECORD_VERSION, id_type, logprob_type, len(text), len(id_bytes), len(logprob_bytes))
    return b"".join((head, text, id_bytes, logprob_bytes))


def unpack(data: bytes, seconds: float = 0.0) -> Trajectory:
    """The trajectory that was packed, with its wall-clock seconds.

    Raises:
        BadDataError: not what `pack` writes, or written by a newer a3t.
    """
    try:
        version, id_type, logprob_type, *sizes = _HEAD.unpack_from(data)
        if version != RECORD_VERSION:
            raise BadDataError(f"the record has version {version}; this a3t reads version {RECORD_VERSION}.\n  Try a newer a3t.")
        if _HEAD.size + sum(sizes) != len(data):
            raise BadDataError(f"the record is {len(data)} bytes long, its head says {_HEAD.size + sum(sizes)}.")
        text_end = _HEAD.size + sizes[0]
        ids = _widen(id_type.decode("ascii"), data[text_end : text_end + sizes[1]])
        logprobs = _widen(logprob_type.decode("ascii"), data[text_end + sizes[1] :])
        fields = json.loads(data[_HEAD.size : text_end].decode("utf-8", "surrogatepass"))
        if seconds:
            fields.setdefault("cost", {})["seconds"] = seconds
    except BadDataError:
        raise
    except (struct.error, ValueError, AttributeError) as error:
        raise BadDataError(f"the record is damaged: {error}.") from None
    taken = [0, 0]

    def take(counts: Any, where: str) -> Tokens:
        (first_id, first_logprob), (num_ids, num_logprobs) = taken, counts
        taken[:] = first_id + num_ids, first_logprob + num_logprobs
        return Tokens(tuple(ids[first_id : taken[0]]), tuple(logprobs[first_logprob : taken[1]]))

    return from_json(fields, take)


def content_hash(trajectory: Trajectory) -> str:
    """Sixty-four hex digits that two trajectories share exactly when they differ in nothing but wall-clock seconds."""
    return hash_packed(pack(trajectory)).hex()


def hash_packed(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=32).digest()


def compress(data: bytes) -> bytes:
    # A compressor per call: objects may not be shared between threads, and making one takes a microsecond.
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)


def decompress(data: bytes) -> bytes:
    """Raises `BadDataError` where the bytes are damaged: each record carries a checksum."""
    try:
        return zstandard.ZstdDecompressor().decompress(data)
    except (zstandard.ZstdError, MemoryError) as error:
        raise BadDataError(f"the record is damaged: {error}.") from None


def _narrow_ids(ids: list[int]) -> tuple[bytes, bytes]:
    for code in ("i", "q"):
        try:
            return code.encode("ascii"), _little_endian(array(code, ids)).tobytes()
        except OverflowError:
            continue
    raise BadDataError(
        f"token ids: expected whole numbers of at most 64 bits, got one of {max(map(abs, ids)).bit_length()} bits."
    )


def _narrow_logprobs(logprobs: list[float]) -> tuple[bytes, bytes]:
    wide = array("d", logprobs)
    narrow = array("f", wide)
    exact = narrow.tolist() == wide.tolist()
    return (b"f", _little_endian(narrow).tobytes()) if exact else (b"d", _little_endian(wide).tobytes())


def _widen(code: str, data: bytes) -> list[Any]:
    numbers = array(code)
    numbers.frombytes(data)
    return _little_endian(numbers).tolist()


def _little_endian(numbers: array[Any]) -> array[Any]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
