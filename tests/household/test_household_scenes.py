"""Floor plans: deterministic, of the size asked for, and unseen ones apart from training ones by layout, not by name alone."""

import pytest

from a3t.envs.household.affordances import ALWAYS_OPENABLE, CAN_CONTAIN, SOMETIMES_OPENABLE
from a3t.envs.household.difficulty import DEFAULT, difficulty
from a3t.envs.household.rooms import ROOMS
from a3t.envs.household.scenes import is_unseen, make_scene
from a3t.errors import RecipeError

LETTERS = tuple(ROOMS)


def scenes(num, unseen, seed=0, hardness=DEFAULT):
    return [make_scene(seed, hardness, letter, number, unseen) for letter in LETTERS for number in range(num)]


def test_no_unseen_layout_is_a_training_layout_under_any_seed():
    train = {scene.layout for seed in (0, 1) for scene in scenes(100, unseen=False, seed=seed)}
    unseen = {scene.layout for seed in (0, 1) for scene in scenes(40, unseen=True, seed=seed)}
    assert not train & unseen
    assert len(train) > 700 and len(unseen) > 250, "layouts are varied, not a handful"


def test_the_split_is_a_property_of_the_layout():
    assert all(is_unseen(scene.layout) for scene in scenes(10, unseen=True))
    assert not any(is_unseen(scene.layout) for scene in scenes(10, unseen=False))


def test_layout_tells_kind_of_room_numbers_and_doors_and_nothing_else():
    scene = make_scene(0, DEFAULT, "k", 0, False)
    kinds = {r.type for r in scene.receptacles}
    cabinets = [r for r in scene.receptacles if r.type == "Cabinet"]
    assert scene.layout.startswith("k ")
    assert f"Cabinet*{len(cabinets)}/{sum(r.openable for r in cabinets)}" in scene.layout
    assert len(scene.layout.split()) == 1 + len(kinds)


def test_scene_ids_of_the_two_parts_differ():
    assert {s.scene_id for s in scenes(30, unseen=False)}.isdisjoint({s.scene_id for s in scenes(30, unseen=True)})


def test_a_scene_is_the_same_however_many_others_there_are():
    few, many = difficulty(scenes_per_room=3), difficulty(scenes_per_room=3000)
    assert make_scene(5, few, "b", 2, False).receptacles == make_scene(5, many, "b", 2, False).receptacles


@pytest.mark.parametrize("size", [(6, 6), (8, 24), (40, 60)])
def test_rooms_have_as_many_receptacles_as_asked_for(size):
    for scene in scenes(20, unseen=False, hardness=difficulty(receptacles=size)):
        assert size[0] <= len(scene.receptacles) <= size[1]
        assert {r.type for r in scene.receptacles} >= set(scene.room.core)


def test_natural_rooms_are_as_large_as_those_of_the_real_games():
    """Real ones: kitchens 33.5 receptacles on average, the other rooms 14 to 15."""
    kitchens = [len(make_scene(0, difficulty(receptacles="natural"), "k", n, False).receptacles) for n in range(150)]
    bedrooms = [len(make_scene(0, difficulty(receptacles="natural"), "b", n, False).receptacles) for n in range(150)]
    assert 28 < sum(kitchens) / 150 < 38
    assert 11 < sum(bedrooms) / 150 < 18


def test_closed_share_decides_which_cupboards_have_doors():
    for share in (0, 1):
        for scene in scenes(10, unseen=False, hardness=difficulty(closed_share=share)):
            for receptacle in scene.receptacles:
                doors = receptacle.type in ALWAYS_OPENABLE or (share == 1 and receptacle.type in SOMETIMES_OPENABLE)
                assert receptacle.openable is doors
                assert not receptacle.opened


def test_every_receptacle_has_a_place_of_its_own_and_an_unmistakable_id():
    for scene in scenes(25, unseen=False):
        places = [r.location for r in scene.receptacles] + [scene.start]
        ids = [r.id.lower() for r in scene.receptacles]
        assert len(set(places)) == len(places)
        assert len(set(ids)) == len(ids)


def test_options_that_leave_no_layout_are_refused_with_a_way_out(monkeypatch):
    narrow = difficulty(receptacles=6, closed_share=0.5)
    monkeypatch.setattr("a3t.envs.household.scenes.NUM_ATTEMPTS", 1)
    with pytest.raises(RecipeError, match=r"no unseen kitchen .*receptacles=\(6, 6\).*too few layouts .*\n  Try a wider range"):
        for number in range(100):
            make_scene(0, narrow, "k", number, True)


def test_rooms_speak_of_known_receptacles_only():
    for room in ROOMS.values():
        assert set(room.receptacles) | set(room.core) | set(room.filler) <= set(CAN_CONTAIN)
        for found in room.objects.values():
            assert 0 < found.share <= 1
            assert set(found.places) <= set(room.receptacles)
