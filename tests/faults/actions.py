"""What the faults do."""

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg

from services.ledger.transient import TRANSIENT_DATABASE
from tests.faultproxy import Fault as Cut
from tests.faults.arrangements import Wired
from tests.faults.processes import kill
from tests.faults.schedule import Fault
from tests.integration.ledger_kit import story
from tests.integration.transaction_kit import writer

if TYPE_CHECKING:
    from tests.faults.run import Run

Action = Callable[["Run", Fault], Awaitable[None]]
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
    status = await run.monitor.stop()
    assert status == 0, f"stopped with status {status}:\n{run.monitor.last_words()}"
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
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))
    assert shutil.disk_usage(run.monitor.data).free < 1 << 20
    await asyncio.sleep(fault.lasts)
    ballast.unlink()


async def jump(run: "Run", fault: Fault) -> None:
    """Move the clock of `up` and its roles by up to five minutes, and back again."""
    if run.clock is None:
        run.leave_out(fault.kind, "libfaketime is not in the cache (scripts/libfaketime)")
        return
    run.clock.write_text(f"{(fault.after - 1.65) * 200:+.1f}")
    await asyncio.sleep(fault.lasts)
    run.clock.write_text("+0")


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
            await wire.switch(Cut.PASS)

    return action


async def broker_killed(run: "Run", fault: Fault) -> None:
    await _wired(run).kafka.kill()
    await asyncio.sleep(fault.lasts)
    await _wired(run).kafka.start()


async def broker_stopped(run: "Run", fault: Fault) -> None:
    await _wired(run).kafka.stop()
    await asyncio.sleep(fault.lasts)
    await _wired(run).kafka.start()


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
    "freeze role": freeze_role,
    "freeze server": freeze_server,
    "aborted transaction": abort_transaction,
    "disk full": fill_disk,
    "clock jumps": jump,
    "wire stalls": cutting(Cut.STALL),
    "wire is reset": cutting(Cut.RESET),
    "wire is truncated": cutting(Cut.TRUNCATE),
    "wire is slow": cutting(Cut.DELAY),
    "wire refuses": cutting(Cut.REFUSE),
    "broker killed": broker_killed,
    "broker stopped": broker_stopped,
    "database killed": database_killed,
    "standby promoted": standby_promoted,
}
