"""Where play stands, as an immutable value: kept, compared, hashed and pickled at will."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

Members: TypeAlias = tuple[int, ...]
"""Indices of items, ascending, hence in the order of their ids."""


class State(NamedTuple):
    """Everything that play can change. Items, receptacles and places are indices into their sorted ids."""

    place: int
    held: int
    """-1 with empty hands."""
    opened: int
    """Bit r is set where receptacle r is open; the masks below are over items likewise."""
    inside: tuple[Members, ...]
    """Per receptacle. An item may be in several."""
    at: tuple[Members, ...]
    """Per place: items recorded there, which slicing and `look` ask for. Often not where their receptacle stands."""
    taken: tuple[Members, ...]
    """Per receptacle: items once taken from it and not put back since; `look` lists those as lying next to it."""
    clean: int
    hot: int
    cool: int
    sliced: int
    toggled: int


def mask_of(state: State, flag: str) -> int:
    """One of the masks by the name that a goal or a description gives it."""
    mask: int = getattr(state, flag)
    return mask


def with_member(groups: tuple[Members, ...], group: int, member: int) -> tuple[Members, ...]:
    """Put a member into a group; a group is a set, so a second time changes nothing."""
    members = groups[group]
    if member in members:
        return groups
    return (*groups[:group], tuple(sorted((*members, member))), *groups[group + 1 :])


def without_member(groups: tuple[Members, ...], group: int, member: int) -> tuple[Members, ...]:
    members = groups[group]
    if member not in members:
        return groups
    return (*groups[:group], tuple([m for m in members if m != member]), *groups[group + 1 :])
