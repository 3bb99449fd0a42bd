"""The processes of a `takedown up`, as the kernel shows them: itself, roles, guardians, servers."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

_ROLE = b"--with-parent"
_GUARDIAN = b"guardian.py"


class Process(Struct, frozen=True):
    """One process."""

    pid: int
    parent: int
    words: tuple[bytes, ...]


class Family(Struct, frozen=True):
    """The processes of one monitor by what they are; a guardian has the name of its server."""

    roles: dict[str, int]
    guardians: dict[str, int]
    servers: dict[str, int]


def running() -> Iterator[Process]:
    """Give every process that this user can see."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = tuple((folder / "cmdline").read_bytes().split(b"\0"))
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state != "Z":
                    yield Process(int(folder.name), int(parent), words)


def family(up: int, folder: Path | None = None) -> Family:
    """Give the processes that descend from a `takedown up`; those that were told of a folder, where one is given."""
    processes = list(running())
    children = [one for one in processes if one.parent == up]
    if folder is not None:
        told = set(told_of(folder))
        children = [one for one in children if one.pid in told]
    roles: dict[str, int] = {}
    guardians: dict[str, int] = {}
    servers: dict[str, int] = {}
    for child in sorted(children, key=lambda one: one.pid):
        if _ROLE in child.words:
            roles[_free_name(child.words[child.words.index(_ROLE) + 1].decode(), roles)] = child.pid
        elif any(word.endswith(_GUARDIAN) for word in child.words):
            name = "Kafka" if any(b"kafka" in word for word in child.words) else "PostgreSQL"
            guardians[name] = child.pid
            servers.update((name, one.pid) for one in processes if one.parent == child.pid)
    return Family(roles, guardians, servers)


def _free_name(role: str, taken: dict[str, int]) -> str:
    number = sum(name.partition("-")[0] == role for name in taken)
    return f"{role}-{number + 1}" if number else role


def kill(pid: int | None) -> bool:
    """SIGKILL a process; tell whether it was there."""
    if pid is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def told_of(folder: Path) -> list[int]:
    """Give the processes that work in a data directory, or were told of it."""
    name, seen = os.fsencode(folder), []
    for one in running():
        with contextlib.suppress(OSError):
            environment = (Path("/proc") / str(one.pid) / "environ").read_bytes()
            if one.pid != os.getpid() and name in environment + b"\0".join(one.words):
                seen.append(one.pid)
    return seen
