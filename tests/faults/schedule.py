"""The schedule of a fault run: a function of its seed, so that a run that fails can be played again."""

import random
from collections.abc import Sequence

from msgspec import Struct

from tests.faults import steps

ROLES = ("ledger", "ledger-2", "relay", "prober", "prober-2", "exporter", "retention")
"""What a `takedown up` of the fault run has; two of a kind, so that a kill moves partitions."""
SERVERS = ("Kafka", "PostgreSQL")


class Fault(Struct, frozen=True):
    """One fault: what happens, to whom, how many seconds it lasts and how many follow it in peace.

    `measured`: nothing else happens until everything works again, and the time that it takes is noted.
    """

    kind: str
    victims: tuple[str, ...] = ()
    lasts: float = 0.0
    after: float = 0.0
    measured: bool = False

    def __str__(self) -> str:
        words = " ".join([self.kind, *(f"{victim}," for victim in self.victims)]).rstrip(",")
        return f"{words} for {self.lasts} s" if self.lasts else words


class Kind(Struct, frozen=True):
    """A kind of fault: how often it comes, who may be hit, how long it lasts."""

    name: str
    weight: int
    victims: tuple[tuple[str, ...], ...] = ((),)
    lasts: tuple[float, float] = (0.0, 0.0)


def _each(names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple((name,) for name in names)


BOTH = (
    Kind("kill role", 10, _each(ROLES)),
    Kind("kill up", 3),
    Kind("kill up late", 2, lasts=(0.1, 4.0)),
    Kind("kill up in its start", 3, lasts=(0.0, 7.0)),
    Kind("kill at a step", 14, steps.names((*steps.LEDGER, *steps.RELAY, *steps.PROBER))),
    Kind("kill in a rebalance", 3, steps.names((*steps.LEDGER_REBALANCE, *steps.PROBER_REBALANCE))),
    Kind("kill a role at its start", 3, steps.names(steps.ROLE_START)),
    Kind("zombie at a step", 2, steps.names((*steps.LEDGER, *steps.PROBER)), lasts=(10.5, 13.0)),
    Kind("freeze role", 2, _each(("ledger", "ledger-2", "relay", "prober")), lasts=(1.0, 9.0)),
    Kind("zombie consumer", 2, _each(("ledger", "ledger-2", "prober")), lasts=(10.5, 13.0)),
    Kind("aborted transaction", 3),
    Kind("duplicates and reordering", 3),
)
OWN = (
    *BOTH,
    Kind("kill up at a step of its start", 5, steps.names(steps.UP_START)),
    Kind("kill up at a step of its stop", 2, steps.names(steps.UP_STOP)),
    Kind("kill server", 5, _each(SERVERS)),
    Kind("kill guardian", 3, _each(SERVERS)),
    Kind("kill server and guardian", 2, _each(SERVERS)),
    Kind("kill both servers", 2, (SERVERS,)),
    Kind("kill up and servers", 2, (*_each(SERVERS), SERVERS)),
    Kind("kill all", 1),
    Kind("kill backend", 2),
    Kind("stop up", 1),
    Kind("freeze server", 2, _each(SERVERS), lasts=(0.5, 6.0)),
    Kind("disk full", 1, lasts=(1.0, 5.0)),
    Kind("clock jumps", 3, lasts=(1.0, 6.0)),
)
"""Faults of a `takedown up` that has started its servers itself."""
WIRED = (
    *BOTH,
    Kind("kill up at a step of its start", 3, steps.names(steps.elsewhere(steps.UP_START))),
    Kind("kill up at a step of its stop", 1, steps.names(steps.elsewhere(steps.UP_STOP))),
    Kind("wire stalls", 3, _each(SERVERS), lasts=(0.5, 12.0)),
    Kind("wire is reset", 3, _each(SERVERS), lasts=(0.0, 3.0)),
    Kind("wire is truncated", 3, _each(SERVERS), lasts=(0.2, 2.0)),
    Kind("wire is slow", 2, _each(SERVERS), lasts=(2.0, 6.0)),
    Kind("wire is half closed", 2, _each(SERVERS), lasts=(0.2, 3.0)),
    Kind("wire refuses", 2, _each(SERVERS), lasts=(0.5, 4.0)),
    Kind("broker killed", 3, lasts=(0.0, 3.0)),
    Kind("broker stopped", 1, lasts=(0.0, 3.0)),
    Kind("database killed", 3, lasts=(0.0, 3.0)),
    Kind("standby promoted", 2),
    Kind("partition without leader", 3, lasts=(1.0, 12.0)),
    Kind("clock of the servers jumps", 3, lasts=(1.0, 6.0)),
)
"""Faults of a `takedown up` on servers elsewhere, behind wires that can be cut."""


def schedule(seed: int, count: int, kinds: Sequence[Kind]) -> list[Fault]:
    """Give the faults of a seed; every kind comes once measured, as far as the count allows, the others by chance."""
    rng = random.Random(f"faults|{seed}|{count}|{len(kinds)}")
    measured = [_fault(rng, kind, measured=True) for kind in kinds]
    rng.shuffle(measured)
    measured = measured[:count]
    more = rng.choices(kinds, [kind.weight for kind in kinds], k=count - len(measured))
    chosen = [_fault(rng, kind, measured=rng.random() < 0.1) for kind in more]
    for fault in measured:
        chosen.insert(rng.randint(0, len(chosen)), fault)
    return chosen


def first_kills(seed: int, count: int) -> list[float]:
    """Give after how many seconds each of the first starts on an empty folder is killed."""
    rng = random.Random(f"first|{seed}")
    return [round(rng.uniform(0.2, 8.0), 2) for _ in range(count)]


def _fault(rng: random.Random, kind: Kind, *, measured: bool) -> Fault:
    return Fault(
        kind.name,
        rng.choice(kind.victims),
        lasts=round(rng.uniform(*kind.lasts), 2),
        after=round(rng.uniform(0.3, 3.0), 2),
        measured=measured,
    )
