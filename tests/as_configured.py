"""Parts of the program as the defaults of the settings make them; a test names only what it changes."""

from typing import TYPE_CHECKING, Any

from consumers.client.connection import KafkaConnection
from consumers.ledger.brake import FloodBrake
from consumers.ledger.session import LoopSettings
from services.ledger.pool import DatabaseConnection
from services.runtime.settings import Settings

# A benchmark of ledger or replay starts processes that would load the prober each time.
if TYPE_CHECKING:
    from consumers.prober.options import ProberSettings
    from services.probing.limits.rates import PolitenessLimits
    from services.probing.look.memory import LookLimits

SETTINGS = Settings()
PROBE, LEDGER = SETTINGS.probe, SETTINGS.ledger


def kafka_at(
    bootstrap_servers: str, security_protocol: str | None = None, **changes: Any
) -> KafkaConnection:
    protocol = security_protocol or SETTINGS.kafka.security_protocol
    return KafkaConnection(bootstrap_servers, protocol, **changes)


def database_at(dsn: str, **changes: Any) -> DatabaseConnection:
    database = SETTINGS.database
    given = {"statement_cache": not database.pgbouncer, "max_size": database.pool_max_size}
    return DatabaseConnection(dsn, **given | changes)


def flood_brake(**changes: Any) -> FloodBrake:
    given = {
        "ratio": LEDGER.flood_ratio,
        "window": LEDGER.flood_window_records,
        "consecutive": LEDGER.flood_consecutive_records,
        "enabled": LEDGER.flood_brake,
    }
    return FloodBrake(**given | changes)


def ledger_options(**changes: Any) -> dict[str, Any]:
    """Give what a ledger's consumer takes of the settings."""
    return {"settings": loop_settings(), "brake": flood_brake()} | changes


def looker_options(**changes: Any) -> dict[str, Any]:
    """Give what a looker takes of the settings."""
    given = {
        "canary_interval_seconds": PROBE.canary_interval_seconds,
        "agent_kind": PROBE.agent,
        "limits": look_limits(),
        "politeness": politeness_limits(),
    }
    return given | changes


def loop_settings(**changes: Any) -> LoopSettings:
    names = ("batch_records", "fetch_bytes", "partition_fetch_bytes", "stall_seconds")
    given = {name: getattr(LEDGER, name) for name in (*names, "accept_gaps")}
    return LoopSettings(**{"drain_seconds": SETTINGS.stop_seconds} | given | changes)


def prober_settings(**changes: Any) -> "ProberSettings":
    given = {
        "concurrency": PROBE.concurrency,
        "looks_per_second": PROBE.looks_per_second,
        "resolution": PROBE.resolution_seconds,
    }
    from consumers.prober.options import ProberSettings  # noqa: PLC0415 - see above

    return ProberSettings(**given | changes)


def look_limits(**changes: Any) -> "LookLimits":
    given = {
        "total_seconds": PROBE.timeout_seconds,
        "connections_per_host": PROBE.address_concurrency,
    }
    from services.probing.look.memory import LookLimits  # noqa: PLC0415 - see above

    return LookLimits(**given | changes)


def politeness_limits(**changes: Any) -> "PolitenessLimits":
    rates = [f"{kind}_{of}" for kind in ("address", "network") for of in ("per_second", "burst")]
    places = ("address_concurrency", "network_concurrency")
    given = {
        name: getattr(PROBE, name)
        for name in (*rates, *places, "max_wait_seconds", "backoff_ceiling_seconds")
    }
    from services.probing.limits.rates import PolitenessLimits  # noqa: PLC0415 - see above

    return PolitenessLimits(**given | changes)
