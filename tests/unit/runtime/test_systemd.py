"""systemd's side of a process: what is said to it, and the units that deploy/ ships."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.exporter.health import Health
from services.runtime import settings
from services.runtime.roles import ROLES
from services.runtime.settings import Settings
from services.runtime.systemd import Systemd
from tests.servers import REPOSITORY

UNITS = REPOSITORY / "deploy" / "systemd"
UNIT = UNITS / "takedown@.service"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Listen where a service manager would."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(1024).decode())
        except BlockingIOError:
            return found


def test_life_is_a_turn_of_every_loop(manager: socket.socket) -> None:
    """A process one of whose loops hangs gives no sign of life; one that turns again does."""
    now = [0.0]
    health = Health(monotonic=lambda: now[0])
    health.register("ledger", 10)
    health.register("relay", 10)
    systemd = Systemd(manager.getsockname())
    systemd.ready()
    systemd.beat(health)
    assert heard(manager) == ["READY=1", "WATCHDOG=1"]
    now[0] = 11.0
    health.turned("ledger")
    systemd.beat(health)
    assert heard(manager) == []
    health.turned("relay")
    systemd.beat(health)
    assert heard(manager) == ["WATCHDOG=1"]


@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({}, "<Systemd listening=False interval=None>"),
        ({"WATCHDOG_USEC": "90000000"}, "<Systemd listening=False interval=None>"),
        ({"NOTIFY_SOCKET": "/x"}, "<Systemd listening=True interval=None>"),
        (
            {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "90000000"},
            "<Systemd listening=True interval=30.0>",
        ),
        (
            {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "90000000", "WATCHDOG_PID": str(os.getpid())},
            "<Systemd listening=True interval=30.0>",
        ),
        (
            {"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "90000000", "WATCHDOG_PID": "1"},
            "<Systemd listening=True interval=None>",
        ),
    ],
)
def test_what_systemd_asks_for_is_read(environment: dict[str, str], shown: str) -> None:
    """Signs of life come three times as often as they must, and only where they are meant for us."""
    assert repr(Systemd.from_environment(environment)) == shown


def test_nobody_listening_is_no_failure(tmp_path: Path) -> None:
    """A manager that has gone, or never was, does not end a role."""
    for address in (None, str(tmp_path / "gone"), "@takedown-test-nobody"):
        Systemd(address).ready()


def test_an_abstract_socket_is_reached() -> None:
    """The address of an abstract socket is written with an at sign."""
    name = f"takedown-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.setblocking(False)
        Systemd("@" + name).ready()
        assert heard(listening) == ["READY=1"]


# -- the units -----------------------------------------------------------------------------------


def directives(path: Path) -> list[tuple[str, str]]:
    lines = (line.strip() for line in path.read_text("utf-8").splitlines())
    pairs = [line.partition("=") for line in lines if line and line[0] not in "#;["]
    return [(name, value) for name, _, value in pairs]


def drop_in(role: str) -> Path:
    return UNITS / f"takedown@{role}.service.d" / "secrets.conf"


def test_the_unit_watches_and_gives_time_to_drain() -> None:
    """Type, watchdog and deadlines fit the program: a drain is never cut short, a wrong setting not retried."""
    unit = dict(directives(UNIT))
    assert (unit["Type"], unit["NotifyAccess"]) == ("notify", "main")
    assert unit["ExecStart"].endswith("/takedown run %i")
    assert int(unit["WatchdogSec"]) > 60  # the longest that a loop may take for a turn
    assert int(unit["TimeoutStopSec"]) > Settings().stop_seconds + 5
    assert (unit["Restart"], unit["RestartPreventExitStatus"]) == ("on-failure", "2")


def test_the_unit_is_hardened() -> None:
    """No user of its own, nothing to write but its state, no privilege, no other kind of socket."""
    unit = dict(directives(UNIT))
    for name in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices"):
        assert unit[name] == "yes", name
    assert unit["ProtectSystem"] == "strict"
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["RestrictAddressFamilies"] == "AF_INET AF_INET6 AF_UNIX"
    assert unit["LimitCORE"] == "0"  # a core would hold the keys


def test_each_role_gets_its_secrets_and_no_others() -> None:
    """The prober has no database, relay and exporter no keys, attribution neither; what is loaded is what is named."""
    loaded = {}
    for role in ROLES:
        found = directives(drop_in(role))
        names = {v.partition(":")[0] for n, v in found if n == "LoadCredential"}
        used = {v.rpartition("%d/")[2] for n, v in found if n == "Environment"}
        assert names == used, role
        loaded[role] = names
    assert loaded == {
        "ledger": {"database_url", "keys.toml"},
        "relay": {"database_url"},
        "exporter": {"database_url"},
        "retention": {"database_url", "keys.toml"},
        "prober": {"keys.toml"},
        "intake": {"keys.toml", "intake_tokens.toml"},
        "attribution": set(),
    }


def test_the_prober_has_a_second_guard() -> None:
    """The unit itself denies the private networks, beside the program's own guard."""
    denied = " ".join(v for n, v in directives(drop_in("prober")) if n == "IPAddressDeny")
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"} <= set(denied.split())


def test_every_setting_in_the_units_exists() -> None:
    """A variable that the program does not know would stop it at the start."""
    known = {s.variable for s in settings.catalogue()}
    known |= {f"{s.variable}_FILE" for s in settings.catalogue() if s.secret}
    texts = [UNIT, *map(drop_in, ROLES)]
    asked = {name for path in texts for name in re.findall(r"=(TAKEDOWN_\w+)=", path.read_text())}
    assert len(asked) >= 4
    assert asked <= known
