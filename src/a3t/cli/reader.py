"""Whoever reads what a command prints may have seen enough: leaving a pipe is no failure, for any command and for `--help`."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperGroup

from a3t.errors import Interrupted


class Commands(TyperGroup):
    """The commands. Whoever reads the output may have seen enough (`a3t tasks household | head -1`): that is no failure."""

    def make_context(self, *arguments: Any, **extra: Any) -> Any:
        # `--help` is told here, before any command.
        with seen_enough():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: Any) -> Any:
        try:
            with seen_enough():
                result = super().invoke(ctx)
                sys.stdout.flush()
        except KeyboardInterrupt:
            # Typer would make an exit code of it, without a word.
            raise Interrupted("stopped at once. What was acknowledged is saved") from None
        return result


@contextmanager
def seen_enough() -> Iterator[None]:
    """Where nobody reads standard output any more, leave with 0."""
    try:
        yield
    except BrokenPipeError as error:
        if not reader_is_gone():
            # Of this, too, Typer would make an exit code without a word.
            raise RuntimeError("a pipe broke, and it is not that of standard output") from error
        raise typer.Exit(0) from None


def reader_is_gone() -> bool:
    """Nobody reads standard output any more; what is left of it goes nowhere, at the end of the process too."""
    try:
        out = sys.stdout.fileno()
        asked = select.poll()
        asked.register(out, 0)
        if not asked.poll(0):
            return False
        os.dup2(os.open(os.devnull, os.O_WRONLY), out)
    except (AttributeError, OSError):
        # No such question on this system, or no such file.
        return False
    return True
