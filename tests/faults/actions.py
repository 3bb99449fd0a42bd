"""What the faults do."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from services.ledger.transient import TRANSIENT_DATABASE
from services.runtime.embedded import EmbeddedPostgres
from tests.faultproxy import Fault as Cut
from tests.faults.arrangements import Wired
from tests.faults.monitor import GaveUp
from tests.faults.processes import kill
from tests.faults.schedule import Fault
from tests.integration.ledger_kit import story
from tests.integration.transaction_kit import writer
from tests.standby import ask

if TYPE_CHECKING:
    from tests.faults.run import Run

Action = Callable[["Run", Fault], Awaitable[None]]
_STEP_SECONDS = 20.0
_REBALANCE_SECONDS = 25.0
_START_SECONDS = 90.0
_CLOCK_SECONDS = 2.0
_NO_CLOCK = "libfaketime is not in the cache (scripts/libfaketime)"
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


async def kill_role(run: "Run", fault: Fault) -> None:
    roles = run.monitor.family.roles
    for name in fault.victims:
        kill(roles.get(name))


async def kill_server(run: "Run", fault: Fault) -> None:
    servers = run.monitor.family.servers
    for name in fault.victims:
        kill(servers.get(name))


async def kill_guardian(run: "Run", fault: Fault) -> None:
    guardians = run.monitor.family.guardians
    for name in fault.victims:
        kill(guardians.get(name))


async def kill_pair(run: "Run", fault: Fault) -> None:
    family = run.monitor.family
    for name in fault.victims:
        kill(family.guardians.get(name))
        kill(family.servers.get(name))


async def kill_up(run: "Run", fault: Fault) -> None:
    await run.monitor.kill()
    await asyncio.sleep(fault.lasts)
    await run.monitor.start(*run.options)


async def kill_up_starting(run: "Run", fault: Fault) -> None:
    await run.monitor.kill()
    await run.monitor.start(*run.options)
    await asyncio.sleep(fault.lasts)
    await run.monitor.kill()
    await run.monitor.start(*run.options)


async def kill_up_and_servers(run: "Run", fault: Fault) -> None:
    await kill_server(run, fault)
    await kill_up(run, fault)


async def kill_all(run: "Run", fault: Fault) -> None:
    family = run.monitor.family
    for pids in (family.roles, family.guardians, family.servers):
        for pid in pids.values():
            kill(pid)
    await kill_up(run, fault)


async def stop_up(run: "Run", fault: Fault) -> None:
    """Stop it in order; in its first moment, before it takes signals, the kernel ends it."""
    status = await run.monitor.stop()
    if status not in (0, -signal.SIGTERM):
        raise GaveUp(f"stopped with status {status}:\n{run.monitor.last_words()}")
    await run.monitor.start(*run.options)


async def kill_backend(run: "Run", fault: Fault) -> None:
    """What the kernel does to one session's process when memory is short: the server then ends all of them."""
    with suppress(*TRANSIENT_DATABASE):
        session = await asyncpg.connect(run.places().database_url, timeout=2)
        try:
            pids = await session.fetch(_BACKENDS, timeout=2)
        finally:
            session.terminate()
        kill(next((row["pid"] for row in pids), None))


async def kill_at_step(run: "Run", fault: Fault) -> None:
    """A process dies between two of its own statements."""
    await _at_step(run, fault.victims[0], _STEP_SECONDS)


async def kill_in_rebalance(run: "Run", fault: Fault) -> None:
    """One member goes, so that the partitions are handed out anew; another dies while it takes part."""
    run.steps.ask(fault.victims[0])
    role = fault.victims[0].partition(":")[0]
    kill(run.monitor.family.roles.get(f"{role}-2"))
    await _at_step(run, fault.victims[0], _REBALANCE_SECONDS, asked=True)


async def kill_role_starting(run: "Run", fault: Fault) -> None:
    run.steps.ask(fault.victims[0])
    kill(run.monitor.family.roles.get("ledger"))
    await _at_step(run, fault.victims[0], _REBALANCE_SECONDS, asked=True)


async def kill_up_starting_at_step(run: "Run", fault: Fault) -> None:
    await run.monitor.kill()
    run.steps.ask(fault.victims[0])
    await run.monitor.start(*run.options)
    await _at_step(run, fault.victims[0], _START_SECONDS, asked=True)
    await kill_up(run, fault)


async def kill_up_stopping_at_step(run: "Run", fault: Fault) -> None:
    run.steps.ask(fault.victims[0])
    run.monitor.ask_to_stop()
    await run.monitor.ended()
    await _at_step(run, fault.victims[0], 0.0, asked=True)
    await run.monitor.start(*run.options)


async def freeze_at_step(run: "Run", fault: Fault) -> None:
    """A process stands still in the middle of something until others have its partitions, and then goes on."""
    run.steps.ask(fault.victims[0], "SIGSTOP")
    if pid := await _at_step(run, fault.victims[0], _STEP_SECONDS, asked=True):
        await _freeze([pid], fault.lasts)


async def _at_step(run: "Run", step: str, seconds: float, *, asked: bool = False) -> int | None:
    if not asked:
        run.steps.ask(step)
    pid = await run.steps.taken(step, seconds)
    if pid is None:
        run.say(f"              nobody passed the step within {seconds:g} s")
    run.struck_at = time.monotonic()
    return pid


async def send_again(run: "Run", fault: Fault) -> None:
    """Events that the broker has already, the last one first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(6):
            await run.sent.again()


async def freeze_role(run: "Run", fault: Fault) -> None:
    """A process that hangs longer than its session is a zombie when it wakes: others own its partitions."""
    pids = [run.monitor.family.roles.get(name) for name in fault.victims]
    await _freeze([pid for pid in pids if pid], fault.lasts)


async def freeze_server(run: "Run", fault: Fault) -> None:
    pids = [run.monitor.family.servers.get(name) for name in fault.victims]
    await _freeze([pid for pid in pids if pid], fault.lasts)


async def _freeze(pids: list[int], seconds: float) -> None:
    for number, pause in ((signal.SIGSTOP, seconds), (signal.SIGCONT, 0.0)):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        await asyncio.sleep(pause)


async def abort_transaction(run: "Run", fault: Fault) -> None:
    """Events that are taken back: nobody may ever count them."""
    with suppress(Exception):  # a broker that is away aborts it as well
        async with asyncio.timeout(6), writer(run.kafka()) as one:
            await one.abort(story(next(run.numbers))[:20])


async def fill_disk(run: "Run", fault: Fault) -> None:
    """Leave no byte on the small disk for a while."""
    ballast = run.monitor.data / "ballast"
    if not run.small_disk:
        run.leave_out(fault.kind, "no small disk can be mounted here")
        return
    for size in (1 << 20, 512, 512):  # others give some back meanwhile
        with ballast.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(size))
    assert shutil.disk_usage(run.monitor.data).free < 1 << 23
    await asyncio.sleep(fault.lasts)
    ballast.unlink()


async def jump(run: "Run", fault: Fault) -> None:
    """Move the clock of `up` and its roles by up to five minutes, and back again."""
    if run.clock is None:
        run.leave_out(fault.kind, _NO_CLOCK)
        return
    await _move(run.clock, fault)


async def _move(
    clock: Path, fault: Fault, ahead: Callable[[], Awaitable[float]] | None = None
) -> None:
    """Move a clock for a while; where it can be asked, see that it did."""
    seconds = (fault.after - 1.65) * 200
    clock.write_text(f"{seconds:+.1f}")
    try:
        await asyncio.sleep(fault.lasts)
        if ahead is not None and fault.lasts > _CLOCK_SECONDS:
            assert abs(await ahead() - seconds) < _CLOCK_SECONDS, "the clock did not move"
    finally:
        clock.write_text("+0")


def _wired(run: "Run") -> Wired:
    assert isinstance(run.arrangement, Wired)
    return run.arrangement


def cutting(cut: Cut) -> Action:
    """Make the action that cuts a wire in one way for a while."""

    async def action(run: "Run", fault: Fault) -> None:
        wires = [wire for name in fault.victims for wire in _wired(run).wires[name]]
        for wire in wires:
            wire.budget, wire.delay = int(fault.after * 500), 0.02 + fault.after / 40
            await wire.switch(cut)
        await asyncio.sleep(fault.lasts)
        for wire in wires:
            if cut is Cut.HALF_CLOSE:  # what lacks its middle can't go on
                await wire.switch(Cut.RESET)
            await wire.switch(Cut.PASS)

    return action


async def broker_killed(run: "Run", fault: Fault) -> None:
    await _wired(run).brokers.first.kill()
    await asyncio.sleep(fault.lasts)
    await _wired(run).brokers.first.start()


async def broker_stopped(run: "Run", fault: Fault) -> None:
    await _wired(run).brokers.first.stop()
    await asyncio.sleep(fault.lasts)
    await _wired(run).brokers.first.start()


async def without_leader(run: "Run", fault: Fault) -> None:
    """Half of the partitions have no leader; the others go on."""
    await _wired(run).brokers.second.kill()
    await asyncio.sleep(fault.lasts)
    await _wired(run).brokers.second.start()


async def servers_jump(run: "Run", fault: Fault) -> None:
    """Move the clock of brokers and databases by up to five minutes, and back again."""
    clock = _wired(run).clock
    if clock is None:
        run.leave_out(fault.kind, _NO_CLOCK)
        return
    await _move(clock, fault, lambda: _ahead(_wired(run).databases.one))


async def _ahead(database: EmbeddedPostgres) -> float:
    """Tell how far a database's clock is ahead of ours, in seconds."""
    stamp = await ask(database, "SELECT extract(epoch FROM clock_timestamp())::float8")
    assert isinstance(stamp, float)
    return stamp - time.time()


async def database_killed(run: "Run", fault: Fault) -> None:
    await _wired(run).databases.one.kill()
    await asyncio.sleep(fault.lasts)
    await _wired(run).databases.one.start()


async def standby_promoted(run: "Run", fault: Fault) -> None:
    await _wired(run).fail_over()


ACTIONS: dict[str, Action] = {
    "kill role": kill_role,
    "kill server": kill_server,
    "kill guardian": kill_guardian,
    "kill server and guardian": kill_pair,
    "kill both servers": kill_server,
    "kill up": kill_up,
    "kill up late": kill_up,
    "kill up in its start": kill_up_starting,
    "kill up and servers": kill_up_and_servers,
    "kill all": kill_all,
    "kill backend": kill_backend,
    "stop up": stop_up,
    "kill at a step": kill_at_step,
    "kill in a rebalance": kill_in_rebalance,
    "kill a role at its start": kill_role_starting,
    "kill up at a step of its start": kill_up_starting_at_step,
    "kill up at a step of its stop": kill_up_stopping_at_step,
    "zombie at a step": freeze_at_step,
    "zombie consumer": freeze_role,
    "duplicates and reordering": send_again,
    "freeze role": freeze_role,
    "freeze server": freeze_server,
    "aborted transaction": abort_transaction,
    "disk full": fill_disk,
    "clock jumps": jump,
    "wire stalls": cutting(Cut.STALL),
    "wire is reset": cutting(Cut.RESET),
    "wire is truncated": cutting(Cut.TRUNCATE),
    "wire is slow": cutting(Cut.DELAY),
    "wire is half closed": cutting(Cut.HALF_CLOSE),
    "wire refuses": cutting(Cut.REFUSE),
    "broker killed": broker_killed,
    "broker stopped": broker_stopped,
    "database killed": database_killed,
    "standby promoted": standby_promoted,
    "partition without leader": without_leader,
    "clock of the servers jumps": servers_jump,
}
