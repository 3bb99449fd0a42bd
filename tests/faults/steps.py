"""The named steps of the product at which a fault run kills or freezes a process.

Nothing of this is in the product: a process that the run starts finds `stepping/sitecustomize.py` on its path, which
wraps the functions named here. A process that passes a step looks whether the run has put a file of that name into
its folder; the first that takes it away dies there, or stands still.
"""

import functools
import importlib.machinery
import inspect
import os
import signal
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = "FAULT_STEPS"
"""The variable with the folder of the run; unset in every other process."""
_SESSION, _STORE = "consumers.ledger.session", "services.ledger.store"
_BATCH, _INSTALLATION = "services.ledger.transaction", "services.runtime.installation"
_EMBEDDED, _KEEPER = "services.runtime.embedded", "services.runtime.keeper"
_OF_SERVERS = (_EMBEDDED, _KEEPER)


class Step(NamedTuple):
    """A place in the product: before or after a function of a module."""

    name: str
    module: str
    function: str
    before: bool = False


LEDGER = (
    Step("ledger: batch read, nothing written", _STORE, "LedgerStore.write", before=True),
    Step("ledger: offsets moved, no effect yet", _STORE, "LedgerStore._advance"),
    Step("ledger: cases locked", _BATCH, "Batch._lock_or_open_cases"),
    Step("ledger: events in, not folded", _BATCH, "Batch._insert_events"),
    Step("ledger: middle of a flush", _BATCH, "Batch._extend_cases"),
    Step("ledger: all written, no commit", _BATCH, "Batch.take"),
    Step("ledger: effect committed, client not told", _STORE, "LedgerStore.write"),
    Step("ledger: before Kafka's own commit", _SESSION, "Session.commit", before=True),
    Step("ledger: after Kafka's own commit", _SESSION, "Session.commit"),
)
LEDGER_REBALANCE = (
    Step("ledger: partitions revoked", _SESSION, "Rebalances.on_partitions_revoked"),
    Step("ledger: partitions assigned", _SESSION, "Rebalances.on_partitions_assigned"),
    Step("ledger: before the claim", _STORE, "LedgerStore.claim", before=True),
    Step("ledger: claimed, not sought", _STORE, "LedgerStore.claim"),
    Step("ledger: taken over", _SESSION, "Session._take_over"),
)
RELAY = (
    Step("relay: before it sends", "consumers.ledger.relay", "Relay._send", before=True),
    Step("relay: sent, rows not deleted", "consumers.ledger.relay", "Relay._send"),
    Step("relay: rows deleted", "consumers.ledger.relay", "Relay.publish_once"),
)
PROBER = (
    Step("prober: looked, not recorded", "consumers.prober.recorder", "Recorder.record", before=True),
    Step("prober: recorded, not settled", "consumers.prober.recorder", "Recorder.record"),
    Step("prober: before its progress", "consumers.prober.assignment", "Assignment._commit", before=True),
    Step("prober: after its progress", "consumers.prober.assignment", "Assignment._commit"),
)  # fmt: skip
PROBER_REBALANCE = (
    Step("prober: before it lets go", "consumers.prober.assignment", "Assignment.let_go", before=True),
    Step("prober: let go", "consumers.prober.assignment", "Assignment.let_go"),
    Step("prober: assigned", "consumers.prober.assignment", "Assignment.on_partitions_assigned"),
    Step("prober: taken over", "consumers.prober.assignment", "Assignment._take_over"),
)  # fmt: skip
ROLE_START = (
    Step("role: before it is built", "services.runtime.roles", "_builder", before=True),
    Step("role: before it serves", "services.runtime.roles", "serve", before=True),
    Step("role: settings known", "services.runtime.roles", "connected"),
    Step("role: client started", "consumers.client.shell", "ClientShell.start"),
)
UP_START = (
    Step("up: before it has keys", _INSTALLATION, "Installation._have_keys", before=True),
    Step("up: before the servers", _INSTALLATION, "Installation._start_servers", before=True),
    Step("up: PostgreSQL's lock taken", f"{_EMBEDDED}.postgres", "EmbeddedPostgres._keep_address"),
    Step("up: PostgreSQL ready", f"{_EMBEDDED}.postgres", "EmbeddedPostgres._wait_until_ready"),
    Step("up: Kafka's lock taken", f"{_EMBEDDED}.kafka", "EmbeddedKafka._keep_ports"),
    Step("up: Kafka ready", f"{_EMBEDDED}.kafka", "EmbeddedKafka._wait_until_ready"),
    Step("up: before the topics", _INSTALLATION, "prepare_topics", before=True),
    Step("up: before the schema", _INSTALLATION, "prepare_database", before=True),
    Step("up: before the roles", "services.runtime.role_children", "RoleChildren.start", before=True),
    Step("up: addresses published", _INSTALLATION, "Installation._publish"),
    Step("up: first role started", "services.runtime.supervisor", "Child.start"),
)  # fmt: skip
UP_STOP = (
    Step("up: stop of a role", "services.runtime.supervisor", "Child.stop", before=True),
    Step("up: a role stopped", "services.runtime.supervisor", "Child.stop"),
    Step("up: stop of a server", _KEEPER, "Keeper.stop", before=True),
    Step("up: a server stopped", _KEEPER, "Keeper.stop"),
)
STEPS = (
    *LEDGER, *LEDGER_REBALANCE, *RELAY, *PROBER, *PROBER_REBALANCE, *ROLE_START, *UP_START, *UP_STOP,
)  # fmt: skip


def names(steps: Sequence[Step]) -> tuple[tuple[str, ...], ...]:
    """Give each step as a victim of its own."""
    return tuple((step.name,) for step in steps)


def elsewhere(steps: Sequence[Step]) -> tuple[Step, ...]:
    """Leave out the steps that only a `takedown up` with servers of its own passes."""
    return tuple(step for step in steps if not step.module.startswith(_OF_SERVERS))


def file_of(folder: Path, name: str) -> Path:
    """Name the file that asks for a fault at a step."""
    return folder / name.replace(" ", "-").replace(":", "")


def pass_step(folder: Path, name: str) -> None:
    """Die or stand still here, if the run asks for it and nobody else did."""
    wanted = file_of(folder, name)
    taken = wanted.with_name(f"{wanted.name}.{os.getpid()}")
    try:
        number = signal.Signals[wanted.read_text()]
        wanted.rename(taken)
    except OSError:
        return
    os.kill(os.getpid(), number)


def wrapped(function: Callable[..., Any], reached: Callable[[], None], before: bool) -> Any:
    """Give a function that tells when it begins, or when it ends without an error."""

    @functools.wraps(function)
    def plain(*words: Any, **more: Any) -> Any:
        if before:
            reached()
        result = function(*words, **more)
        if not before:
            reached()
        return result

    @functools.wraps(function)
    async def waiting(*words: Any, **more: Any) -> Any:
        if before:
            reached()
        result = await function(*words, **more)
        if not before:
            reached()
        return result

    return waiting if inspect.iscoroutinefunction(function) else plain


def wrap(module: Any, step: Step, reached: Callable[[], None]) -> None:
    """Put a step into a module; raises `AttributeError` where its function has another name now."""
    *owners, name = step.function.split(".")
    place = functools.reduce(getattr, owners, module)
    setattr(place, name, wrapped(getattr(place, name), reached, step.before))


class Finder:
    """Finds the modules that have steps, and wraps them once they are loaded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._steps: dict[str, list[Step]] = defaultdict(list)
        for step in STEPS:
            self._steps[step.module].append(step)

    def __repr__(self) -> str:
        return f"<Finder modules={len(self._steps)}>"

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find a module as Python does; one with steps loads with them."""
        if name not in self._steps:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def load_with_steps(module: Any) -> None:
            load(module)
            for step in self._steps[name]:
                wrap(module, step, functools.partial(pass_step, self._folder, step.name))

        setattr(spec.loader, "exec_module", load_with_steps)  # noqa: B010 - typed as a method
        return spec
