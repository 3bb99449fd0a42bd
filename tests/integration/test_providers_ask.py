"""`takedown providers ask` against a scripted world of DNS and registries, as a process of its own."""

import json
from pathlib import Path
from typing import Any

from services.runtime.settings import load
from tests.commands import takedown
from tests.networkworld import CONTACT_ZONE, ORIGIN_ZONE, NetworkWorld

ONE, TWO, MAPPED = "198.51.100.1", "198.51.100.129", "192.0.2.1"
MAP = """
[[provider]]
id = "giant"
name = "Giant"
asn = [64500]
[[provider.prefix]]
cidr = "192.0.2.0/24"
"""


def variables(world: NetworkWorld, folder: Path) -> dict[str, str]:
    map_file = folder / "map.toml"
    map_file.write_text(MAP)
    host, port = world.nameserver
    return {
        "TAKEDOWN_DATA_DIR": str(folder),
        "TAKEDOWN_PROVIDER_MAP": str(map_file),
        "TAKEDOWN_ATTRIBUTION_CYMRU_ZONE": ORIGIN_ZONE,
        "TAKEDOWN_ATTRIBUTION_ABUSIX_ZONE": CONTACT_ZONE,
        "TAKEDOWN_ATTRIBUTION_NAMESERVERS": f"{host}:{port}",
        "TAKEDOWN_ATTRIBUTION_RDAP_BOOTSTRAP": str(world.bootstrap(folder)),
    }


async def test_sources_are_asked(tmp_path: Path) -> None:
    """The map answers by itself, a source where it is silent; a source that is down is said, and sets the status."""
    body: dict[str, Any] = {"startAddress": "198.51.100.0", "endAddress": "198.51.100.255"}
    async with NetworkWorld(
        origins={ONE: ["64500 | 198.51.100.0/25 | NL"], TWO: "servfail"},
        contacts={ONE: ["abuse@giant.example"]},
        rdap={TWO: body, MAPPED: body | {"startAddress": "192.0.2.0", "endAddress": "192.0.2.255"}},
    ) as world:
        settings = load(variables(world, tmp_path))
        done = await takedown(settings, "providers", "ask", MAPPED, ONE, TWO, "--contact", "--json")
    rows = json.loads(done.out)
    assert [(row["provider"], row["method"], row["failure"]) for row in rows] == [
        ("giant", "map", None),
        ("giant", "cymru", None),
        (None, None, "refused"),
    ]
    assert [row["contact"] for row in rows] == [None, "abuse@giant.example", None]
    assert [row["publication"] for row in rows] == ["none", "published", "none"]
    assert done.status == 3
    assert not any("giant" in path or "example" in path for path in world.paths)


async def test_what_is_no_address_is_asked_for_nowhere(tmp_path: Path) -> None:
    """A name is refused, and an address that carries an IPv4 address has that one's contact."""
    async with NetworkWorld(contacts={ONE: ["abuse@h.example"]}) as world:
        settings = load(variables(world, tmp_path))
        texts = ("host.example", f"::ffff:{ONE}")
        ended = await takedown(settings, "providers", "ask", *texts, "--contact", "--json")
    none, carried = json.loads(ended.out)
    assert (ended.status, none["unknown"], none["contact"]) == (4, "no address", None)
    assert carried["contact"] == "abuse@h.example"
