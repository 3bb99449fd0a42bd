"""The open cases of one partition, in columns: about 130 bytes each with a URL of 45 characters.

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
from services.probing.shapes import Seen, Shape, content_of

_ID = 16
_CHUNK = 1 << 16
_LONG = 0xFF
_LONGEST = _CHUNK - 4
_NOWHERE = 0xFFFFFFFF
_SPARE = 128


OWN = -(2**63)
# Working hours and holds make deadlines that no two cases share; past so many shapes such get a column.
_MANY = 1024
_NOBODY = 0
_SHORT = 0xFFFF
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


class Blobs:
    """Byte strings in chunks of 64 KiB; a chunk that is half garbage is written anew.

    `refs[owner]` says where an owner's bytes lie: a byte of length (255: two more follow), then the bytes.
    The records do not name their owners: that would cost 4 MB per million, and a rewrite can ask `refs`.
    """

    __slots__ = ("_chunks", "_live", "_open", "refs")

    def __init__(self) -> None:
        self.refs = array("I")
        self._chunks: list[bytes | bytearray] = [bytearray()]
        self._live = [0]
        self._open = 0

    def put(self, owner: int, data: bytes) -> None:
        """Store an owner's bytes; an owner that has some frees them first."""
        record = _measured(data)
        if len(self._chunks[self._open]) + len(record) > _CHUNK:
            self._turn_over()
        chunk = self._chunks[self._open]
        assert isinstance(chunk, bytearray)
        self.refs[owner] = self._open << 16 | len(chunk)
        chunk += record
        self._live[self._open] += len(record)

    def get(self, owner: int) -> bytes:
        """Give an owner's bytes."""
        number, at = self.refs[owner] >> 16, self.refs[owner] & 0xFFFF
        chunk = self._chunks[number]
        length, at = chunk[at], at + 1
        if length == _LONG:
            length, at = int.from_bytes(chunk[at : at + 2], "little"), at + 2
        return bytes(chunk[at : at + length])

    def free(self, owner: int) -> None:
        """Forget an owner's bytes."""
        number = self.refs[owner] >> 16
        self._live[number] -= len(_measured(self.get(owner)))
        self.refs[owner] = _NOWHERE
        chunk = self._chunks[number]
        if number != self._open and 2 * self._live[number] < len(chunk):
            self._rewrite(number)

    def _turn_over(self) -> None:
        self._chunks[self._open] = bytes(self._chunks[self._open])
        empty = next((n for n, chunk in enumerate(self._chunks) if not chunk), None)
        self._open = len(self._chunks) if empty is None else empty
        if empty is None:
            self._chunks.append(b"")
            self._live.append(0)
        self._chunks[self._open] = bytearray()

    def _rewrite(self, number: int) -> None:
        owners = [owner for owner, ref in enumerate(self.refs) if ref >> 16 == number]
        kept = [(owner, self.get(owner)) for owner in owners]
        self._chunks[number], self._live[number] = b"", 0
        for owner, data in kept:
            self.put(owner, data)


def _measured(data: bytes) -> bytes:
    if len(data) < _LONG:
        return bytes((len(data),)) + data
    return bytes((_LONG,)) + len(data).to_bytes(2, "little") + data


class CaseIndex:
    """Case id to slot: open addressing over an array; the ids are HMACs, so they hash themselves."""

    __slots__ = ("_ids", "_mask", "_slots", "_used")

    def __init__(self, ids: bytearray) -> None:
        self._ids = ids
        self._mask = 63
        self._slots = array("I", [0]) * 64
        self._used = 0

    def find(self, case: bytes) -> int:
        """Give the slot of a case, or -1."""
        return self._slots[self._position(case)] - 1

    def add(self, case: bytes, slot: int) -> None:
        """Enter a case that is not in."""
        if 3 * self._used > 2 * self._mask:
            self._grow()
        self._slots[self._position(case)] = slot + 1
        self._used += 1

    def discard(self, case: bytes) -> None:
        """Take a case out, and close the gap so that no probe run is cut."""
        gap = self._position(case)
        if not self._slots[gap]:
            return
        self._used -= 1
        at = gap
        while True:
            self._slots[gap] = 0
            while True:
                at = (at + 1) & self._mask
                if not self._slots[at]:
                    return
                home = self._home(self._id_of(self._slots[at] - 1))
                if (at - home) & self._mask >= (at - gap) & self._mask:
                    break
            self._slots[gap] = self._slots[at]
            gap = at

    def _home(self, case: bytes | bytearray) -> int:
        return int.from_bytes(case[:8], "little") & self._mask

    def _id_of(self, slot: int) -> bytearray:
        return self._ids[slot * _ID : slot * _ID + _ID]

    def _position(self, case: bytes) -> int:
        at, slots, ids = self._home(case), self._slots, self._ids
        while (slot := slots[at]) and ids[slot * _ID - _ID : slot * _ID] != case:
            at = (at + 1) & self._mask
        return at

    def _grow(self) -> None:
        old = self._slots
        self._mask = 2 * self._mask + 1
        self._slots = array("I", [0]) * (self._mask + 1)
        for slot in old:
            if slot:
                at = self._home(self._id_of(slot - 1))
                while self._slots[at]:
                    at = (at + 1) & self._mask
                self._slots[at] = slot


class WorkList:
    """Watch entries by case, each in a slot (a small integer that stays its own until it is removed).

    `done` is the owner's column: microseconds until which a case's ticks are dealt with.
    `flags` is the owner's too.
    """

    __slots__ = (
        "_base",
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
        "done",
        "flags",
    )

    def __init__(self) -> None:
        self._ids = bytearray()
        self._index = CaseIndex(self._ids)
        self._blobs = Blobs()
        self._base = array("q")
        self._shape = array("H")
        self._shapes = [Shape("", "", False, False, None, None)]  # nobody's
        self._numbers: dict[Shape, int] = {}
        self._suspected: dict[int, int] = {}
        self._deadline = array("q")
        self._length = array("I")
        self._free = array("I")
        self.done = array("q")
        self.flags = bytearray()

    def __repr__(self) -> str:
        return f"<WorkList {len(self)} cases>"

    def __len__(self) -> int:
        return len(self._base) - len(self._free)

    @property
    def capacity(self) -> int:
        """One more than the highest slot ever used."""
        return len(self._base)

    def find(self, case_id: str) -> int:
        """Give the slot of a case, or -1."""
        return self._index.find(bytes.fromhex(case_id))

    def case_id(self, slot: int) -> str:
        """Give the case in a slot."""
        return self._ids[slot * _ID : slot * _ID + _ID].hex()

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
        after = self._shapes[self._shape[slot]].deadline_after
        if after is None:
            return None
        return self._deadline[slot] if after == OWN else self._base[slot] + after

    def put(self, case_id: str, entry: WatchEntry) -> int:
        """Take in a case or its new entry; gives its slot. Raises `UnusableEvent` and changes nothing."""
        slot = self.find(case_id)
        if slot < 0:
            return self.add(case_id, entry)
        seal, sealed = _unpack(entry.sealed_url)
        if self._blobs.get(slot) != sealed:
            self._blobs.free(slot)
            self._blobs.put(slot, sealed)
        self._write(slot, entry, seal)
        return slot

    def add(self, case_id: str, entry: WatchEntry) -> int:
        """Take in a case that is not in; as `put`."""
        seal, sealed = _unpack(entry.sealed_url)
        slot = self._enter(bytes.fromhex(case_id))
        self._blobs.put(slot, sealed)
        self._write(slot, entry, seal)
        return slot

    def remove(self, slot: int) -> None:
        """Forget the case in a slot."""
        self._index.discard(bytes(self._ids[slot * _ID : slot * _ID + _ID]))
        self._blobs.free(slot)
        self._suspected.pop(slot, None)
        self._shape[slot] = _NOBODY
        self._free.append(slot)

    def occupied(self, slot: int) -> bool:
        """Tell whether a slot holds a case."""
        return self._shape[slot] != _NOBODY

    def watched(self, slot: int, longest_jitter: int) -> Watched:
        """Give what the cadence asks for, the case's share of the jitter included (`Plan.jitter_of`)."""
        at = slot * _ID
        return Watched(
            self._base[slot],
            self.deadline(slot),
            self._suspected.get(slot),
            self._shapes[self._shape[slot]].removed,
            longest_jitter * int.from_bytes(self._ids[at : at + 4], "big") >> 32,
        )

    def seen(self, slot: int) -> Seen:
        """Give what looks of before saw."""
        shape, baseline = self.shape(slot), None
        if shape.content is not None:
            length = self._length[slot] - 1 if slot < len(self._length) else -1
            baseline = Fingerprint(
                content_type=f"{shape.content}/*" if shape.content else None,
                content_length=None if length < 0 else length,
            )
        return Seen(shape.known_online, shape.host_dark, baseline)

    def sealed(self, slot: int) -> str:
        """Give the sealed URL as it came."""
        seal, data = self.shape(slot).seal, self._blobs.get(slot)
        return data.decode() if seal is None else f"{seal}.{_urlsafe(data).decode()}"

    def _enter(self, case: bytes) -> int:
        if self._free:
            slot = self._free.pop()
            self._ids[slot * _ID : slot * _ID + _ID] = case
            self.done[slot] = self.flags[slot] = 0
        else:
            slot = len(self._base)
            if len(self._ids) <= slot * _ID:
                # A bytearray that grows by itself keeps an eighth to spare.
                self._ids += bytes(_ID * (1 + slot // _SPARE))
            self._ids[slot * _ID : slot * _ID + _ID] = case
            for column in (self._base, self._shape, self._blobs.refs, self.done, self.flags):
                column.append(0)
        self._index.add(case, slot)
        return slot

    def _write(self, slot: int, entry: WatchEntry, seal: str | None) -> None:
        removed = entry.removed_at
        base = micros(entry.watch_from if removed is None else removed)
        owed = None
        if removed is None and entry.deadline is not None:
            owed = micros(entry.deadline) - base
        self._base[slot] = base
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
            self._length.extend(array("I", [0]) * (missing + slot // _SPARE))
        self._length[slot] = 0 if length is None else min(length + 1, _NOWHERE)

    def _own_deadline(self, slot: int, deadline: int) -> None:
        missing = slot + 1 - len(self._deadline)
        if missing > 0:
            self._deadline.extend(array("q", [0]) * (missing + slot // _SPARE))
        self._deadline[slot] = deadline


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
