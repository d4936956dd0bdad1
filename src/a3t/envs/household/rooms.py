"""What a room usually has: which receptacles, how many, which objects, and where they lie.

Each share and count is what ALFWorld's training games show, rounded (27 rooms of a kind, 3,554 games). An object's places are
weights; places the room lacks fall away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Usual(NamedTuple):
    """How often a room of this kind has a type of receptacle, and in what numbers."""

    share: float
    """Part of the rooms that have any; 1 is what makes the room what it is."""
    counts: tuple[int, ...]
    """Numbers seen, each as likely as the next."""


class Found(NamedTuple):
    """How often a type of object is there, and where."""

    share: float
    """Part of the games that have any."""
    places: Mapping[str, int]
    """Receptacle type: weight."""


@dataclass(frozen=True, slots=True)
class Room:
    """A kind of room."""

    name: str
    letter: str
    """Begins the ids of its scenes."""
    receptacles: Mapping[str, Usual]
    objects: Mapping[str, Found]
    core: tuple[str, ...]
    """Receptacle types that even the smallest such room keeps one of."""
    filler: tuple[str, ...]
    """Receptacle types that a large room has more of."""


def _objects(table: str) -> dict[str, Found]:
    """Lines of `Type share Place weight Place weight …`; a line that begins deeper goes on with the one before."""
    found = {}
    for line in table.strip().replace("\n            ", " ").splitlines():
        name, share, *rest = line.split()
        found[name] = Found(float(share), dict(zip(rest[::2], map(int, rest[1::2]), strict=True)))
    return found


KITCHEN = Room(
    "kitchen",
    "k",
    {
        "Cabinet": Usual(1.0, (2, 4, 4, 8, 9, 9, 10, 10, 11, 12, 13, 13, 15, 18, 20, 23)),
        "CoffeeMachine": Usual(1.0, (1,)),
        "CounterTop": Usual(1.0, (1, 1, 2, 2, 2, 2, 3, 3, 3, 4)),
        "DiningTable": Usual(0.56, (1, 1, 1, 1, 2, 3)),
        "Drawer": Usual(0.96, (1, 2, 3, 3, 3, 4, 4, 5, 5, 6, 7, 9, 12)),
        "Fridge": Usual(1.0, (1,)),
        "GarbageCan": Usual(1.0, (1,)),
        "Microwave": Usual(1.0, (1,)),
        "Safe": Usual(0.04, (1,)),
        "Shelf": Usual(0.15, (1, 2, 3, 3)),
        "SideTable": Usual(0.11, (1,)),
        "SinkBasin": Usual(1.0, (1,)),
        "StoveBurner": Usual(1.0, (4,)),
        "Toaster": Usual(1.0, (1,)),
    },
    _objects("""
        Apple .99 CounterTop 25 Fridge 24 DiningTable 15 Microwave 13 GarbageCan 12 SinkBasin 9 SideTable 2
        Book .11 CounterTop 65 Cabinet 14 DiningTable 11 Drawer 5 Shelf 4
        Bowl 1 Cabinet 36 CounterTop 21 Fridge 20 DiningTable 15 SinkBasin 3 Microwave 3 Shelf 2
        Bread 1 CounterTop 55 DiningTable 31 Fridge 12 SideTable 1 GarbageCan 1
        ButterKnife .95 CounterTop 59 DiningTable 27 Drawer 8 SinkBasin 5 SideTable 1
        CellPhone .11 Drawer 43 CounterTop 41 DiningTable 17
        CreditCard .09 CounterTop 46 Drawer 37 Shelf 17
        Cup 1 Cabinet 23 CounterTop 21 Fridge 21 DiningTable 15 SinkBasin 9 Microwave 7 SideTable 2 Shelf 2
        DishSponge .99 CounterTop 26 Cabinet 24 Drawer 21 DiningTable 13 SinkBasin 7 GarbageCan 5 Shelf 3 SideTable 1
        Egg .99 Fridge 25 CounterTop 24 SinkBasin 13 GarbageCan 13 DiningTable 12 Microwave 12 SideTable 2
        Fork .98 CounterTop 44 DiningTable 24 Drawer 22 SinkBasin 9 SideTable 2
        Glassbottle .23 Cabinet 33 CounterTop 29 DiningTable 15 SinkBasin 10 Fridge 10 Shelf 4
        Kettle .52 StoveBurner 41 CounterTop 25 Cabinet 24 DiningTable 7 SinkBasin 2 Shelf 1
        Knife .98 CounterTop 48 DiningTable 25 Drawer 21 SinkBasin 5 SideTable 1
        Ladle .35 CounterTop 41 Cabinet 25 Drawer 18 DiningTable 14 SinkBasin 2
        Lettuce .98 CounterTop 41 DiningTable 28 Fridge 23 SinkBasin 5 SideTable 2 GarbageCan 1
        Mug .98 CounterTop 26 Cabinet 16 CoffeeMachine 16 Fridge 14 DiningTable 11 Microwave 8 SinkBasin 6 Shelf 2 SideTable 1
        Pan 1 StoveBurner 48 CounterTop 32 Cabinet 9 DiningTable 6 Fridge 5
        Pen .06 CounterTop 39 DiningTable 34 Drawer 21 GarbageCan 5
        Pencil .07 Drawer 41 CounterTop 30 DiningTable 19 GarbageCan 10
        PepperShaker 1 Cabinet 33 CounterTop 30 DiningTable 16 Drawer 15 Shelf 3 SideTable 2
        Plate .97 Cabinet 40 CounterTop 30 DiningTable 16 Fridge 9 SinkBasin 2 Shelf 2 Microwave 1
        Pot 1 StoveBurner 70 CounterTop 15 Fridge 5 DiningTable 5 Cabinet 4 SinkBasin 1 Shelf 1
        Potato .99 CounterTop 28 Fridge 26 DiningTable 17 SinkBasin 11 Microwave 10 GarbageCan 6 SideTable 1
        SaltShaker 1 CounterTop 32 Cabinet 32 DiningTable 18 Drawer 14 Shelf 3 SideTable 2
        SoapBottle .99 CounterTop 32 Cabinet 31 DiningTable 21 GarbageCan 10 Shelf 3 SideTable 1 Drawer 1
        Spatula 1 CounterTop 45 DiningTable 25 Drawer 21 SinkBasin 9 SideTable 1
        Spoon .99 CounterTop 38 Drawer 28 DiningTable 22 SinkBasin 11 SideTable 2
        SprayBottle .07 CounterTop 33 Cabinet 33 DiningTable 22 GarbageCan 12
        Statue .15 CounterTop 51 Shelf 44 DiningTable 5
        Tomato .99 Fridge 33 CounterTop 30 DiningTable 20 GarbageCan 9 SinkBasin 7 SideTable 2
        Vase .15 CounterTop 34 Shelf 32 Cabinet 31 DiningTable 3
        WineBottle .42 CounterTop 37 Cabinet 25 DiningTable 24 GarbageCan 9 Shelf 3 Fridge 1
    """),
    ("CounterTop", "Fridge", "Microwave", "SinkBasin"),
    ("Cabinet", "Cabinet", "Drawer", "CounterTop", "Shelf"),
)

LIVING_ROOM = Room(
    "living room",
    "l",
    {
        "ArmChair": Usual(0.93, (1, 1, 2, 2, 3)),
        "Cabinet": Usual(0.11, (1, 2, 4, 8)),
        "CoffeeTable": Usual(0.85, (1, 1, 1, 1, 2)),
        "Desk": Usual(0.04, (1,)),
        "DiningTable": Usual(0.52, (1, 1, 1, 1, 2)),
        "Drawer": Usual(0.78, (1, 1, 2, 3, 4, 4, 4, 6, 7, 8, 12)),
        "Dresser": Usual(0.33, (1, 1, 1, 1, 2)),
        "GarbageCan": Usual(1.0, (1,)),
        "Ottoman": Usual(0.15, (1,)),
        "Safe": Usual(0.04, (1,)),
        "Shelf": Usual(0.37, (1, 2, 3, 4, 5, 6, 8)),
        "SideTable": Usual(0.78, (1, 1, 2, 2, 3, 3)),
        "Sofa": Usual(1.0, (1, 1, 1, 1, 2)),
        "TVStand": Usual(0.44, (1, 1, 1, 1, 2)),
    },
    _objects("""
        Book .26 CoffeeTable 29 Dresser 24 Sofa 17 ArmChair 11 DiningTable 9 SideTable 9 Drawer 1
        Bowl .11 DiningTable 46 CoffeeTable 34 SideTable 11 Shelf 9 TVStand 9
        Box .86 DiningTable 26 Sofa 25 CoffeeTable 24 SideTable 8 Cabinet 5 Shelf 4 Dresser 4 TVStand 4 ArmChair 3 Ottoman 1
        Candle .09 SideTable 44 CoffeeTable 30 DiningTable 21 Drawer 3 Dresser 2
        CellPhone .21 Dresser 19 SideTable 17 CoffeeTable 17 Sofa 14 Drawer 13 DiningTable 9 ArmChair 4 Ottoman 4 Shelf 2 Desk 1
        CreditCard 1 Sofa 21 CoffeeTable 16 Drawer 14 ArmChair 14 SideTable 11 DiningTable 10 Dresser 7
            TVStand 7 Shelf 6 Ottoman 1
        DeskLamp .25 SideTable 91 CoffeeTable 9
        KeyChain .92 CoffeeTable 22 SideTable 18 Drawer 17 Sofa 13 ArmChair 10 DiningTable 8 Dresser 6 TVStand 6 Shelf 5 Ottoman 2
        Laptop 1 Sofa 29 CoffeeTable 26 DiningTable 22 Dresser 9 SideTable 8 TVStand 6 ArmChair 5 Ottoman 2
        Newspaper .62 Sofa 20 CoffeeTable 18 DiningTable 17 SideTable 14 Shelf 11 Dresser 8 ArmChair 7
            TVStand 4 Drawer 2 Ottoman 1
        Pen .20 CoffeeTable 36 Dresser 23 SideTable 22 Drawer 6 GarbageCan 4 Shelf 4 DiningTable 4 TVStand 4
        Pencil .16 SideTable 35 CoffeeTable 29 Drawer 11 TVStand 10 Dresser 7 GarbageCan 7 Shelf 6 DiningTable 5
        Pillow 1 Sofa 80 ArmChair 20
        Plate .35 DiningTable 51 CoffeeTable 24 Shelf 13 SideTable 11 TVStand 3 Dresser 1
        RemoteControl .97 CoffeeTable 26 Sofa 20 SideTable 14 DiningTable 12 TVStand 10 Dresser 9 ArmChair 9
            Drawer 4 Shelf 4 Ottoman 2
        Statue .96 CoffeeTable 28 Shelf 22 DiningTable 21 SideTable 20 TVStand 9 Dresser 8
        TissueBox .34 CoffeeTable 36 DiningTable 19 SideTable 19 Shelf 11 TVStand 8 Drawer 3 Dresser 2 GarbageCan 1
        Vase .49 Shelf 38 CoffeeTable 21 DiningTable 16 SideTable 12 Dresser 11 TVStand 6 Cabinet 2 Desk 1
        Watch .49 CoffeeTable 29 Drawer 23 SideTable 20 DiningTable 12 Dresser 12 TVStand 12 Shelf 4
        WateringCan .09 CoffeeTable 53 Shelf 38 SideTable 9
    """),
    ("SideTable", "Sofa"),
    ("Drawer", "Drawer", "Shelf", "Cabinet", "SideTable"),
)

BEDROOM = Room(
    "bedroom",
    "b",
    {
        "ArmChair": Usual(0.22, (1, 1, 1, 2, 3)),
        "Bed": Usual(1.0, (1, 1, 1, 1, 1, 2)),
        "Cabinet": Usual(0.15, (1, 2, 4, 4)),
        "CounterTop": Usual(0.04, (1,)),
        "Desk": Usual(0.67, (1, 1, 1, 1, 2)),
        "DiningTable": Usual(0.15, (1,)),
        "Drawer": Usual(0.96, (2, 2, 2, 3, 3, 4, 5, 5, 6, 8, 10, 11)),
        "Dresser": Usual(0.48, (1, 1, 1, 1, 2)),
        "GarbageCan": Usual(1.0, (1,)),
        "LaundryHamper": Usual(0.26, (1,)),
        "Safe": Usual(0.15, (1,)),
        "Shelf": Usual(0.67, (1, 1, 1, 2, 2, 5, 5, 6, 8, 9)),
        "SideTable": Usual(0.67, (1, 1, 2)),
    },
    _objects("""
        AlarmClock .99 Desk 34 Shelf 21 SideTable 19 Dresser 17 DiningTable 7 CounterTop 1
        Book 1 Bed 51 Desk 19 Drawer 12 Dresser 5 SideTable 4 Cabinet 3 DiningTable 2 ArmChair 2 Shelf 2 CounterTop 1
        Bowl .45 Desk 43 Shelf 30 Dresser 15 DiningTable 6 SideTable 4 CounterTop 2
        Box .09 Desk 58 Shelf 42
        CD .93 Drawer 29 Desk 20 Dresser 14 SideTable 13 GarbageCan 8 Shelf 8 DiningTable 6 Cabinet 2
        CellPhone 1 Bed 29 Desk 18 Drawer 17 Dresser 10 SideTable 10 Shelf 8 DiningTable 3 ArmChair 3 Safe 1 CounterTop 1
        CreditCard 1 Drawer 29 Shelf 18 Desk 18 SideTable 16 Dresser 12 DiningTable 3 ArmChair 3 CounterTop 1
        DeskLamp .71 Desk 35 SideTable 28 Dresser 25 Shelf 11
        KeyChain .98 Drawer 27 Desk 18 SideTable 16 Shelf 16 Dresser 14 DiningTable 4 ArmChair 3 Safe 2
        Laptop 1 Bed 74 Desk 19 Dresser 4 DiningTable 2 ArmChair 1 CounterTop 1
        Mug .49 Desk 36 Shelf 18 SideTable 16 Dresser 16 DiningTable 9 Cabinet 4 CounterTop 1
        Pen 1 Desk 28 Drawer 18 Shelf 16 Dresser 15 SideTable 14 DiningTable 6 GarbageCan 2 CounterTop 1
        Pencil 1 Desk 24 Drawer 18 SideTable 18 Shelf 17 Dresser 11 DiningTable 6 GarbageCan 5 CounterTop 1
        Pillow 1 Bed 99 ArmChair 1
        RemoteControl .12 Drawer 34 Desk 29 SideTable 15 CounterTop 8 ArmChair 6 DiningTable 4 Dresser 2 Shelf 1
        Statue .15 Shelf 43 Dresser 27 Desk 25 SideTable 5
        TeddyBear .13 Bed 100
        TissueBox .14 Desk 37 Drawer 26 DiningTable 15 Shelf 12 SideTable 9 Dresser 2
        Vase .06 Shelf 45 Dresser 36 Desk 11 SideTable 9
        Watch .07 Drawer 31 Shelf 20 DiningTable 16 Desk 15 Dresser 11 SideTable 6
    """),
    ("Bed", "Desk"),
    ("Drawer", "Drawer", "Shelf", "Cabinet", "SideTable"),
)

BATHROOM = Room(
    "bathroom",
    "t",
    {
        "BathtubBasin": Usual(0.70, (1,)),
        "Cabinet": Usual(0.48, (2, 3, 4, 4, 4, 4, 5, 9)),
        "Cart": Usual(0.07, (1,)),
        "CounterTop": Usual(0.85, (1, 1, 1, 1, 2)),
        "Drawer": Usual(0.56, (1, 2, 4, 4, 4, 6, 8)),
        "Dresser": Usual(0.07, (1,)),
        "GarbageCan": Usual(1.0, (1,)),
        "HandTowelHolder": Usual(1.0, (1, 1, 2)),
        "Shelf": Usual(0.26, (1, 1, 2, 2, 3, 4)),
        "SideTable": Usual(0.07, (1,)),
        "SinkBasin": Usual(1.0, (1, 2)),
        "Toilet": Usual(1.0, (1,)),
        "ToiletPaperHanger": Usual(1.0, (1,)),
        "TowelHolder": Usual(1.0, (1, 1, 2)),
    },
    _objects("""
        Candle .97 CounterTop 31 Toilet 30 Cabinet 13 Drawer 13 Shelf 7 SideTable 2 Cart 2 Dresser 1
        Cloth 1 BathtubBasin 30 Cabinet 20 CounterTop 17 Drawer 15 SinkBasin 8 Shelf 4 Toilet 3 Cart 1 Dresser 1
        DishSponge .23 CounterTop 20 Drawer 20 BathtubBasin 18 SinkBasin 10 Shelf 10 Toilet 8 Cart 5 Cabinet 5 GarbageCan 4
        HandTowel 1 HandTowelHolder 96 CounterTop 4
        SoapBar .97 CounterTop 20 Toilet 16 SinkBasin 15 Cabinet 12 BathtubBasin 12 Drawer 11 GarbageCan 7
            Shelf 4 SideTable 2 Cart 1
        SoapBottle .96 CounterTop 30 Toilet 24 Cabinet 21 Shelf 10 GarbageCan 9 Drawer 3 SideTable 1 Cart 1
        SprayBottle 1 CounterTop 32 Toilet 27 Cabinet 16 GarbageCan 10 Shelf 7 Cart 4 SideTable 3 Dresser 2
        TissueBox .25 CounterTop 36 Shelf 29 Drawer 20 Cabinet 5 Cart 4 SideTable 4 Toilet 3
        ToiletPaper .99 Toilet 23 CounterTop 23 ToiletPaperHanger 12 Drawer 12 Cabinet 11 GarbageCan 9 Shelf 5
            Dresser 2 Cart 2 SideTable 1
        Towel 1 TowelHolder 100
    """),
    ("SinkBasin", "Toilet"),
    ("Drawer", "Drawer", "Cabinet", "Cabinet", "Shelf"),
)

ROOMS: Mapping[str, Room] = {room.letter: room for room in (KITCHEN, LIVING_ROOM, BEDROOM, BATHROOM)}
"""By letter."""
