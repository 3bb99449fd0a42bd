"""A running role takes a changed provider map over, and keeps the old one where the new one is broken."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.attribution.attributor import AddressAttributor
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.exporter.health import Health
from services.runtime.attribution_role import BUILD
from services.runtime.embedded.server_process import free_port
from services.runtime.map_watch import MapWatch, following_map
from services.runtime.parts import Parts
from services.runtime.role_facts import RoleFacts
from services.runtime.settings import Kafka, Settings
from tests.servers import eventually

AT = datetime(2026, 6, 1, tzinfo=UTC)
ADDRESS = "192.0.2.1"


def text(provider: str, *more: str) -> str:
    entry = f'[[provider]]\nid = "{provider}"\nname = "Name"\n'
    prefixes = ("192.0.2.0/24", *more)
    return entry + "".join(f'[[provider.prefix]]\ncidr = "{one}"\n' for one in prefixes)


class Running:
    """A role with a map, and what its log says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(text("giant"))
        self.book = ProviderBook(ProviderMap.load(path))
        self.digests: list[str] = []
        self.watch = MapWatch(path, self.book, self.digests.append)

    @property
    def provider(self) -> str | None:
        return self.book.attribute(ADDRESS, AT).provider

    async def checks(self, times: int = 2) -> list[str]:
        with capture_logs() as lines:
            for _ in range(times):
                await self.watch.check()
        return [line["event"] for line in lines]


@pytest.fixture
def running(tmp_path: Path) -> Running:
    return Running(tmp_path / "map.toml")


async def test_a_changed_map_is_taken_over(running: Running) -> None:
    """Once it stands still, with its digest in the log; an unchanged one is not read again."""
    assert await running.checks(3) == []
    running.path.write_text(text("small"))
    assert (await running.checks(1), running.provider) == ([], "giant")
    with capture_logs() as lines:
        await running.watch.check()
    digest = ProviderMap.parse(text("small")).digest
    (line,) = lines
    assert (line["event"], line["digest"]) == ("attribution.map_reloaded", digest)
    assert line["before"] == ProviderMap.parse(text("giant")).digest
    assert (running.provider, running.digests) == ("small", [digest])
    assert await running.checks(3) == []


@pytest.mark.parametrize(
    "broken",
    [
        "[[provider]\n",
        text("small", "192.0.2.999/24"),
        None,
    ],
    ids=["no TOML", "an entry that can't be read", "no file"],
)
async def test_a_broken_map_keeps_the_old_one(running: Running, broken: str | None) -> None:
    """It is said once, with the digest of the map that holds; the next whole one is taken over."""
    await running.checks()
    if broken is None:
        running.path.unlink()
    else:
        running.path.write_text(broken)
    assert await running.checks(4) == ["attribution.map_unusable"]
    assert (running.provider, running.digests) == ("giant", [])
    running.path.write_text(text("small"))
    assert await running.checks() == ["attribution.map_reloaded"]
    assert running.provider == "small"


async def test_the_attributor_knows_the_names_of_the_new_map(running: Running) -> None:
    """A holder's name that a registry gives is compared with the map that holds now."""
    attributor = AddressAttributor(running.book, clock=lambda: AT)
    assert attributor._provider_names() == {"name": "giant"}
    running.path.write_text(text("small"))
    await running.checks()
    assert attributor._provider_names() == {"name": "small"}


async def test_a_role_says_which_map_holds(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/about names the digest of the new map, as /about of a role that started with it does."""
    monkeypatch.setattr("services.runtime.map_watch._EVERY_SECONDS", 0.01)
    about = RoleFacts(roles=("prober",), methodology="m", methodology_digest="d", provider_map="x")
    health = Health(about=about)
    running.path.write_text(text("small"))

    async def said() -> bool:
        assert isinstance(health.about, RoleFacts)
        return health.about.provider_map == ProviderMap.parse(text("small")).digest

    async with following_map(str(running.path), running.book, health):
        await eventually("the new map", said)
    assert running.provider == "small"


async def test_the_role_attribution_follows_its_map(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role that is built of the settings works with the map that the file holds by now."""
    monkeypatch.setattr("services.runtime.map_watch._EVERY_SECONDS", 0.01)
    kafka = Kafka(bootstrap_servers=f"127.0.0.1:{free_port(frozenset())}")
    settings = Settings(provider_map=str(running.path), kafka=kafka)
    digest = ProviderMap.parse(text("small")).digest
    async with BUILD["attribution"](Parts(settings, Health(), lambda: AT)) as role:
        assert digest[:12] not in repr(role)
        running.path.write_text(text("small"))

        async def taken() -> bool:
            return digest[:12] in repr(role)

        await eventually("the new map", taken)
