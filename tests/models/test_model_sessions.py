"""Slots: who gets one, what it still knows, and who makes room."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from a3t.models.cache import KeyValueCache
from a3t.models.sessions import Sessions, common_prefix


def new_sessions(budget_tokens: int = 10**6) -> Sessions:
    """Sessions over two layers of one head of one number: a token's key is its own id, its value the negative of it."""
    cache = KeyValueCache()
    cache.resize(1, 1, [])
    place = torch.zeros(1, dtype=torch.long)
    for layer in range(2):
        cache.write(layer, place, place, torch.zeros(1, 1, 1), torch.zeros(1, 1, 1))
    cache.resize(0, 0, [])
    return Sessions(cache, budget_tokens * cache.token_bytes, 512)


def read(sessions: Sessions, slot, ids: list[int]) -> int:
    """Do what the engine does: store what is missing. Returns how many tokens that were."""
    start = len(slot.ids)
    new = torch.tensor(ids[start:], dtype=torch.float32)[None, :, None]
    slots = torch.full((len(ids) - start,), slot.index)
    for layer in range(2):
        sessions.cache.write(layer, slots, torch.arange(start, len(ids)), new, -new)
    slot.ids.extend(ids[start:])
    return len(ids) - start


def held(sessions: Sessions, slot) -> list[int]:
    """What the memory really holds for a slot."""
    keys, values = sessions.cache.keys[1], sessions.cache.values[1]
    stored = keys[slot.index, 0, : len(slot.ids), 0].tolist()
    assert stored == (-values[slot.index, 0, : len(slot.ids), 0]).tolist()
    return [int(token) for token in stored]


def test_a_session_goes_on_where_it_was_and_its_last_token_is_always_read_again():
    sessions = new_sessions()
    slot = sessions.take("a", [1, 2, 3], 10, keep=True)
    assert read(sessions, slot, [1, 2, 3]) == 3
    sessions.give_back(slot)
    again = sessions.take("a", [1, 2, 3, 4], 10, keep=True)
    assert again is slot and read(sessions, again, [1, 2, 3, 4]) == 1
    sessions.give_back(again)
    assert read(sessions, sessions.take("a", [1, 2, 3, 4], 10, keep=True), [1, 2, 3, 4]) == 1


def test_a_session_that_departs_is_cut_back_to_what_is_common():
    sessions = new_sessions()
    slot = sessions.take("a", [1, 2, 3, 4], 10, keep=True)
    read(sessions, slot, [1, 2, 3, 4])
    sessions.give_back(slot)
    slot = sessions.take("a", [1, 2, 9, 9], 10, keep=True)
    assert slot.ids == [1, 2]
    read(sessions, slot, [1, 2, 9, 9])
    assert held(sessions, slot) == [1, 2, 9, 9]


def test_a_copy_leaves_the_session_as_it_is():
    sessions = new_sessions()
    long = list(range(40))
    slot = sessions.take("a", long, 50, keep=True)
    read(sessions, slot, long)
    sessions.give_back(slot)
    copy = sessions.take("a", [*long[:30], 99, 98], 50, keep=False)
    assert copy is not slot and copy.ids == long[:30]
    read(sessions, copy, [*long[:30], 99, 98])
    assert held(sessions, slot) == long
    assert held(sessions, copy) == [*long[:30], 99, 98]
    sessions.give_back(copy)
    assert sessions.take("a", [*long, 40], 50, keep=True).ids == long


def test_the_least_recently_used_idle_session_makes_room_when_memory_is_short():
    sessions = new_sessions(budget_tokens=3 * 128)
    slots = {name: sessions.take(name, [1, 2], 9, keep=True) for name in "abc"}
    assert sessions.take("d", [1, 2], 9, keep=True) is None  # all three are at work
    for name in "bca":
        sessions.give_back(slots[name])
        sessions.give_back(sessions.take(name, [1, 2], 9, keep=True))
    sessions.take("d", [1, 2], 9, keep=True)
    assert [name for name in "abcd" if name in sessions] == ["a", "c", "d"]


def test_growing_longer_evicts_idle_sessions_and_never_a_busy_one():
    sessions = new_sessions(budget_tokens=4 * 128)
    slots = {name: sessions.take(name, [5, 6, 7], 9, keep=True) for name in "abcd"}
    for name, slot in slots.items():
        read(sessions, slot, [5, 6, 7])
        if name != "a":
            sessions.give_back(slot)
    long = sessions.take("e", [8] * 200, 200, keep=True)
    assert "a" in sessions and held(sessions, slots["a"]) == [5, 6, 7]
    assert long is not None and sessions.cache.length >= 200
    assert sessions.cache.num_bytes <= sessions.budget_bytes


def test_memory_stays_bounded_when_nobody_ever_releases_a_session():
    sessions = new_sessions()
    for wave in range(60):
        for _turn in range(10):
            slots = [sessions.take(f"{wave}/{i}", [1, 2, 3], 9, keep=True) for i in range(32)]
            for slot in slots:
                sessions.give_back(slot)
    assert sessions.cache.num_slots <= 256  # 1920 sessions were left behind


@given(st.data())
def test_whatever_is_asked_the_memory_holds_what_the_slots_say(data):
    sessions = new_sessions(budget_tokens=data.draw(st.sampled_from([128, 700, 5000])))
    talks: dict[str, list[int]] = {}
    tokens = st.lists(st.integers(0, 3), min_size=1, max_size=40)
    for _ in range(data.draw(st.integers(1, 25))):
        name = data.draw(st.sampled_from("abcdef"))
        match data.draw(st.sampled_from(["turns", "turns", "turns", "score", "release", "evict"])):
            case "turns":
                at_work = []
                for speaker in data.draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6)):
                    departs = data.draw(st.integers(0, 9)) == 0
                    ids = ([] if departs else talks.get(speaker, [])) + data.draw(tokens)
                    slot = sessions.take(speaker, ids, len(ids) + 5, keep=True)
                    if slot is None:
                        assert at_work  # refused only where others are at work
                        continue
                    at_work.append((slot, ids))
                    talks[speaker] = ids
                assert len({slot.index for slot, _ids in at_work}) == len(at_work)
                for slot, ids in at_work:
                    read(sessions, slot, ids)
                for slot, ids in at_work:
                    assert held(sessions, slot) == ids
                    sessions.give_back(slot)
            case "score":
                ids = talks.get(name, []) + data.draw(tokens)
                slot = sessions.take(name, ids, len(ids), keep=False)
                read(sessions, slot, ids)
                assert held(sessions, slot) == ids
                sessions.give_back(slot)
            case "release":
                sessions.release([name, "never heard of"])
            case "evict":
                sessions.evict_idle()
        for slot in sessions._slots:
            assert held(sessions, slot) == slot.ids


@pytest.mark.parametrize("length", [0, 1, 2, 7, 100])
def test_the_common_prefix_equals_the_slow_count(length):
    left = list(range(length))
    for cut in range(length + 1):
        right = [*left[:cut], -1, *left[cut:]]
        assert common_prefix(left, right) == common_prefix(right, left) == cut
