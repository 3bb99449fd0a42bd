"""A running role takes a changed provider map or .mmdb over, and keeps the old one where the new one is broken."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.attribution.asn_database import AsnDatabase
from services.attribution.attributor import AddressAttributor
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from services.exporter.health import Health
from services.runtime.attribution_role import BUILD
from services.runtime.book_watch import DatabaseWatch, MapWatch, following_files
from services.runtime.embedded.server_process import free_port
from services.runtime.file_watch import FileWatch
from services.runtime.parts import Parts
from services.runtime.role_facts import RoleFacts
from services.runtime.settings import Kafka, Settings
from tests.mmdb import write_mmdb
from tests.servers import eventually

AT = datetime(2026, 6, 1, tzinfo=UTC)
ADDRESS = "192.0.2.1"


def text(provider: str, *more: str) -> str:
    entry = f'[[provider]]\nid = "{provider}"\nname = "Name"\n'
    prefixes = ("192.0.2.0/24", *more)
    return entry + "".join(f'[[provider.prefix]]\ncidr = "{one}"\n' for one in prefixes)


NUMBERED = "".join(
    f'[[provider]]\nid = "{provider}"\nname = "Name"\nasn = [{number}]\n'
    for provider, number in (("giant", 64500), ("small", 64501))
)


class Running:
    """A role with a map, and what its log says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_text(text("giant"))
        self.book = ProviderBook(ProviderMap.load(path))
        self.digests: list[str] = []
        self.watch: FileWatch = MapWatch(path, self.book, self.digests.append)

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


def numbers(path: Path, as_number: int, built: int) -> Path:
    """Put an .mmdb in the place of a file, as a downloader does: written beside it, then renamed."""
    whole = write_mmdb(
        path.with_suffix(".new"),
        {"198.51.100.0/24": {"autonomous_system_number": as_number}},
        built,
    )
    return whole.rename(path)


async def test_a_changed_database_is_taken_over(running: Running, tmp_path: Path) -> None:
    """The new file's numbers hold from the second check on; a file that is none is said once and changes nothing."""
    path = numbers(tmp_path / "as.mmdb", 64500, built=1_700_000_000)
    book = ProviderBook(ProviderMap.parse(NUMBERED), AsnDatabase.open(path))
    running.watch = DatabaseWatch(path, book)
    assert (await running.checks(), book.attribute("198.51.100.7", AT).provider) == ([], "giant")
    numbers(path, 64501, built=1_760_000_000)
    assert await running.checks(3) == ["attribution.database_reloaded"]
    assert book.attribute("198.51.100.7", AT).provider == "small"
    path.with_suffix(".new").write_text("no database")
    path.with_suffix(".new").rename(path)
    assert await running.checks(4) == ["attribution.database_unusable"]
    assert book.attribute("198.51.100.7", AT).provider == "small"


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
    monkeypatch.setattr("services.runtime.file_watch._EVERY_SECONDS", 0.01)
    about = RoleFacts(roles=("prober",), methodology="m", methodology_digest="d", provider_map="x")
    health = Health(about=about)
    running.path.write_text(text("small"))

    async def said() -> bool:
        assert isinstance(health.about, RoleFacts)
        return health.about.provider_map == ProviderMap.parse(text("small")).digest

    async with following_files(Settings(provider_map=str(running.path)), running.book, health):
        await eventually("the new map", said)
    assert running.provider == "small"


async def test_the_role_attribution_follows_its_map(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The role that is built of the settings works with the map that the file holds by now."""
    monkeypatch.setattr("services.runtime.file_watch._EVERY_SECONDS", 0.01)
    kafka = Kafka(bootstrap_servers=f"127.0.0.1:{free_port(frozenset())}")
    settings = Settings(provider_map=str(running.path), kafka=kafka)
    digest = ProviderMap.parse(text("small")).digest
    async with BUILD["attribution"](Parts(settings, Health(), lambda: AT)) as role:
        assert digest[:12] not in repr(role)
        running.path.write_text(text("small"))

        async def taken() -> bool:
            return digest[:12] in repr(role)

        await eventually("the new map", taken)
