"""What a run remembers: trajectories, finished rounds, provenance; safe against kill -9, closed to test tasks."""

from a3t.store.jsonl import read_jsonl, write_jsonl
from a3t.store.packing import content_hash
from a3t.store.records import RECORD_VERSION, check, from_json, to_json
from a3t.store.rows import Done, Row, Summary, Where
from a3t.store.store import FILE_NAME, TRAINING_STAGES, RunInfo, Store

__all__ = [  # noqa: RUF022 (grouped)
    # the store
    "FILE_NAME", "TRAINING_STAGES", "RunInfo", "Store",
    # what it answers without reading text
    "Done", "Row", "Summary", "Where",
    # records in files
    "RECORD_VERSION", "check", "content_hash", "from_json", "read_jsonl", "to_json", "write_jsonl",
]  # fmt: skip
