"""What generated things are called, and which split each crafted thing belongs to, whatever the seed.

A crafted thing is a material and a form: `oak door`. Its tier is the depth of its recipe. Of the six forms of a tier, a material
has four in training, one in validation and one in test, shifted from material to material; so every word is met in training, no
crafted thing of one split is ever made, needed or shown in another, and no line of a recipe is either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

SPLITS: Mapping[str, str] = {"train": "t", "valid": "v", "test": "x"}
"""Split: the letter in its task ids."""

NUM_TIERS = 4

_SHARES = ("train", "train", "train", "train", "valid", "test")


@dataclass(frozen=True)
class Kind:
    """Materials that are worked alike."""

    raw: str
    """What the world gives: `oak log`."""
    materials: tuple[str, ...]
    forms: tuple[tuple[str, ...], ...]
    """By tier, from 1."""


def _kind(raw: str, materials: str, *forms: str) -> Kind:
    return Kind(raw, tuple(materials.split()), tuple(tuple(tier.split()) for tier in forms))


KINDS: Mapping[str, Kind] = {
    "wood": _kind(
        "log",
        "oak birch spruce cedar maple willow ash pine elm beech walnut larch",
        "planks pole shingle peg stave veneer",
        "panel crate handle beam ladder tray",
        "door barrel cart stool oar loom",
        "cabin wagon bridge windmill gate boat",
    ),
    "metal": _kind(
        "ore",
        "copper tin iron silver lead zinc nickel gold cobalt titanium tungsten chromium",
        "ingot rivet wire sheet rod nail",
        "plate gear hook hinge chain blade",
        "lock lantern anvil pulley sickle bell",
        "clock engine press crane pump vault",
    ),
    "stone": _kind(
        "rock",
        "granite slate basalt marble flint chalk gneiss sandstone obsidian jade quartz limestone",
        "brick tile slab chip cobble paver",
        "pillar basin millstone step tablet mortar",
        "hearth well kiln statue fountain altar",
        "tower temple lighthouse forge aqueduct monument",
    ),
    "fibre": _kind(
        "bale",
        "flax hemp cotton jute wool silk nettle reed sisal ramie alpaca mohair",
        "thread felt cord yarn braid batting",
        "cloth rope net ribbon mat sack",
        "sail tent cloak banner quilt hammock",
        "pavilion balloon tapestry parachute canopy marquee",
    ),
}

LOOSE = (
    *("clay", "sand", "resin", "beeswax", "feather", "leather", "charcoal", "salt"),
    *("honey", "ink", "bone", "shell", "amber", "straw", "moss", "pebble"),
)
"""Things of no material that the world gives."""


class Thing(NamedTuple):
    """Something that is crafted."""

    kind: str
    tier: int
    material: str
    form: str

    @property
    def name(self) -> str:
        return f"{self.material} {self.form}"

    @property
    def raw(self) -> str:
        """What all things of this material come from."""
        return f"{self.material} {KINDS[self.kind].raw}"

    @property
    def split(self) -> str:
        kind = KINDS[self.kind]
        return _SHARES[(kind.materials.index(self.material) + kind.forms[self.tier - 1].index(self.form)) % len(_SHARES)]


@cache
def things(split: str, tier: int, kind: str = "", material: str = "") -> tuple[Thing, ...]:
    """All crafted things of a split and tier, perhaps of one kind or material only, in a fixed order. Never empty."""
    return tuple(
        thing
        for kind_name, its in KINDS.items()
        if kind in ("", kind_name)
        for its_material in its.materials
        if material in ("", its_material)
        for form in its.forms[tier - 1]
        if (thing := Thing(kind_name, tier, its_material, form)).split == split
    )


def split_of(name: str) -> str | None:
    """The one split in which a thing (`oak door`) may be crafted; None for what the world gives and what nobody knows."""
    found = _by_name().get(name)
    return found.split if found else None


@cache
def _by_name() -> dict[str, Thing]:
    return {thing.name: thing for split in SPLITS for tier in range(1, NUM_TIERS + 1) for thing in things(split, tier)}
