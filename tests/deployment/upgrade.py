"""The version before the newest migration, run on the schema of this one: what a rolling upgrade passes through."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.runtime.embedded import EmbeddedKafka, EmbeddedPostgres
from tests.deployment.steps import REPOSITORY, DeploymentFault, claim, output, run, say

_URL = "https://pics.example/1"


def check_upgrade() -> None:
    """Migrate by this version, count by the older one, and compare what both report."""
    say("upgrade: the version before the newest migration, on the new schema")
    newest = _git("log", "-1", "--format=%H", "--diff-filter=A", "--", "schemas/migrations").strip()
    claim(
        "the history holds an older version", bool(newest) and _git("rev-parse", f"{newest}^") != ""
    )
    with tempfile.TemporaryDirectory(prefix="takedown-upgrade-") as folder:
        old = Path(folder) / "old"
        _unpack(f"{newest}^", old)
        missing = {path.name for path in _migrations(REPOSITORY)} - {
            path.name for path in _migrations(old)
        }
        claim(f"it lacks {', '.join(sorted(missing))}", bool(missing))
        _let_it_start(old)
        asyncio.run(_with_servers(Path(folder), old))


def _git(*words: str) -> str:
    return output(["git", "-C", REPOSITORY, *words])


def _unpack(commit: str, into: Path) -> None:
    packed = subprocess.run(  # the archive is bytes, which `output` is not for
        ["git", "-C", str(REPOSITORY), "archive", commit], capture_output=True, check=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(into, filter="data")


def _let_it_start(old: Path) -> None:
    """Give this version's check of the schema to a version that refused every later file, `pre` or not."""
    check = "services/ledger/migrate.py"
    if "_only_adds" not in (old / check).read_text("utf-8"):
        say("  --  it refused later schemas by itself: it gets the check of this version")
        (old / check).write_text((REPOSITORY / check).read_text("utf-8"))


def _migrations(tree: Path) -> list[Path]:
    return sorted((tree / "schemas" / "migrations").glob("*.sql"))


async def _with_servers(folder: Path, old: Path) -> None:
    kafka = EmbeddedKafka(folder / "kafka")
    database = EmbeddedPostgres(folder / "postgres", durable=False, tcp=True)
    await kafka.start()
    try:
        await database.start()
        try:
            places = {
                "TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "TAKEDOWN_DATABASE_URL": database.dsn,
                "TAKEDOWN_DATA_DIR": str(folder / "data"),
                "TAKEDOWN_HTTP_PORT": "0",
            }
            await asyncio.to_thread(_play, old, places)
        finally:
            await database.stop()
    finally:
        await kafka.stop()


def _program(tree: Path, places: dict[str, str], *words: str, text: str | None = None) -> str:
    variables = [f"{name}={value}" for name, value in places.items()]
    command = [
        "env",
        "-C",
        tree,
        f"PYTHONPATH={tree}",
        *variables,
        sys.executable,
        "-m",
        "services.cli",
    ]
    return output([*command, *words], text=text)


def _play(old: Path, places: dict[str, str]) -> None:
    _program(REPOSITORY, places, "keys", "new")
    _program(REPOSITORY, places, "migrate", "up", "--phase", "pre")
    _program(REPOSITORY, places, "topics", "create")
    variables = {n: v for n, v in os.environ.items() if not n.startswith("TAKEDOWN_")}
    log = Path(places["TAKEDOWN_DATA_DIR"]) / "roles.log"
    roles = subprocess.Popen(
        [sys.executable, "-m", "services.cli", "run", "ledger", "relay", "exporter"],
        cwd=old,
        env=variables | places | {"PYTHONPATH": str(old)},
        stderr=log.open("wb"),
    )
    try:
        said = _program(old, places, "submit", "-", "--wait", text=_events(old, places))
        claim("the older ledger takes evidence on the new schema", "2 events" in said, said)
    except DeploymentFault as fault:
        raise DeploymentFault(f"{fault}\n{log.read_text()[-2000:]}") from None
    finally:
        roles.send_signal(signal.SIGTERM)
        status = roles.wait(60)
    claim("the older roles stop in order", status == 0, status)
    case = _case(old, places)
    theirs, ours = (
        json.loads(_program(tree, places, "case", "show", case, "--json"))
        for tree in (old, REPOSITORY)
    )
    claim("both versions show the same case", _holds(ours, theirs), (ours, theirs))
    _program(REPOSITORY, places, "migrate", "up", "--phase", "post")
    waiting = run(
        [
            "env",
            *[f"{n}={v}" for n, v in places.items()],
            sys.executable,
            "-m",
            "services.cli",
            "migrate",
            "status",
        ]
    )
    claim(
        "after the phase post nothing is pending", "pending" not in waiting.stdout, waiting.stdout
    )


def _holds(newer: Any, older: Any) -> bool:
    """Tell whether all that the older version says stands in the newer one's answer, which may say more."""
    if isinstance(older, dict):
        return all(name in newer and _holds(newer[name], one) for name, one in older.items())
    if isinstance(older, list):
        return len(newer) == len(older) and all(map(_holds, newer, older))
    return bool(newer == older)


def _case(tree: Path, places: dict[str, str]) -> str:
    return _program(tree, places, "case", "id", text=_URL).strip()


def _events(tree: Path, places: dict[str, str]) -> str:
    case = _case(tree, places)
    now = datetime.now(UTC).isoformat()
    report = {"reporter": "hotline-nl", "category": "csam", "url": _URL, "provider": "giant"}
    notice = {"notice_id": "n-1", "provider": "giant", "channel": "email"}
    lines = (
        {"type": "takedown.report.filed.v1", "time": now, "data": report},
        {"type": "takedown.notice.sent.v1", "time": now, "subject": case, "data": notice},
    )
    return "".join(json.dumps(line) + "\n" for line in lines)
