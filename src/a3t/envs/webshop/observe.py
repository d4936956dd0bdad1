"""Pages as the text an agent reads: `text` and `text_rich` of the original, `react` of ReAct, Reflexion and A3T."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Literal

from a3t.envs.webshop.pages import SCORE, Kind, Page

Mode = Literal["text", "text_rich", "react"]
MODES: tuple[Mode, ...] = ("text", "text_rich", "react")


def as_text(page: Page) -> str:
    """The visible texts, trimmed, joined by ` [SEP] `."""
    return " [SEP] ".join(piece.text.strip() for piece in page.pieces)


def as_rich_text(page: Page, url: str, visited: Collection[str]) -> str:
    """One line a text, buttons and options in markers; what was clicked before is marked, and options clicked are named at the
    top.

    Args:
        page: what is shown.
        url: an option counts as clicked where the address holds it in double quotes, as in the original.
        visited: ASINs opened since the last search page.
    """
    text = ""
    for piece in page.pieces:
        shown = piece.text
        if piece.kind is Kind.BUTTON:
            shown = f"[button] {shown} [button_]"
        elif piece.kind is Kind.OPTION:
            if f'"{shown}"' in url:
                text = f"You have clicked {shown}.\n{text}"
                shown = f"  [clicked button] {shown} [clicked button_]"
            else:
                shown = f"  [button] {shown} [button_]"
        elif piece.kind is Kind.PRODUCT:
            shown = f"\n[clicked button] {shown} [clicked button_]" if shown in visited else f"\n[button] {shown} [button_]"
        text += shown + "\n"
    return text


def as_react(page: Page, is_first: bool, address: str) -> str:
    """ReAct's own notation: buttons and products on lines of their own in brackets, options in a row.

    Args:
        page: what is shown.
        is_first: the search page, where alone the instruction is told.
        address: an option counts as clicked where the address holds it in single quotes.
    """
    texts = [piece.text for piece in page.pieces]
    if SCORE in texts and not page.clickables:
        return f"{SCORE}: {texts[texts.index(SCORE) + 1]}"
    parts, plain_seen = [], 0
    for piece in page.pieces:
        text = piece.text
        if not text.replace("\n", "").replace("\\n", "").replace(" ", ""):
            continue
        if piece.kind in (Kind.BUTTON, Kind.PRODUCT):
            parts.append(f"\n[{text}] ")
        elif piece.kind is Kind.OPTION:
            parts.append(f"[[{text}]]" if f"'{text}'" in address else f"[{text}]")
        else:
            plain_seen += 1
            # The first two texts are the instruction and its heading.
            if is_first or plain_seen > 2:
                parts.append(f"\n{text} ")
    return _unescaped("".join(parts))


def react_address(asin: str, query: str, page_number: int, options: Mapping[str, str]) -> str:
    """The part of ReAct's page address that can hold an option's value."""
    return f"{asin}/{query}/{page_number}/{dict(options)}"


def _unescaped(text: str) -> str:
    """ReAct reads backslash sequences in page text (`\\u2019`) as the characters they name; where that fails, the text stays."""
    if "\\" not in text:
        return text
    try:
        # Only a well-formed sequence is touched; a lone backslash (`N\\C`) stays, as Python leaves it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return text.encode().decode("unicode-escape").encode("latin1").decode("utf-8")
    except UnicodeError:
        return text
