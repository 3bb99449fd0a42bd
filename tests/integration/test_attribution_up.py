"""The role `attribution` in an installation: with a map alone and no network, a look without a provider gets one."""

import json
from pathlib import Path

import aiohttp
import msgspec

from schemas.ids import instant
from schemas.urls import canonical
from services.runtime.installation import Installation
from services.runtime.settings import Http, Settings, Topics
from tests.commands import takedown
from tests.integration.ledger_kit import clock
from tests.servers import eventually

URL = "https://marker-host-7f3a.example/marker-path"
MAP = '[[provider]]\nid = "giant"\nname = "Giant"\n[[provider.prefix]]\ncidr = "192.0.2.0/24"\n'


async def test_map_alone(tmp_path: Path, jars: Path) -> None:
    """`up` runs the role once a map is set; what it states of a look is in the ledger, and its metrics count it."""
    map_file = tmp_path / "map.toml"
    map_file.write_text(MAP)
    settings = Settings(
        data_dir=str(tmp_path / "data"),
        provider_map=str(map_file),
        topics=Topics(partitions=3),
        http=Http(port=0),
        stop_seconds=10.0,
    )
    async with Installation(settings, durable=False, fetch=False) as running:
        assert "attribution" in running.roles
        await running.ready()
        bare = msgspec.structs.replace(settings, provider_map=None)
        case_id = running.keyring.case_id(canonical(URL))
        done = await takedown(bare, "submit", "-", "--wait", stdin=_evidence(case_id))
        assert done.status == 0, done.err

        async def attributed() -> bool:
            shown = await takedown(bare, "case", "show", case_id, "--json")
            return bool(json.loads(shown.out)["spells"][0]["provider"] == "giant")

        await eventually("the spell has its provider", attributed, 60)
        port = running.children.ports["attribution"]
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/metrics") as answer,
        ):
            text = await answer.text()
    assert 'takedown_attributions_total{source="map"} 1.0' in text
    log = (tmp_path / "data" / "logs" / "attribution.log").read_text()
    assert "marker-" not in log
    assert "192.0.2" not in log


def _evidence(case_id: str) -> bytes:
    """Give a report, and a look that saw it served by an address that nobody attributed."""
    at = instant(clock())
    report = {
        "type": "takedown.report.filed.v1",
        "time": at,
        "data": {"reporter": "hotline", "url": URL},
    }
    data = {
        "vantage": "v1", "tick": at, "started_at": at, "finished_at": at, "verdict": "online", "reason": "served",
        "served": [{"address": "192.0.2.1", "online": True}],
    }  # fmt: skip
    look = {"type": "takedown.look.made.v1", "time": at, "subject": case_id, "data": data}
    return b"\n".join(json.dumps(one).encode() for one in (report, look)) + b"\n"
