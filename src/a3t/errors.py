"""One tree of errors; each says what was expected, what came, where, and what to try.

    A3TError
    ├── RecipeError              a recipe or an override does not make sense            (also ValueError)
    ├── UnknownNameError         an environment, model, objective, split … nobody knows (also LookupError)
    │   └── UnknownTaskError
    ├── MissingExtraError        an optional package is not installed                   (also ImportError)
    ├── MissingDataError         data a user must supply is absent or incomplete        (also FileNotFoundError)
    ├── BadDataError             a file, a record or a server's answer is malformed     (also ValueError)
    ├── StoreError               the run's database cannot do what was asked
    │   ├── TestTaskError        a test task was about to enter the training data
    │   └── StoreLockedError     another process owns it
    ├── EnvironmentFailure       a world crashed, hung or answered nonsense
    ├── ModelError               a model cannot be loaded, or failed beyond retries
    ├── NothingToTrainError      no token would be trained
    ├── DiskFullError            what was acknowledged is safe; nothing more fits
    └── Interrupted              the user asked to stop; everything finished is saved

The command line prints any of them as one message and ends with code 2 (130 for `Interrupted`); a traceback is a bug of ours.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable


class A3TError(Exception):
    """Base of all errors that a3t raises on purpose."""


class RecipeError(A3TError, ValueError):
    """A recipe, an override or an option does not make sense."""


class UnknownNameError(A3TError, LookupError):
    """A name that is not registered."""


class UnknownTaskError(UnknownNameError):
    """An environment has no such task."""


class MissingExtraError(A3TError, ImportError):
    """An optional package is needed and not installed."""


class MissingDataError(A3TError, FileNotFoundError):
    """Data that a user must supply is absent or incomplete."""


class BadDataError(A3TError, ValueError):
    """A file, a record or an answer is malformed."""


class StoreError(A3TError):
    """The run's database cannot do what was asked."""


class TestTaskError(StoreError):
    """A test task was about to enter the training data."""

    __test__ = False


class StoreLockedError(StoreError):
    """Another process owns the store."""


class EnvironmentFailure(A3TError):
    """A world crashed, hung or answered nonsense."""


class ModelError(A3TError):
    """A model cannot be loaded, or failed beyond retries."""


class NothingToTrainError(A3TError):
    """No token would be trained."""


class DiskFullError(A3TError):
    """No space is left; what was acknowledged is safe."""


NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""How the system says so: a full disk, a quota, a limit on the size of a file. To whoever writes, they are the same."""


class Interrupted(A3TError):
    """The user asked to stop; everything finished is saved."""


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known names most like `name`, best first; empty where none is close."""
    from rapidfuzz import fuzz, process

    names = list(known)
    spelled_alike = process.extract(name, names, scorer=fuzz.ratio, limit=limit, score_cutoff=60)
    # A part of a longer name; 60 is what this measure gives any two that share a few letters.
    holding_it = process.extract(name, names, scorer=fuzz.WRatio, limit=limit, score_cutoff=61)
    return list(dict.fromkeys(match for match, _score, _index in (*spelled_alike, *holding_it)))[:limit]


def unknown(kind: str, name: str, known: Iterable[str], try_this: str = "") -> UnknownNameError:
    """The error for a name nobody knows: says the nearest, or lists all where there are few."""
    return UnknownNameError(unknown_message(kind, name, known, try_this))


def unknown_message(kind: str, name: str, known: Iterable[str], try_this: str = "") -> str:
    names = sorted(known)
    close = nearest(name, names)
    hint = (
        f"Nearest: {', '.join(map(repr, close))}."
        if close
        else f"Known: {', '.join(names[:12])}{' …' if len(names) > 12 else ''}."
    )
    return f"no {kind} named {name!r}.\n  {hint}{' ' + try_this if try_this else ''}"


def missing_extra(feature: str, package: str, extra: str) -> MissingExtraError:
    """The error for an optional package: names the feature and the command that installs it."""
    return MissingExtraError(
        f"{feature} needs the package {package!r}, which is not installed.\n  Try: pip install 'a3t[{extra}]'"
    )
