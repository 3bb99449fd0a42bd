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
from services.probing.schedule.profiles import History, Profile, baseline_of, content_of

_LONGEST = (1 << 16) - 4
_MOST = 0xFFFFFFFF
OWN = -(2**63)
# Working hours and holds make deadlines that no two cases share; past so many profiles such get a column.
_MANY = 1024
_NOBODY = 0
_SHORT = 0xFFFF
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_TO_URLSAFE = bytes.maketrans(b"+/", b"-_")


class WorkList:
    """Watch entries by case, each in a row (a small integer that stays its own until it is removed).

    `done` is the owner's: the instant, in microseconds, until which a case's ticks are dealt with. `flags` is too.
    """

    __slots__ = (
        "_blobs",
        "_deadline",
        "_free",
        "_further",
        "_ids",
        "_index",
        "_length",
        "_numbers",
        "_profile",
        "_profiles",
        "_suspected",
        "_times",
        "flags",
    )

    def __init__(self) -> None:
        self._ids = bytearray()
        self._index = CaseIndex(self._ids)
        self._blobs = Blobs()
        self._times = Instants()  # the start of the watch, and `done`
        self._profile = array("H")
        self._profiles = [Profile("", "", False, False, None, None)]  # nobody's
        self._numbers: dict[Profile, int] = {}
        self._suspected: dict[int, int] = {}
        self._further: dict[int, int] = {}  # more confirming looks than usual, while suspected
        self._deadline = array("q")
        self._length = array("I")
        self._free = array("I")
        self.flags = bytearray()

    def __repr__(self) -> str:
        return f"<WorkList {len(self)} cases>"

    def __len__(self) -> int:
        return len(self._profile) - len(self._free)

    @property
    def capacity(self) -> int:
        """One more than the highest row ever used."""
        return len(self._profile)

    def find(self, case_id: str) -> int:
        """Give the row of a case, or -1."""
        return self._index.find(bytes.fromhex(case_id))

    def case_id(self, row: int) -> str:
        """Give the case in a row."""
        return self._ids[row * ID : row * ID + ID].hex()

    def profile(self, row: int) -> Profile:
        """Give what the case in a row shares with others."""
        return self._profiles[self._profile[row]]

    def profile_number(self, row: int) -> int:
        """Give the number of that profile: one number, one profile, for as long as the list lives."""
        return self._profile[row]

    def suspected(self, row: int) -> bool:
        """Tell whether a removal is being confirmed."""
        return row in self._suspected

    def deadline(self, row: int) -> int | None:
        """Give the deadline in microseconds, if one is still ahead of a removal."""
        return self._owed(row, self._times.pair(row)[0])

    def _owed(self, row: int, base: int) -> int | None:
        after = self._profiles[self._profile[row]].deadline_after
        if after is None:
            return None
        return self._deadline[row] if after == OWN else base + after

    def done(self, row: int) -> int:
        """Give the instant until which the ticks of the case in a row are dealt with."""
        return self._times.pair(row)[1]

    def set_done(self, row: int, until: int) -> None:
        """Note until which instant they are; no case has a tick before 1970."""
        self._times.put(row, self._times.pair(row)[0], max(until, 0))

    def put(self, case_id: str, entry: WatchEntry) -> int:
        """Take in a case or its new entry; gives its row. Raises `UnusableEvent` and changes nothing."""
        row = self.find(case_id)
        if row < 0:
            return self.add(case_id, entry)
        base, (seal, sealed) = _base(entry), _unpack(entry.sealed_url)
        if self._blobs[row] != sealed:
            self._blobs[row] = sealed
        self._write(row, entry, seal, base, self.done(row))
        return row

    def begins_anew(self, row: int, entry: WatchEntry) -> bool:
        """Tell whether a case is gone, and its looks count from later than the removal known or suspected here."""
        if entry.removed_at is None:
            return False
        removed = self.profile(row).removed
        removed_at = self._times.pair(row)[0] if removed else self._suspected.get(row)
        return removed_at is not None and removed_at < micros(entry.removed_at)

    def add(self, case_id: str, entry: WatchEntry, done: int = 0) -> int:
        """Take in a case that is not in, with `done`; else as `put`."""
        base, (seal, sealed) = _base(entry), _unpack(entry.sealed_url)
        row = self._enter(bytes.fromhex(case_id), sealed)
        self._write(row, entry, seal, base, max(done, 0))
        return row

    def remove(self, row: int) -> None:
        """Forget the case in a row."""
        self._index.discard(bytes(self._ids[row * ID : row * ID + ID]))
        self._blobs[row] = b""
        self._suspected.pop(row, None)
        self._further.pop(row, None)
        self._profile[row] = _NOBODY
        self._free.append(row)

    def occupied(self, row: int) -> bool:
        """Tell whether a row holds a case."""
        return self._profile[row] != _NOBODY

    def watched(self, row: int, longest_jitter: int) -> tuple[Watched, int]:
        """Give what the cadence asks for, the case's share of the jitter included (`Plan.jitter_of`), and `done`."""
        at, removed = row * ID, self._profiles[self._profile[row]].removed
        base, done = self._times.pair(row)
        jitter = longest_jitter * int.from_bytes(self._ids[at : at + 4], "big") >> 32
        suspected = self._suspected.get(row)
        return Watched(
            base, self._owed(row, base), suspected, removed, jitter, self._further.get(row, 0)
        ), done

    def history(self, row: int) -> History:
        """Give what looks of before saw."""
        profile = self.profile(row)
        length = self._length[row] - 1 if row < len(self._length) else -1
        baseline = baseline_of(profile.content, None if length < 0 else length)
        return History(profile.known_online, profile.host_dark, baseline)

    def sealed(self, row: int) -> str:
        """Give the sealed URL as it came."""
        seal, data = self.profile(row).seal, self._blobs[row]
        return data.decode() if seal is None else f"{seal}.{_urlsafe(data).decode()}"

    def _enter(self, case: bytes, sealed: bytes) -> int:
        if self._free:
            row = self._free.pop()
            self._blobs[row] = sealed
            self.flags[row] = 0
        else:
            row = len(self._profile)
            self._profile.append(_NOBODY)
            self._blobs.append(sealed)
            self.flags.append(0)
        widen(self._ids, ID, row)
        self._ids[row * ID : row * ID + ID] = case
        self._index.add(case, row)
        return row

    def _write(self, row: int, entry: WatchEntry, seal: str | None, base: int, done: int) -> None:
        removed = entry.removed_at
        owed = None
        if removed is None and entry.deadline is not None:
            owed = micros(entry.deadline) - base
        self._times.put(row, base, done)
        self._profile[row] = self._number(entry, owed, seal)
        if self._profiles[self._profile[row]].deadline_after == OWN:
            self._own_deadline(row, base + (owed or 0))
        self._write_length(row, entry.baseline)
        if entry.suspected_at is not None and removed is None:
            self._suspected[row] = micros(entry.suspected_at)
        elif self._suspected:
            self._suspected.pop(row, None)
        if entry.further_looks and row in self._suspected:
            self._further[row] = entry.further_looks
        elif self._further:
            self._further.pop(row, None)

    def _number(self, entry: WatchEntry, owed: int | None, seal: str | None) -> int:
        profile = Profile(
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
        number = self._numbers.get(profile)
        if number is None and owed is not None and len(self._profiles) >= _MANY:
            profile = profile._replace(deadline_after=OWN)
            number = self._numbers.get(profile)
        if number is None:
            number = self._numbers[profile] = len(self._profiles)
            self._profiles.append(profile)
            if number > _SHORT and self._profile.itemsize == 2:
                self._profile = array("I", self._profile)
        return number

    def _write_length(self, row: int, baseline: Fingerprint | None) -> None:
        """Keep a length plus one; 0 is unknown. Lengths of 4 GiB and more are all the same."""
        length = None if baseline is None else baseline.content_length
        missing = row + 1 - len(self._length)
        if length is None and missing > 0:
            return
        if missing > 0:
            self._length.extend(array("I", [0]) * (missing + row // SPARE))
        self._length[row] = 0 if length is None else min(length + 1, _MOST)

    def _own_deadline(self, row: int, deadline: int) -> None:
        missing = row + 1 - len(self._deadline)
        if missing > 0:
            self._deadline.extend(array("q", [0]) * (missing + row // SPARE))
        self._deadline[row] = deadline


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
