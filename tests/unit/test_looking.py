"""How the settings become a looker: families, way out, politeness, and what no look may reach."""

import pytest

from schemas.errors import ConfigError
from services.probing.families import BOTH
from services.runtime import looking
from services.runtime import settings as s
from services.runtime.settings_model import Settings

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
    found = looking.families_of(loaded(settings).probe, lambda: frozenset({4}))
    assert found == families


async def test_public_looks_use_the_routed_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """The looker that `run prober` builds for public addresses asks the families that the machine has routes for."""
    monkeypatch.setattr(looking, "families_of", lambda probe: frozenset({4}))
    made = looking.build_looker(loaded(PUBLIC), lambda: None)  # type: ignore[arg-type,return-value]
    assert made._limits.families == {4}
    await made.close()


def test_caps_of_the_day_hold_in_public_alone() -> None:
    """A URL has its share of a real day; a simulation may pack weeks into one. The global rate holds in both."""
    public = looking._politeness(loaded(PUBLIC, {"TAKEDOWN_PROBE_LOOKS_PER_DAY": "50"}).probe)
    assert (public.looks_per_day, public.total_per_second) == (50, 1000.0)
    rate = {"TAKEDOWN_PROBE_REQUESTS_PER_SECOND": "7"}
    simulated = looking._politeness(loaded(SIMULATED, rate).probe)
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
    guard = looking._guard(settings)
    for port in (1080, 9092, settings.http.port):
        assert guard.reason(("127.0.0.1", port)) == "own_listener"
    assert guard.reason(("127.0.0.1", 8080)) is None


@pytest.mark.parametrize("missing", ["OPERATOR", "CONTACT", "LEGAL_BASIS"])
def test_nobody_looks_at_public_addresses_anonymously(missing: str) -> None:
    """Each of operator, contact and legal basis is asked for, by the settings and by the looker itself."""
    rest = {name: value for name, value in PUBLIC.items() if not name.endswith(missing)}
    with pytest.raises(ConfigError, match=missing):
        loaded(rest)
