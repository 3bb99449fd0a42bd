"""How two folds of one case differ, in the words of the design, and which factor makes each difference.

A case folded under two methodologies differs only where their definitions do: each difference is tested by
folding the same events again with one definition exchanged.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from schemas.events import Event
from schemas.methodology import Methodology
from services.core.bounds import exclusion
from services.core.case import Block, Case, Elsewhere, Run, Spell, Transition
from services.core.fold import fold

# What changes nothing in a fold: names, and what the prober or the report alone asks for.
_NOT_FOLDED = ("id", "version", "title", "source", "minimum_n", "cadence")
_NESTED = ("confirmation",)
_TOGETHER = {"norms": "norm", "time_zone": "calendar", "business": "calendar"}
EVIDENCE = "evidence"
DEFINITION = "a definition that is not known here"


class Fold(Struct, frozen=True):
    """A folded case with the methodology that it was folded under."""

    case: Case
    transitions: Sequence[Transition]
    methodology: Methodology | None


class Difference(Struct, frozen=True, kw_only=True):
    """One thing that two folds of a case say differently; `causes` name what makes the difference."""

    kind: str
    spell: int | None
    here: Any
    there: Any
    causes: tuple[str, ...] = ()


def _counted_out(fold_: Fold, spell: Spell) -> str | None:
    reason = exclusion(fold_.case, spell)
    method = fold_.methodology
    return reason if reason is not None and (method is None or reason in method.exclude) else None


def _run(run: Run | None) -> tuple[Any, ...] | None:
    return (
        None
        if run is None
        else (
            run.looks,
            run.vantages,
            run.agreed_at,
            run.further,
            run.doubted,
            run.seconded_at,
            run.shut_out,
        )
    )


def _elsewhere(run: Elsewhere | None) -> tuple[Any, ...] | None:
    return None if run is None else (run.provider, run.looks, run.further)


def _block(block: Block | None) -> tuple[str, int] | None:
    return None if block is None else (block.vantage, block.looks)


_OF_CASE: Mapping[str, Callable[[Case], Any]] = {
    "category": lambda case: case.category,
    "reported": lambda case: (case.reported_at, case.reports, case.reporters),
    "retracted": lambda case: case.retracted,
    "not_measurable": lambda case: case.not_measurable,
    "erased": lambda case: case.erased,
    "notices": lambda case: [
        (
            n.notice_id,
            n.provider,
            n.spell,
            n.sent_at,
            n.delivered_at,
            n.failed_at,
            n.acknowledged_at,
        )
        for n in case.notices.values()
    ],
    "last_event": lambda case: (case.last_time, case.last_id),
    "spells": lambda case: len(case.spells),
}
_OF_SPELL: Mapping[str, Callable[[Fold, Spell], Any]] = {
    "provider": lambda _, s: s.provider,
    "opened": lambda _, s: s.opened_at,
    "clock_start": lambda _, s: s.clock_started_at,
    "deadline": lambda _, s: s.deadline,
    "norm_state": lambda _, s: s.clock.value,
    "breached": lambda _, s: s.breached_at,
    "L": lambda _, s: s.last_seen_at,
    "removal_L": lambda _, s: [removal.lower for removal in s.removals],
    "R": lambda _, s: [removal.upper for removal in s.removals],
    "presence": lambda _, s: s.presence.value,
    "returned": lambda _, s: s.returned_at,
    "procedure": lambda _, s: s.procedure.value,
    "closed": lambda _, s: (s.closed_at, s.closed_reason),
    "excluded": _counted_out,
    "exposure": lambda _, s: (s.exposure_lower_seconds, s.exposure_upper_seconds),
    "looks": lambda _, s: (s.looks, s.undetermined, s.missed),
    "pending": lambda _, s: (
        _run(s.run),
        _run(s.dark),
        _run(s.contested),
        _elsewhere(s.elsewhere),
        _block(s.block),
        s.disputed,
        s.lost_from,
        s.alternations,
        s.swaps,
        s.reported_again_at,
        s.beside,
    ),
}
KINDS = (*_OF_CASE, *_OF_SPELL, "transitions")
# What follows from others, or has no consequence yet.
_LESSER = ("transitions", "pending")

Key = tuple[str, int | None]


def values(fold_: Fold) -> dict[Key, Any]:
    """Give everything that is compared, by kind and spell."""
    compared: dict[Key, Any] = {(kind, None): get(fold_.case) for kind, get in _OF_CASE.items()}
    for spell in fold_.case.spells:
        for kind, get in _OF_SPELL.items():
            compared[kind, spell.number] = get(fold_, spell)
    compared["transitions", None] = [
        (t.spell, t.machine, t.before, t.after, t.at, t.cause, t.detail) for t in fold_.transitions
    ]
    return compared


def differences(here: Fold, there: Fold) -> list[Difference]:
    """Say what differs; the list of transitions, and runs that are not over, only where nothing else does."""
    ours, theirs = values(here), values(there)
    keys = [key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key)]
    keys = [key for key in keys if key[0] not in _LESSER] or keys
    return [
        Difference(
            kind=kind, spell=spell, here=ours.get((kind, spell)), there=theirs.get((kind, spell))
        )
        for kind, spell in keys
    ]


class Reading(Struct, frozen=True, kw_only=True):
    """How one side reads evidence: its definitions, and what it does to the events before it folds them."""

    methodology: Methodology
    prepared: Mapping[str, Callable[[list[Event]], list[Event]]] = {}

    def fold(self, events: Iterable[Event]) -> Fold | None:
        """Fold as this side does; None where nothing is left to fold."""
        evidence = list(events)
        for prepare in self.prepared.values():
            evidence = prepare(evidence)
        return Fold(*fold(evidence, self.methodology), self.methodology) if evidence else None

    def factors(self, other: "Reading") -> list[str]:
        """Name everything in which another reading differs."""
        names = definitions(self.methodology, other.methodology)
        mine, theirs = self.prepared, other.prepared
        return names + [n for n in dict.fromkeys([*mine, *theirs]) if mine.get(n) != theirs.get(n)]

    def taking(self, factors: Sequence[str], other: "Reading") -> "Reading":
        """Give this reading with some factors of another."""
        method = exchanged(self.methodology, other.methodology, factors)
        names = dict.fromkeys([*self.prepared, *other.prepared])
        chosen = {n: (other if n in factors else self).prepared.get(n) for n in names}
        return Reading(
            methodology=method, prepared={n: p for n, p in chosen.items() if p is not None}
        )


def definitions(one: Methodology, other: Methodology) -> list[str]:
    """Name the definitions in which two methodologies differ and that a fold asks for."""
    mine, theirs = _definitions(one), _definitions(other)
    return [name for name in mine if mine[name] != theirs[name]]


def _definitions(method: Methodology) -> dict[str, dict[str, Any]]:
    """Group the fields by definition: those that mean nothing without each other are one."""
    grouped: dict[str, dict[str, Any]] = {}
    for name, value in msgspec.to_builtins(method).items():
        if name in _NESTED:
            grouped |= {f"{name}.{part}": {part: inner} for part, inner in value.items()}
        elif name not in _NOT_FOLDED:
            grouped.setdefault(_TOGETHER.get(name, name), {})[name] = value
    return grouped


def exchanged(one: Methodology, other: Methodology, names: Sequence[str]) -> Methodology:
    """Give a methodology with some definitions of another."""
    tree, theirs = msgspec.to_builtins(one), _definitions(other)
    for name in names:
        head, _, part = name.partition(".")
        (tree[head] if part else tree).update(theirs.get(name, {}))
    return msgspec.convert(tree, Methodology)


def explain(
    differing: Sequence[Difference], events: Sequence[Event], here: Reading, there: Reading
) -> list[Difference]:
    """Name the causes of differences by folding the same events with one factor exchanged at a time.

    A factor causes a difference if it alone, exchanged, turns one side's value into the other's. Where no single
    one does, all of them together do; where not even they do, the evidence itself differs.
    """
    tested = _Tested(events, here, there)
    return [msgspec.structs.replace(one, causes=tested.causes(one)) for one in differing]


class _Tested:
    """Folds of one case under every exchange, each made once."""

    def __init__(self, events: Sequence[Event], here: Reading, there: Reading) -> None:
        self._events = events
        self._factors = here.factors(there)
        self._here = {f: self._values(here.taking([f], there)) for f in self._factors}
        self._there = {f: self._values(there.taking([f], here)) for f in self._factors}
        self._plain = self._values(here), self._values(there)

    def _values(self, reading: Reading) -> dict[Key, Any]:
        folded = reading.fold(self._events)
        return {} if folded is None else values(folded)

    def causes(self, difference: Difference) -> tuple[str, ...]:
        key = (difference.kind, difference.spell)
        ours, theirs = (side.get(key) for side in self._plain)
        if (ours, theirs) != (difference.here, difference.there):
            return (EVIDENCE,)
        alone = [f for f in self._factors if self._here[f].get(key) == theirs]
        alone = alone or [f for f in self._factors if self._there[f].get(key) == ours]
        return tuple(alone) or (" + ".join(self._relevant(key)) or EVIDENCE,)

    def _relevant(self, key: Key) -> list[str]:
        """Name the factors that move a value at all, where only several together make the difference."""
        ours, theirs = (side.get(key) for side in self._plain)
        moving = [
            f
            for f in self._factors
            if self._here[f].get(key) != ours or self._there[f].get(key) != theirs
        ]
        return moving or self._factors
