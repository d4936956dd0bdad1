"""Which conversation sits in which slot of the cache, what it holds, and who makes room when memory is short."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from a3t.models.cache import LENGTH_STEP, KeyValueCache

WORTH_COPYING = 16
"""Tokens that a new conversation must share with another before their keys and values are copied rather than computed."""

FIRST_LENGTH = 512
"""Tokens per slot to begin with, where they are affordable: growing copies everything."""

STALE_AFTER = 2048
"""Requests after which a conversation that made none of them gives way, rather than the memory growing."""

SLOTS_UNMEASURED = 64
"""Conversations kept where the cache does not know what one costs: `a3t.models.unpacked` keeps them elsewhere."""


@dataclass(slots=True, eq=False)
class Slot:
    """One conversation's place in the cache."""

    index: int
    session: str = ""
    ids: list[int] = field(default_factory=list)
    """The tokens whose keys and values are stored, in order: the truth about what the slot holds."""
    used: int = 0
    """When it was last taken; the least recently used makes room."""
    busy: bool = False


class Sessions:
    """Hands out slots, keeps conversations from call to call, evicts the least recently used beyond the budget.

    An evicted conversation loses time, never correctness: its prompt is simply read again.
    """

    def __init__(self, cache: KeyValueCache, budget_bytes: int, max_length: int) -> None:
        self.cache = cache
        self.budget_bytes = budget_bytes
        self.max_length = max_length
        self._slots: list[Slot] = []
        self._named: dict[str, Slot] = {}
        self._clock = 0

    def __len__(self) -> int:
        return len(self._named)

    def __contains__(self, session: str) -> bool:
        return session in self._named

    def take(self, session: str, ids: list[int], room: int, *, keep: bool) -> Slot | None:
        """A slot for the conversation `ids`, holding as long a prefix of it as is known; None where all memory is in use.

        Args:
            session: its name; "" for a conversation nobody will come back to.
            ids: the tokens it is about to hold; the last one is always left to be computed, since its logits are wanted.
            room: tokens it may grow to.
            keep: True continues the session's own slot; False works on a copy and leaves the session as it is.
        """
        self._clock += 1
        slot = self._named.get(session) if keep else None
        if slot is not None and not slot.busy:
            slot.busy = True  # before memory is moved about, so that it is not evicted on the way
            self._reserve(len(self._slots), room)
        else:
            # A second request of one call for the same session is answered from a copy.
            name = session if keep and slot is None else ""
            slot = self._free_slot(room)
            if slot is None:
                return None
            slot.session, slot.ids = name, []
            if name:
                self._named[name] = slot
            self._adopt(slot, self._named.get(session), ids)
        slot.used = self._clock
        del slot.ids[min(common_prefix(slot.ids, ids), len(ids) - 1) :]
        return slot

    def give_back(self, slot: Slot) -> None:
        """The call is over; a named conversation stays, a stand-alone one goes."""
        slot.busy = False
        if not slot.session:
            slot.ids = []

    def release(self, sessions: Iterable[str]) -> None:
        for name in sessions:
            slot = self._named.pop(name, None)
            if slot is not None:
                slot.session = ""
                if not slot.busy:
                    slot.ids = []

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self._named.clear()
        self._slots = []
        self.cache.resize(0, 0, [])

    def evict_idle(self) -> bool:
        """Give back the memory of all conversations that no running request needs; False where there was none."""
        idle = [slot for slot in self._slots if not slot.busy]
        if not idle:
            return False
        self._resize([slot for slot in self._slots if slot.busy], self.cache.length)
        return True

    def known_prefix(self, ids: list[int]) -> int:
        """How long a beginning of `ids` some conversation holds already, as far as copying it pays."""
        return self._closest(self._slots, ids)[1]

    def _adopt(self, slot: Slot, own: Slot | None, ids: list[int]) -> None:
        """Copy the longest known beginning of `ids` from another conversation: a shared prompt is read once."""
        candidates = [own] if own is not None and own is not slot else [other for other in self._slots if other is not slot]
        source, length = self._closest(candidates, ids)
        if source is not None:
            self.cache.copy_prefix(source.index, slot.index, length)
            slot.ids = source.ids[:length]

    def _closest(self, slots: Iterable[Slot], ids: list[int]) -> tuple[Slot | None, int]:
        best, length = None, 0
        for slot in slots:
            least = max(length + 1, WORTH_COPYING)
            if len(slot.ids) >= least and slot.ids[:least] == ids[:least]:
                best, length = slot, common_prefix(slot.ids, ids)
        return best, length

    def _free_slot(self, room: int) -> Slot | None:
        """A slot with nobody in it, marked busy: a free one, a new one, or the least recently used one."""
        free = next((slot for slot in self._slots if not slot.busy and not slot.session), None) or self._stale_slot()
        if free is None:
            allowed = max(self._allowed(_rounded(max(room, self.cache.length))), 1)
            if len(self._slots) < allowed:
                self._reserve(min(max(8, 2 * len(self._slots)), allowed), room)
                free = next(slot for slot in self._slots if not slot.busy and not slot.session)
        if free is None:
            idle = [slot for slot in self._slots if not slot.busy]
            if not idle:
                return None
            free = min(idle, key=lambda slot: slot.used)
            self._forget(free)
        free.busy = True
        self._reserve(len(self._slots), room)
        return free

    def _stale_slot(self) -> Slot | None:
        """The slot of a conversation that nobody has come back to for long: an episode that ended without a word."""
        oldest = min((slot for slot in self._slots if not slot.busy), key=lambda slot: slot.used, default=None)
        if oldest is None or self._clock - oldest.used <= STALE_AFTER:
            return None
        self._forget(oldest)
        return oldest

    def _reserve(self, num_slots: int, room: int) -> None:
        """Grow the memory to hold `num_slots` conversations of `room` tokens, evicting idle ones that no longer fit."""
        length = self.cache.length
        if room > length:
            roomy = max(_rounded(length + length // 2), FIRST_LENGTH)
            comfortable = min(roomy, _rounded(self.max_length), self._longest_affordable(num_slots))
            length = max(_rounded(room), comfortable)
        if length == self.cache.length and num_slots <= len(self._slots):
            return
        kept = list(self._slots)
        allowed = max(self._allowed(length), 1)
        for slot in sorted((slot for slot in kept if not slot.busy), key=lambda slot: (bool(slot.session), slot.used)):
            if len(kept) <= allowed:
                break
            kept.remove(slot)
        self._resize(kept, length, num_slots)

    def _resize(self, kept: list[Slot], length: int, num_slots: int = 0) -> None:
        for slot in self._slots:
            if slot not in kept:
                self._forget(slot)
        num_slots = max(len(kept), min(num_slots, max(self._allowed(length), 1)))
        self.cache.resize(num_slots, length, [(slot.index, len(slot.ids)) for slot in kept])
        for index, slot in enumerate(kept):
            slot.index = index
        self._slots = kept + [Slot(index) for index in range(len(kept), num_slots)]

    def _forget(self, slot: Slot) -> None:
        self._named.pop(slot.session, None)
        slot.session, slot.ids = "", []

    def _allowed(self, length: int) -> int:
        """Slots of this length that the budget pays for."""
        per_slot = self.cache.token_bytes * length
        return self.budget_bytes // per_slot if per_slot else SLOTS_UNMEASURED

    def _longest_affordable(self, num_slots: int) -> int:
        per_token = self.cache.token_bytes * max(num_slots, 1)
        return self.budget_bytes // per_token if per_token else LENGTH_STEP


def common_prefix(left: list[int], right: list[int]) -> int:
    """How many leading tokens two conversations share.

    >>> common_prefix([1, 2, 3], [1, 2, 4, 5])
    2
    """
    limit = min(len(left), len(right))
    if left[:limit] == right[:limit]:  # the usual case, at the speed of C
        return limit
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low


def _rounded(tokens: int) -> int:
    return -(-tokens // LENGTH_STEP) * LENGTH_STEP
