"""Every command that touches Kafka or Postgres, run by an operator whose logins have the rights of the table alone."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg

from schemas.ids import instant
from schemas.sealing import Keyring
from services.cli.support import CHECK_FAILED, REFUSED
from services.notices.tokens import return_path, token
from tests.commands import Done
from tests.fuzzing.seeds import DATA, SEEDS
from tests.unit.notices.bounces import dsn, group

LOGIN, PASSWORD = "takedown_desk", "desk"
ALL_GROUPS = ("takedown_ledger", "takedown_exporter", "takedown_reader")
BY_THE_TEST = frozenset(
    ["submit", "archive", "replay", "topics", "rights", "retention", "doctor", "keys"]
)
"""Commands that the test of all roles runs by itself, with the login of each."""
WITHOUT = frozenset(["init", "up", "run", "probe", "intake", "method", "check-config", "demo"])
"""Commands that start or need no server of others; `run` is the roles."""
Take = Callable[..., Awaitable[Done]]


class Run(NamedTuple):
    """One command; `status` is how it ends where nobody is denied."""

    words: tuple[str, ...]
    status: int = 0
    stdin: bytes = b""


async def login_for(dsn: str, groups: Iterable[str], name: str = LOGIN) -> str:
    """Make a login that is a member of these roles and nothing else; give the address with it."""
    owner = await asyncpg.connect(dsn)
    try:
        await owner.execute(f"DROP ROLE IF EXISTS {name}")
        member = ", ".join(groups)
        await owner.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE {member}")
    finally:
        await owner.close()
    return with_login(dsn, name)


def with_login(dsn: str, name: str) -> str:
    """Give an address with another login."""
    scheme, _, rest = dsn.partition("://")
    return f"{scheme}://{name}:{PASSWORD}@{rest.rpartition('@')[2]}"


def write_mails(folder: Path, keyring: Keyring, at: datetime) -> Path:
    """Write a folder of mails: a delay of the notice `n1`, and one that can't be used."""
    to = return_path("notices@hotline.example", token(keyring.naming, "n1"))
    date = at.strftime("%a, %d %b %Y %H:%M:%S +0000")
    delay = dsn(group(action="delayed", status="4.2.2", said="smtp; 452 full"), to=to, date=date)
    folder.mkdir()
    (folder / "delay.eml").write_bytes(delay)
    (folder / "unusable.eml").write_bytes(b"From: a@b.example\nSubject: no notice\n\nnothing\n")
    return folder


def changing(case_id: str, keyring: Keyring, folder: Path, now: datetime) -> list[list[Run]]:
    """Give the commands that add to the record, in groups whose order matters."""
    who = ("--actor", "analyst", "--reason", "a test")
    orders, urlhaus = folder / "orders.json", folder / "urlhaus.csv"
    box = write_mails(folder / "box", keyring, now)
    orders.write_bytes(next(iter(SEEDS["orders"]())))
    urlhaus.write_bytes(next(iter(SEEDS["urlhaus"]())))
    (folder / "reasons.json").write_bytes(next(iter(SEEDS["reasons"]())))
    (folder / "more.csv").write_text("prefix,provider\n198.51.100.0/24,giant\n")
    until, since = instant(now + timedelta(days=1)), instant(now - timedelta(hours=2))
    scart, xarf = DATA / "scart", DATA / "xarf" / "v4.2" / "content-csam.json"
    zone = ("--zone", "Europe/Amsterdam", "--providers", str(scart / "providers.csv"))
    return [
        [
            Run(("correct", "hold", case_id, "--until", until, *who)),
            Run(("correct", "lift", case_id, *who)),
            Run(
                (
                    "correct",
                    "attribute",
                    case_id,
                    "--provider",
                    "small",
                    "--effective-from",
                    since,
                    *who,
                )
            ),
            Run(("correct", "edge-reply", case_id, "--proxy", "edge", "--provider", "small", *who)),
            Run(("notices", "escalate", case_id, "--to", "police", *who)),
            Run(("notices", "ingest", str(box), "--wait"), REFUSED),
            Run(("dead-letters", "list", "--json")),
        ],
        [
            Run(("import", "scart", str(scart / "dialect-b.csv"), *zone, "--historic"), REFUSED),
            Run(("import", "xarf", str(xarf), "--wait")),
            Run(("import", "urlhaus", str(urlhaus))),
            Run(("import", "tco", str(orders), "--zone", "UTC")),
            Run(("import", "dsa", str(folder / "reasons.json"))),
            Run(
                ("providers", "import", str(folder / "more.csv"), "--accept", "--from", since, *who)
            ),
        ],
    ]


def reading(case_id: str, folder: Path) -> list[Run]:
    """Give the commands that read, or write what no other one needs."""
    mine = folder / "list.csv"
    mine.write_text(f"notice_id,received_at,case_id\nn1,2026-01-01T00:00:00Z,{case_id}\n")
    return [
        Run(("status",)),
        Run(("case", "list")),
        Run(("case", "show", case_id)),
        Run(("case", "reveal", case_id, "--purpose", "enquiry")),
        Run(("audit", "list")),
        Run(("audit", "verify")),
        Run(("report",)),
        Run(("moves",)),
        Run(("evidence", "giant", "--out", str(folder / "pack"))),
        Run(("reconcile", "giant", str(mine)), CHECK_FAILED),
        *(
            Run(("notices", view))
            for view in ("status", "failed", "contacts", "due", "escalations")
        ),
        Run(("notices", "contact", "abuse@host.example"), REFUSED),
        Run(("replay", "list")),
        Run(("migrate", "status")),
    ]


def letter_of(shown: str) -> str:
    """Take the id of a dead letter out of a list as JSON."""
    return str(json.loads(shown)[0]["id"])


async def all_of(take: Take, groups: Iterable[Iterable[Run]]) -> list[Done]:
    """Run groups side by side, each in its order; give what every command came to."""

    async def one(group: Iterable[Run]) -> list[Done]:
        return [await take(*run.words, stdin=run.stdin, status=run.status) for run in group]

    return [done for dones in await asyncio.gather(*map(one, groups)) for done in dones]
