"""Whose doing it is where a world that is not ours breaks before it is played: one message, with the place in its code."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from a3t.errors import A3TError, EnvironmentFailure

_OURS = str(Path(__file__).parent.parent)


@contextmanager
def blaming(name: str, doing: str, hint: str = "") -> Iterator[None]:
    """What a user's world or a plug-in raises inside becomes `EnvironmentFailure`; ours keeps its traceback: it is a bug.

    Args:
        name: as a recipe names it.
        doing: what it was asked for, as in "broke while its tasks were listed".
        hint: a second line, what was expected or what to try.
    """
    try:
        yield
    except A3TError:
        raise
    except (Exception, SystemExit) as error:
        from a3t.envs import BUILTIN

        if name in BUILTIN:
            raise
        text = f"environment {name!r} broke while {doing}: {told(error)}."
        raise EnvironmentFailure(text + (f"\n  {hint}" if hint else "")) from error


def listing(name: str) -> AbstractContextManager[None]:
    """Around whatever asks a world for its tasks."""
    return blaming(
        name,
        "its tasks were listed",
        f"Expected: tasks(split) gives a sequence of a3t.types.Task. Try: a3t env check {name}",
    )


def version_of(env: object, name: str) -> str:
    """How records name a world: by its version, or by what it calls itself (a shop names catalogue and noun tagger)."""
    with blaming(name, "it was asked for its version"):
        return str(getattr(env, "version", None) or getattr(env, "name", None) or name)


def told(error: BaseException) -> str:
    """`ValueError: no such door (mine.py, line 7)`: the kind, one line of the message, and where in the world's own code."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({Path(error.filename or '?').name}, line {error.lineno})"
    said = (str(error).strip().splitlines() or ["no message"])[0][:300].rstrip(".")
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {said}{where}"


def _is_theirs(filename: str) -> bool:
    return not filename.startswith((_OURS, "<")) and "importlib" not in Path(filename).parts
