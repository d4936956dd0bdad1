"""Official WebShop files to a catalogue folder: streamed, in bounded memory, going on where an interrupted import stopped.

Three files go in: products (`items_shuffle.json`), attributes and synthetic instructions (`items_ins_v2.json`), human
instructions (`items_human_ins.json`, optional). Work is committed block by block: products into SQLite together with the byte
reached, their counted terms into a block file just before; a block file without its commit is simply written again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard

from a3t.envs.webshop.catalogue import FORMAT, MANIFEST, Catalogue, read_manifest
from a3t.envs.webshop.goals import catalogue_goals
from a3t.envs.webshop.indexing import num_documents, write_block, write_index
from a3t.envs.webshop.product import NO_ATTRIBUTES, Product, all_texts, parse_product, usable_asin, whole_text
from a3t.envs.webshop.stream import Element, read_elements
from a3t.errors import NO_SPACE, BadDataError, DiskFullError, MissingDataError

BLOCK_PRODUCTS = 10_000
"""Products committed at once; memory and lost work grow with it."""

Progress = Callable[[str, float], None]
"""Called with a stage's name and the share of it that is done, 0 to 1."""

_PRODUCTS = "products"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS progress (stage TEXT PRIMARY KEY, byte INTEGER, count INTEGER, done INTEGER);
CREATE TABLE IF NOT EXISTS products (number INTEGER PRIMARY KEY, asin TEXT UNIQUE, category TEXT, query TEXT, data BLOB);
CREATE TABLE IF NOT EXISTS synthetic (asin TEXT PRIMARY KEY, attributes TEXT, instruction TEXT, wanted TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS human (asin TEXT PRIMARY KEY, instructions TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attributes (attribute TEXT, number INTEGER, PRIMARY KEY (attribute, number)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class OfficialFiles:
    """The files of the original, as found in a folder."""

    products: Path
    attributes: Path
    human: Path | None

    @property
    def fingerprint(self) -> str:
        """Changes when any file does (path, size, modification time), or the way they are imported."""
        seen = [
            FORMAT,
            *(
                (str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns)
                for p in (self.products, self.attributes, self.human)
                if p
            ),
        ]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]


def find_official_files(folder: Path) -> OfficialFiles:
    """The full set where there is one, else the set of 1,000 (or 100).

    Raises:
        MissingDataError: says which files were looked for and where they come from.
    """
    if not folder.is_dir():
        raise MissingDataError(f"there is no folder {folder}.\n{_WHERE_FROM}")
    for suffix in ("", "_1000", "_100"):
        products, attributes = folder / f"items_shuffle{suffix}.json", folder / f"items_ins_v2{suffix}.json"
        if products.is_file() and attributes.is_file():
            human = folder / "items_human_ins.json"
            return OfficialFiles(products, attributes, human if human.is_file() else None)
    present = sorted(path.name for path in folder.glob("items_*.json"))
    raise MissingDataError(
        f"{folder} holds no WebShop catalogue: looked for {MANIFEST} (imported), or items_shuffle.json with items_ins_v2.json "
        f"(or both with _1000); found {', '.join(present) or 'neither'}.\n{_WHERE_FROM}"
    )


_WHERE_FROM = (
    "  The official files come with `setup.sh` of github.com/princeton-nlp/WebShop (-d small or -d all).\n"
    "  Without any, a3t.make('webshop') uses a generated catalogue."
)


def open_catalogue(folder: Path | str, progress: Progress = lambda stage, share: None) -> Catalogue:
    """Open an imported catalogue, or a folder of official files, which is imported into the cache on first use.

    Raises:
        MissingDataError, BadDataError: see `find_official_files`, `import_catalogue`.
    """
    return Catalogue(catalogue_folder(folder, progress))


def catalogue_folder(folder: Path | str, progress: Progress = lambda stage, share: None) -> Path:
    """Where the imported form of a folder lies, which may be the folder itself; imports it if need be."""
    folder = Path(folder).expanduser()
    if (folder / MANIFEST).is_file():
        return folder
    files = find_official_files(folder)
    return import_catalogue(folder, cache_folder() / f"catalogue-{files.fingerprint}", progress)


def cache_folder() -> Path:
    """`$A3T_CACHE`, or `a3t` in the user's cache folder; its part for this world."""
    base = os.environ.get("A3T_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "a3t"
    return Path(base) / "webshop"


def import_catalogue(source: Path | str, out: Path | str, progress: Progress = lambda stage, share: None) -> Path:
    """Import official files into `out`; finishes an import that was interrupted, and returns at once where one is complete.

    Args:
        source: folder with the official files.
        out: the catalogue folder; made if need be.
        progress: told how far each stage is.

    Returns:
        `out`.

    Raises:
        MissingDataError: files are missing.
        BadDataError: a file is malformed; says which product and byte. What came before it is kept for the next try. Or `out`
            holds the catalogue of other files.
        DiskFullError: what was written so far is kept for the next try.
    """
    files, out = find_official_files(Path(source).expanduser()), Path(out).expanduser()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with _only_one(out / ".lock"):
            if (out / MANIFEST).is_file():
                _refuse_other_sources(files, out)
                shutil.rmtree(out / "blocks", ignore_errors=True)
            else:
                _import(files, out, progress)
    except (OSError, sqlite3.OperationalError) as error:
        if isinstance(error, MissingDataError):
            raise
        if getattr(error, "errno", None) in NO_SPACE or "disk is full" in str(error):
            raise DiskFullError(
                f"no space left while importing into {out}; make room and run it again, it goes on from here."
            ) from None
        raise BadDataError(f"cannot write the catalogue to {out}: {error}.") from None
    return out


def _import(files: OfficialFiles, out: Path, progress: Progress) -> None:
    (out / "blocks").mkdir(exist_ok=True)
    database = sqlite3.connect(out / "products.sqlite")
    with contextlib.closing(database):
        database.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY;" + _SCHEMA)
        _forget_other_sources(database, files, out)
        _import_attributes(database, files.attributes, progress)
        if files.human:
            _import_human(database, files.human, progress)
        _import_products(database, files.products, out / "blocks", progress)
        if not _is_covered(database, out / "blocks"):
            _forget_products(database, out / "blocks")
            _import_products(database, files.products, out / "blocks", progress)
        asins = [asin for (asin,) in database.execute("SELECT asin FROM products ORDER BY number")]
        if not asins:
            raise BadDataError(f"{files.products} holds no usable product.")
        (out / "index").mkdir(exist_ok=True)
        write_index(out / "index", _blocks(out / "blocks"), asins, lambda share: progress("index", share))
        database.executescript(
            "CREATE INDEX IF NOT EXISTS by_category ON products (category);"
            "CREATE INDEX IF NOT EXISTS by_query ON products (query);"
            "PRAGMA journal_mode = DELETE;"
        )
        digest = hashlib.sha256()
        for (data,) in database.execute("SELECT data FROM products ORDER BY number"):
            digest.update(data)
    manifest = {
        "format": FORMAT,
        "fingerprint": files.fingerprint,
        "num_products": len(asins),
        "hash": digest.hexdigest(),
        "sources": {path.name: path.stat().st_size for path in (files.products, files.attributes, files.human) if path},
    }
    temporary = out / f"{MANIFEST}.part"
    temporary.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    temporary.replace(out / MANIFEST)
    # Not before: whoever is killed here goes on with the blocks, and without them would lay out an index of nothing.
    shutil.rmtree(out / "blocks")
    # Made now, so that opening finds them ready.
    catalogue_goals(Catalogue(out), "human")


def _refuse_other_sources(files: OfficialFiles, out: Path) -> None:
    """A complete catalogue of other files is nothing to go on with; what an older a3t imported does not say of which it is."""
    manifest = read_manifest(out)
    if manifest.get("fingerprint", files.fingerprint) != files.fingerprint:
        raise BadDataError(
            f"{out} holds another catalogue, of {manifest['num_products']} products: it was imported from other files "
            f"than those in {files.products.parent}, or before these were moved or changed.\n"
            f"  Try: another folder, or delete {out} and import again; to use what is there: data={out}"
        )


def _forget_other_sources(database: sqlite3.Connection, files: OfficialFiles, out: Path) -> None:
    """Half an import of other files, or of files that changed since, is no use."""
    row = database.execute("SELECT byte FROM progress WHERE stage = ?", (f"source {files.fingerprint}",)).fetchone()
    if row is None:
        for table in ("progress", "products", "synthetic", "human", "attributes"):
            database.execute(f"DELETE FROM {table}")
        database.execute("INSERT INTO progress VALUES (?, 0, 0, 0)", (f"source {files.fingerprint}",))
        database.commit()
        for block in (out / "blocks").glob("*"):
            block.unlink()


def _blocks(folder: Path) -> list[Path]:
    """In document order."""
    return sorted(folder.glob("*.npz"))


def _is_covered(database: sqlite3.Connection, folder: Path) -> bool:
    """Whether the blocks hold the terms of as many documents as there are products."""
    num_products = int(database.execute("SELECT count(*) FROM products").fetchone()[0])
    try:
        return sum(map(num_documents, _blocks(folder))) == num_products
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False


def _forget_products(database: sqlite3.Connection, folder: Path) -> None:
    """So that they are read again from the top, and their blocks written anew."""
    for table in ("products", "attributes"):
        database.execute(f"DELETE FROM {table}")
    database.execute("DELETE FROM progress WHERE stage = ?", (_PRODUCTS,))
    database.commit()
    for block in folder.glob("*"):
        block.unlink()


def _import_attributes(database: sqlite3.Connection, path: Path, progress: Progress) -> None:
    for batch in _batches(database, "attributes", path, progress, BLOCK_PRODUCTS):
        rows = []
        for element in batch:
            with _named(element, path):
                whole_text(element.key, "ASIN")
                entry = _mapping(element.value)
                attributes = entry.get("attributes")
                wanted = all_texts(entry.get("instruction_attributes"), "instruction_attributes")
                rows.append(
                    (
                        element.key,
                        _dump(None if attributes is None else all_texts(attributes, "attributes")),
                        _text_or_none(entry.get("instruction"), "instruction"),
                        _dump(wanted),
                    )
                )
        database.executemany("INSERT OR REPLACE INTO synthetic VALUES (?, ?, ?, ?)", rows)


def _import_human(database: sqlite3.Connection, path: Path, progress: Progress) -> None:
    for batch in _batches(database, "human instructions", path, progress, BLOCK_PRODUCTS):
        for element in batch:
            with _named(element, path):
                whole_text(element.key, "ASIN")
                _check_human(element.value)
        database.executemany("INSERT OR REPLACE INTO human VALUES (?, ?)", [(e.key, _dump(e.value)) for e in batch])


def _check_human(entries: object) -> None:
    """Before they are kept: goals are made of them once the catalogue is complete, and that is late to complain."""
    if not isinstance(entries, list):
        raise BadDataError(f"expected a list of instructions, found {entries!r:.60}.")
    for entry in map(_mapping, entries):
        if all_texts(entry.get("instruction_attributes"), "instruction_attributes"):
            all_texts(entry.get("instruction_options"), "instruction_options")
            if _text_or_none(entry.get("instruction"), "instruction") is None:
                raise BadDataError("instruction: expected text, found None.")


def _import_products(database: sqlite3.Connection, path: Path, blocks: Path, progress: Progress) -> None:
    compress = zstandard.ZstdCompressor(level=3).compress
    for batch in _batches(database, _PRODUCTS, path, progress, BLOCK_PRODUCTS):
        first = database.execute("SELECT count(*) FROM products").fetchone()[0]
        products: dict[str, Product] = {}
        for element in batch:
            asin = usable_asin(element.value)
            if asin is not None:
                with _named(element, path):
                    whole_text(asin, "asin")
            if asin is None or asin in products or database.execute("SELECT 1 FROM products WHERE asin = ?", (asin,)).fetchone():
                continue
            with _named(element, path):
                product = products[asin] = parse_product(element.value, _attributes_of(database, asin))
                whole_text(product.category, "category")
                whole_text(product.query, "query")
        write_block(blocks / f"{first:09d}.npz", [product.indexed_text for product in products.values()])
        rows = [
            (
                first + at,
                product.asin,
                product.category,
                product.query,
                compress(product.to_json().encode("utf-8", "surrogatepass")),
            )
            for at, product in enumerate(products.values())
        ]
        database.executemany("INSERT INTO products VALUES (?, ?, ?, ?, ?)", rows)
        carried = [(attribute, first + at) for at, product in enumerate(products.values()) for attribute in product.attributes]
        database.executemany("INSERT OR IGNORE INTO attributes VALUES (?, ?)", carried)


def _batches(database: sqlite3.Connection, stage: str, path: Path, progress: Progress, size: int) -> Iterator[list[Element]]:
    """Elements of a file in lists of `size`, from where the stage stopped; commits what the caller did with each list."""
    row = database.execute("SELECT byte, count, done FROM progress WHERE stage = ?", (stage,)).fetchone()
    byte, count, done = row or (0, 0, 0)
    if done:
        return
    total = max(1, path.stat().st_size)
    batch: list[Element] = []
    for element in read_elements(path, byte, count, array=stage == _PRODUCTS):
        batch.append(element)
        if len(batch) == size:
            yield batch
            database.execute("INSERT OR REPLACE INTO progress VALUES (?, ?, ?, 0)", (stage, element.end, element.index + 1))
            database.commit()
            progress(stage, element.end / total)
            batch = []
    if batch:
        yield batch
    database.execute("INSERT OR REPLACE INTO progress VALUES (?, ?, ?, 1)", (stage, total, count))
    database.commit()
    progress(stage, 1.0)


@contextlib.contextmanager
def _named(element: Element, path: Path) -> Iterator[None]:
    """Says of which product, in which file and where in it, something is wrong."""
    try:
        yield
    except BadDataError as error:
        which = repr(element.key) if element.key else f"product {element.index} ({usable_asin(element.value)})"
        which = which.encode("utf-8", "backslashreplace").decode()
        raise BadDataError(f"{path}: {which}, which begins at byte {element.start}: {error}") from None


def _attributes_of(database: sqlite3.Connection, asin: str) -> tuple[str, ...]:
    row = database.execute("SELECT attributes FROM synthetic WHERE asin = ?", (asin,)).fetchone()
    attributes = json.loads(row[0]) if row and row[0] else None
    return NO_ATTRIBUTES if attributes is None else tuple(map(str, attributes))


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadDataError(f"expected an object, found {value!r:.60}.")
    return value


def _text_or_none(value: object, field: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise BadDataError(f"{field}: expected text, found {value!r:.60}.")
    return None if value is None else whole_text(value, field)


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Holds a lock file; a second importer waits and then finds the work done."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
