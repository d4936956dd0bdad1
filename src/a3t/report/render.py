"""A `Table` in the terminal (80 columns), as Markdown and as JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from a3t.report.table import Cell, Row, Table
from a3t.report.visible import one_line

WIDTH = 80


def to_rich(table: Table, width: int = WIDTH) -> RenderableType:
    """For a terminal of `width` columns; a table that is too wide is turned on its side. Text from outside is never markup."""
    if table_width(table) > width and not any(row.source for row in table.rows) and len(table.rows) < len(table.columns):
        table = table.transposed()
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    grid.add_column(Text(one_line(table.head)), no_wrap=True)
    for name in table.columns:
        grid.add_column(Text(one_line(name)), justify="right", overflow="ellipsis", no_wrap=True)
    source = ""
    for row in table.rows:
        if row.source != source:
            source = row.source
            grid.add_section()
            grid.add_row(Text(one_line(source), style="italic dim"))
        style = "dim" if row.source or row.label == "Tasks" else ""
        grid.add_row(Text(one_line(row.label)), *(_text(cell) for cell in row.cells), style=style)
    title = Text(one_line(table.title), style="bold")
    if table.like:
        title.append(f"  (shape of the paper's {table.like})", style="dim")
    notes = [Text(one_line(note), style="dim") for note in table.notes]
    return Group(title, grid, *notes)


def table_width(table: Table) -> int:
    """Columns of a terminal that it needs, cell padding included."""
    labels = [text for row in table.rows for text in (row.label, row.source)]
    widths = [max(cell_len(one_line(text)) for text in [table.head, *labels])]
    for i, name in enumerate(table.columns):
        widths.append(max([cell_len(one_line(name)), *(cell_len(one_line(row.cells[i].text)) for row in table.rows)]))
    return sum(widths) + 2 * len(widths)


def _text(cell: Cell) -> Text:
    return Text(one_line(cell.text), style="bold" if cell.best else "")


def to_markdown(table: Table) -> str:
    """GitHub Markdown; the paper's rows are marked in their label."""
    lines = [f"**{_escaped(table.title)}**{f' (shape of the paper’s {table.like})' if table.like else ''}", ""]
    lines.append(_line([table.head, *table.columns]))
    lines.append("|" + "|".join([":--", *("--:" for _ in table.columns)]) + "|")
    lines += [_line(_markdown_row(row), escape=False) for row in table.rows]
    lines += [f"\n{_escaped(note)}" for note in table.notes]
    return "\n".join(lines) + "\n"


def _markdown_row(row: Row) -> list[str]:
    label = f"{_escaped(row.label)} *({_escaped(row.source)})*" if row.source else _escaped(row.label)
    return [label, *(f"**{_escaped(cell.text)}**" if cell.best else _escaped(cell.text) for cell in row.cells)]


def _line(texts: Iterable[str], escape: bool = True) -> str:
    return "| " + " | ".join(_escaped(text) if escape else text for text in texts) + " |"


def _escaped(text: str) -> str:
    """No table, tag, link or emphasis can start in it."""
    # An underscore inside a word means nothing to GitHub, and `valid_unseen` is nicer to read without a backslash.
    return re.sub(r"[\\|`*\[\]<>#~]|(?<!\w)_|_(?!\w)", r"\\\g<0>", one_line(text).replace("&", "&amp;"))


def to_json(tables: Iterable[Table]) -> str:
    return json.dumps([table.to_json() for table in tables], ensure_ascii=False, indent=1, allow_nan=False)
