"""The open cases of one partition, in columns: about 125 bytes each with a URL of 45 characters.

One work list per partition: a revoked partition is dropped by dropping its list.
A sealed URL stays sealed bytes until just before a look; nothing here can open it.
Kept is what the cadence asks for. `clock_started_at` and `returned_at` are not, and a removed case keeps
of its times only `removed_at` (its `watch_from` reads as that).
"""

import binascii
from array import array

from schemas.errors import UnusableEvent
from schemas.events import Fingerprint, WatchEntry
from services.core.cadence import Watched
from services.core.instants import micros
from services.probing.schedule.columns import ID, LATEST, SPARE, Blobs, CaseIndex, Instants, widen
from services.probing.schedule.shapes import Seen, Shape, baseline_of, content_of

_LONGEST = (1 << 16) - 4
_MOST = 0xFFFFFFFF
OWN = -(2**63)
# Working hours and holds make deadlines that no two cases share; past so many shapes such get a column.
_MANY = 1024
_NOBODY = 0
_SHORT = 0xFFFF
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


class WorkList:
    """Watch entries by case, each in a slot (a small integer that stays its own until it is removed).

    `done` is the owner's: microseconds until which a case's ticks are dealt with. `flags` is too.
    """

    __slots__ = (
        "_blobs",
        "_deadline",
        "_free",
        "_ids",
        "_index",
        "_length",
        "_numbers",
        "_shape",
        "_shapes",
        "_suspected",
        "_times",
        "flags",
    )

    def __init__(self) -> None:
        self._ids = bytearray()
        self._index = CaseIndex(self._ids)
        self._blobs = Blobs()
        self._times = Instants()  # the start of the watch, and `done`
        self._shape = array("H")
        self._shapes = [Shape("", "", False, False, None, None)]  # nobody's
        self._numbers: dict[Shape, int] = {}
        self._suspected: dict[int, int] = {}
        self._deadline = array("q")
        self._length = array("I")
        self._free = array("I")
        self.flags = bytearray()

    def __repr__(self) -> str:
        return f"<WorkList {len(self)} cases>"

    def __len__(self) -> int:
        return len(self._shape) - len(self._free)

    @property
    def capacity(self) -> int:
        """One more than the highest slot ever used."""
        return len(self._shape)

    def find(self, case_id: str) -> int:
        """Give the slot of a case, or -1."""
        return self._index.find(bytes.fromhex(case_id))

    def case_id(self, slot: int) -> str:
        """Give the case in a slot."""
        return self._ids[slot * ID : slot * ID + ID].hex()

    def shape(self, slot: int) -> Shape:
        """Give what the case in a slot shares with others."""
        return self._shapes[self._shape[slot]]

    def kind(self, slot: int) -> int:
        """Give the number of that shape: one number, one shape, for as long as the list lives."""
        return self._shape[slot]

    def suspected(self, slot: int) -> bool:
        """Tell whether a removal is being confirmed."""
        return slot in self._suspected

    def deadline(self, slot: int) -> int | None:
        """Give the deadline in microseconds, if one is still ahead of a removal."""
        return self._owed(slot, self._times.pair(slot)[0])

    def _owed(self, slot: int, base: int) -> int | None:
        after = self._shapes[self._shape[slot]].deadline_after
        if after is None:
            return None
        return self._deadline[slot] if after == OWN else base + after

    def done(self, slot: int) -> int:
        """Give the instant until which the ticks of the case in a slot are dealt with."""
        return self._times.pair(slot)[1]

    def set_done(self, slot: int, until: int) -> None:
        """Note until which instant they are; no case has a tick before 1970."""
        self._times.put(slot, self._times.pair(slot)[0], max(until, 0))

    def put(self, case_id: str, entry: WatchEntry) -> int:
        """Take in a case or its new entry; gives its slot. Raises `UnusableEvent` and changes nothing."""
        slot = self.find(case_id)
        if slot < 0:
            return self.add(case_id, entry)
        base, (seal, sealed) = _base(entry), _unpack(entry.sealed_url)
        if self._blobs[slot] != sealed:
            self._blobs[slot] = sealed
        self._write(slot, entry, seal, base, self.done(slot))
        return slot

    def begins_anew(self, slot: int, entry: WatchEntry) -> bool:
        """Tell whether a case is gone, and its looks count from later than the removal known or suspected here."""
        if entry.removed_at is None:
            return False
        removed = self.shape(slot).removed
        known = self._times.pair(slot)[0] if removed else self._suspected.get(slot)
        return known is not None and known < micros(entry.removed_at)

    def add(self, case_id: str, entry: WatchEntry, done: int = 0) -> int:
        """Take in a case that is not in, with `done`; else as `put`."""
        base, (seal, sealed) = _base(entry), _unpack(entry.sealed_url)
        slot = self._enter(bytes.fromhex(case_id), sealed)
        self._write(slot, entry, seal, base, max(done, 0))
        return slot

    def remove(self, slot: int) -> None:
        """Forget the case in a slot."""
        self._index.discard(bytes(self._ids[slot * ID : slot * ID + ID]))
        self._blobs[slot] = b""
        self._suspected.pop(slot, None)
        self._shape[slot] = _NOBODY
        self._free.append(slot)

    def occupied(self, slot: int) -> bool:
        """Tell whether a slot holds a case."""
        return self._shape[slot] != _NOBODY

    def watched(self, slot: int, longest_jitter: int) -> tuple[Watched, int]:
        """Give what the cadence asks for, the case's share of the jitter included (`Plan.jitter_of`), and `done`."""
        at, removed = slot * ID, self._shapes[self._shape[slot]].removed
        base, done = self._times.pair(slot)
        jitter = longest_jitter * int.from_bytes(self._ids[at : at + 4], "big") >> 32
        suspected = self._suspected.get(slot)
        return Watched(base, self._owed(slot, base), suspected, removed, jitter), done

    def seen(self, slot: int) -> Seen:
        """Give what looks of before saw."""
        shape = self.shape(slot)
        length = self._length[slot] - 1 if slot < len(self._length) else -1
        baseline = baseline_of(shape.content, None if length < 0 else length)
        return Seen(shape.known_online, shape.host_dark, baseline)

    def sealed(self, slot: int) -> str:
        """Give the sealed URL as it came."""
        seal, data = self.shape(slot).seal, self._blobs[slot]
        return data.decode() if seal is None else f"{seal}.{_urlsafe(data).decode()}"

    def _enter(self, case: bytes, sealed: bytes) -> int:
        if self._free:
            slot = self._free.pop()
            self._blobs[slot] = sealed
            self.flags[slot] = 0
        else:
            slot = len(self._shape)
            self._shape.append(_NOBODY)
            self._blobs.append(sealed)
            self.flags.append(0)
        widen(self._ids, ID, slot)
        self._ids[slot * ID : slot * ID + ID] = case
        self._index.add(case, slot)
        return slot

    def _write(self, slot: int, entry: WatchEntry, seal: str | None, base: int, done: int) -> None:
        removed = entry.removed_at
        owed = None
        if removed is None and entry.deadline is not None:
            owed = micros(entry.deadline) - base
        self._times.put(slot, base, done)
        self._shape[slot] = self._number(entry, owed, seal)
        if self._shapes[self._shape[slot]].deadline_after == OWN:
            self._own_deadline(slot, base + (owed or 0))
        self._write_length(slot, entry.baseline)
        if entry.suspected_at is not None and removed is None:
            self._suspected[slot] = micros(entry.suspected_at)
        elif self._suspected:
            self._suspected.pop(slot, None)

    def _number(self, entry: WatchEntry, owed: int | None, seal: str | None) -> int:
        shape = Shape(
            entry.category,
            entry.methodology,
            entry.second_vantage,
            entry.removed_at is not None,
            owed,
            seal,
            entry.known_online,
            entry.host_dark,
            content_of(entry.baseline),
        )
        number = self._numbers.get(shape)
        if number is None and owed is not None and len(self._shapes) >= _MANY:
            shape = shape._replace(deadline_after=OWN)
            number = self._numbers.get(shape)
        if number is None:
            number = self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
            if number > _SHORT and self._shape.itemsize == 2:
                self._shape = array("I", self._shape)
        return number

    def _write_length(self, slot: int, baseline: Fingerprint | None) -> None:
        """Keep a length plus one; 0 is unknown. Lengths of 4 GiB and more are all the same."""
        length = None if baseline is None else baseline.content_length
        missing = slot + 1 - len(self._length)
        if length is None and missing > 0:
            return
        if missing > 0:
            self._length.extend(array("I", [0]) * (missing + slot // SPARE))
        self._length[slot] = 0 if length is None else min(length + 1, _MOST)

    def _own_deadline(self, slot: int, deadline: int) -> None:
        missing = slot + 1 - len(self._deadline)
        if missing > 0:
            self._deadline.extend(array("q", [0]) * (missing + slot // SPARE))
        self._deadline[slot] = deadline


def _base(entry: WatchEntry) -> int:
    """Give the instant from which a case's ticks are counted."""
    base = micros(entry.watch_from if entry.removed_at is None else entry.removed_at)
    if not 0 < base <= LATEST:
        raise UnusableEvent("bad_time", "a watch begins after 1970 and before 2112; set its clock")
    return base


def _urlsafe(raw: bytes) -> bytes:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URLSAFE)


def _unpack(sealed: str) -> tuple[str | None, bytes]:
    """Take base64 off a sealed URL, where putting it on again gives the same text; a third is saved."""
    prefix, dot, body = sealed.rpartition(".")
    text = body.encode()
    try:
        raw = binascii.a2b_base64(text.translate(_TO_STANDARD))
    except binascii.Error:
        raw = b""
    seal, data = (prefix, raw) if dot and _urlsafe(raw) == text else (None, sealed.encode())
    if len(data) > _LONGEST:
        raise UnusableEvent("bad_seal", "a sealed URL is longer than 64 KiB; no URL is")
    return seal, data
