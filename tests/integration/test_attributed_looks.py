"""Looks whose addresses are attributed by more than the provider map."""

from pathlib import Path

from services.attribution.asn_database import AsnDatabase
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from tests.integration.lab import Lab
from tests.integration.looksites import answer
from tests.mmdb import write_mmdb


async def test_an_address_that_the_map_lacks_is_attributed_by_its_as(
    lab: Lab, tmp_path: Path
) -> None:
    """A file of AS numbers behind the map names the provider that holds the number, and the method says so."""
    lab.names.names["two.example"] = ["127.0.0.2", "127.0.0.1"]
    site = await lab.site("127.0.0.1", "127.0.0.2", x=answer(404))
    numbers = {"127.0.0.2/32": {"autonomous_system_number": 64500}}
    book = ProviderBook(
        ProviderMap.parse(
            '[[provider]]\nid = "giant"\nname = "G"\nasn = [64500]\n'
            '[[provider.prefix]]\ncidr = "127.0.0.1/32"\n'
        ),
        AsnDatabase.open(write_mmdb(tmp_path / "as.mmdb", numbers)),
    )
    made = await lab.look(f"http://two.example:{site.port}/x", lab.looker(providers=book))
    assert {s.address: (s.provider, s.method, s.as_number, s.prefix) for s in made.served} == {
        "127.0.0.1": ("giant", "map", None, None),
        "127.0.0.2": ("giant", "mmdb", 64500, "127.0.0.2/32"),
    }
