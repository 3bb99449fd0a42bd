"""What was said last of each address of a case, in a fixed amount of memory: it is said again only if it changed.

A table of two places a row: a case and address that is looked at again finds its last statement, unless two others took
its places since; then the statement is made once more, which is harmless.
"""

from array import array

from services.attribution.attribution_fact import Attribution

_ROWS = 1 << 19
_MASK = 0xFFFF_FFFF


class FactMemory:
    """Remembers statements about as many as a million addresses of cases in 12 MB."""

    def __init__(self, rows: int = _ROWS) -> None:
        self._rows = rows
        self._names = array("Q", bytes(8 * 2 * rows))
        self._facts = array("I", bytes(4 * 2 * rows))

    def __repr__(self) -> str:
        return f"<FactMemory {self._rows} rows>"

    def last(self, case_id: str, address: str) -> int | None:
        """Give the mark of what was said last; None where nothing is remembered."""
        name, place = self._place(case_id, address)
        for at in (place, place + 1):
            if self._names[at] == name:
                return self._facts[at]
        return None

    def remember(self, case_id: str, address: str, mark: int) -> None:
        """Remember the mark of what was said, in the place of what is older."""
        name, place = self._place(case_id, address)
        if self._names[place] != name:
            self._names[place + 1], self._facts[place + 1] = self._names[place], self._facts[place]
        self._names[place], self._facts[place] = name, mark

    def _place(self, case_id: str, address: str) -> tuple[int, int]:
        name = hash((case_id, address)) & 0xFFFF_FFFF_FFFF_FFFF or 1
        return name, name % self._rows * 2


def mark_of(fact: Attribution) -> int:
    """Give a mark of what a fact says; not of when a source was asked, which changes nothing."""
    stated = fact if fact.method in ("map", "mmdb") else fact._replace(since=None)
    return hash(stated) & _MASK
