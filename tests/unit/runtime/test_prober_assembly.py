"""How the settings become a looker: families, way out, politeness, and what no look may reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from services.probing.guard.families import BOTH
from services.runtime import prober_assembly
from services.runtime import settings as s
from services.runtime.settings import Settings

PUBLIC = {
    "TAKEDOWN_PROBE_MODE": "public",
    "TAKEDOWN_PROBE_OPERATOR": "Hotline",
    "TAKEDOWN_PROBE_CONTACT": "desk@hotline.example",
    "TAKEDOWN_PROBE_LEGAL_BASIS": "Act 1",
    "TAKEDOWN_PROBE_NAMESERVERS": "127.0.0.1:5353",
}
SIMULATED = {"TAKEDOWN_PROBE_MODE": "simulated", "TAKEDOWN_PROBE_NAMESERVERS": "127.0.0.1:5353"}


def loaded(*parts: dict[str, str]) -> Settings:
    merged: dict[str, str] = {}
    for part in parts:
        merged |= part
    return s.load(merged)


@pytest.mark.parametrize(
    ("settings", "families"),
    [
        (PUBLIC, {4}),
        (SIMULATED, BOTH),
        (PUBLIC | {"TAKEDOWN_PROBE_EGRESS_PROXY": "http://127.0.0.1:3128"}, BOTH),
        (PUBLIC | {"TAKEDOWN_PROBE_BIND_ADDRESS": "2001:db8::1"}, {6}),
        (SIMULATED | {"TAKEDOWN_PROBE_BIND_ADDRESS": "127.0.0.9"}, {4}),
    ],
)
def test_only_families_with_a_way_out_are_asked(settings: dict[str, str], families: set) -> None:
    """In public what has no route is left out; a bound address has one family, a proxy is not judged."""
    found = prober_assembly.families_of(loaded(settings).probe, lambda: frozenset({4}))
    assert found == families


async def test_public_looks_use_the_routed_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """The looker that `run prober` builds for public addresses asks the families that the machine has routes for."""
    monkeypatch.setattr(prober_assembly, "families_of", lambda probe: frozenset({4}))
    made = prober_assembly.build_looker(loaded(PUBLIC), lambda: None)  # type: ignore[arg-type,return-value]
    assert made._limits.families == {4}
    await made.close()


def test_caps_of_the_day_hold_in_public_alone() -> None:
    """A URL has its share of a real day; a simulation may pack weeks into one. The global rate holds in both."""
    public = prober_assembly._politeness(
        loaded(PUBLIC, {"TAKEDOWN_PROBE_LOOKS_PER_DAY": "50"}).probe
    )
    assert (public.looks_per_day, public.total_per_second) == (50, 1000.0)
    rate = {"TAKEDOWN_PROBE_REQUESTS_PER_SECOND": "7"}
    simulated = prober_assembly._politeness(loaded(SIMULATED, rate).probe)
    assert (simulated.looks_per_day, simulated.total_per_second) == (None, 7.0)


def test_the_proxy_is_no_target(tmp_path) -> None:
    """No URL reaches the operator's own proxy, Kafka or metrics."""
    settings = loaded(
        SIMULATED,
        {
            "TAKEDOWN_DATA_DIR": str(tmp_path),
            "TAKEDOWN_PROBE_EGRESS_PROXY": "socks5://u:p@127.0.0.1:1080",
            "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        },
    )
    guard = prober_assembly._guard(settings)
    for port in (1080, 9092, settings.http.port):
        assert guard.reason(("127.0.0.1", port)) == "own_listener"
    assert guard.reason(("127.0.0.1", 8080)) is None


@pytest.mark.parametrize("missing", ["OPERATOR", "CONTACT", "LEGAL_BASIS"])
def test_nobody_looks_at_public_addresses_anonymously(missing: str) -> None:
    """Each of operator, contact and legal basis is asked for, by the settings and by the looker itself."""
    rest = {name: value for name, value in PUBLIC.items() if not name.endswith(missing)}
    with pytest.raises(ConfigError, match=missing):
        loaded(rest)


@given(st.integers(1, 8), st.floats(0.1, 50.0), st.integers(1, 40))
def test_processes_share_the_rates(processes: int, rate: float, burst: int) -> None:
    """Partitions are by case and not by host: what all processes may ask together is what is set for one."""
    names = [f"TAKEDOWN_PROBE_{who}_PER_SECOND" for who in ("ADDRESS", "NETWORK", "REQUESTS")]
    names.append("TAKEDOWN_PROBE_LOOKS_PER_SECOND")
    given_ = dict.fromkeys(names, str(rate))
    for who in ("ADDRESS", "NETWORK"):
        given_ |= {f"TAKEDOWN_PROBE_{who}_{what}": str(burst) for what in ("BURST", "CONCURRENCY")}
    settings = loaded(SIMULATED, given_, {"TAKEDOWN_PROBE_PROCESSES": str(processes)})
    one = prober_assembly._politeness(settings.probe)
    rates = [one.address_per_second, one.network_per_second, one.total_per_second]
    rates.append(prober_assembly._prober_settings(settings).looks_per_second)
    assert rates == pytest.approx([rate / processes] * 4)
    for places in (
        one.address_burst,
        one.address_concurrency,
        one.network_burst,
        one.network_concurrency,
    ):
        assert places == max(burst // processes, 1)
        assert places * processes <= max(burst, processes)


def test_what_has_a_name_is_refused_wherever_it_leads(tmp_path) -> None:
    """A Kafka that is set by name, and our own name servers, are no targets either."""
    settings = loaded(
        SIMULATED,
        {
            "TAKEDOWN_DATA_DIR": str(tmp_path),
            "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": "kafka-1.hotline.example:9092,[::1]:9093",
        },
    )
    guard = prober_assembly._guard(settings)
    for port in (9092, 9093, 5353):
        assert guard.reason(("127.0.0.1", port)) == "own_listener"
    public = loaded(
        PUBLIC,
        {
            "TAKEDOWN_DATA_DIR": str(tmp_path),
            "TAKEDOWN_PROBE_PORTS": "443,9092",
            "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": "kafka-1.hotline.example:9092,k2.example:443",
        },
    )
    guard = prober_assembly._guard(public)
    assert guard.reason(("8.8.8.8", 9092)) == "own_listener"
    assert guard.reason(("8.8.8.8", 443)) is None


def test_the_ceiling_of_the_back_off_is_a_setting() -> None:
    """A quarter of an hour unless set; compressed time needs it shorter."""
    assert prober_assembly._politeness(loaded(SIMULATED).probe).backoff_ceiling_seconds == 900.0
    shorter = loaded(SIMULATED, {"TAKEDOWN_PROBE_BACKOFF_CEILING_SECONDS": "2"})
    assert prober_assembly._politeness(shorter.probe).backoff_ceiling_seconds == 2.0


@pytest.mark.parametrize(
    ("places", "processes", "most"), [(2, 1, 2), (9, 1, 9), (9, 3, 3), (1, 4, 1)]
)
async def test_the_pool_has_a_connection_for_everybody_who_was_let_in(
    places: int, processes: int, most: int
) -> None:
    """Who has a place at an address never waits for a connection, which would look like one that times out."""
    many = {
        "TAKEDOWN_PROBE_ADDRESS_CONCURRENCY": str(places),
        "TAKEDOWN_PROBE_PROCESSES": str(processes),
    }
    made = prober_assembly.build_looker(loaded(SIMULATED, many), lambda: None)  # type: ignore[arg-type,return-value]
    assert made._limits.connections_per_host == most
    assert made._gate.core.limits.address_concurrency == most
    await made.close()
