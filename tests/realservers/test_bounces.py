"""Bounces that Debian's mail servers write: what the far server said is known, so what each must end in is, too.

A scripted server refuses by the recipient's name. The mail servers relay to it, and send their reports there as well.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas import events as ev
from schemas.events import Payload
from services.notices.correlation import Match, Register, SentNotice
from services.notices.mail_reading import read_mail
from services.notices.notice_events import events_of
from services.notices.tokens import return_path, token
from tests.realservers.mailers import MAILERS, Mailer, RunningMailer
from tests.realservers.smtpscript import Line, ScriptedServer
from tests.servers import REPOSITORY, unavailable

KEY = b"k" * 32
ADDRESS = "notices@hotline.example"
CASE = "a" * 32
SECONDS = 25.0
SCRIPT = {
    "gone": Line("RCPT", "550 5.1.1 no such user here"),
    "full": Line("RCPT", "550 5.2.2 mailbox is full"),
    "forged": Line("DATA", "550 5.7.23 SPF check of hotline.example failed"),
    "listed": Line("RCPT", "554 5.7.1 client host [192.0.2.1] blocked using list.example"),
    "form": Line("RCPT", "550 5.7.1 reports by mail are refused, use our web form"),
    "later": Line("RCPT", "451 4.7.1 greylisted, come back later"),
    "mute": Line("RCPT", ""),
}
# What the far server's answer means: reason and fault.
FAILS = {
    "gone": ("unknown_mailbox", "theirs"),
    "full": ("mailbox_full", "theirs"),
    "forged": ("policy", "ours"),
    "listed": ("blocked", "ours"),
    "form": ("form_only", "theirs"),
}
WAITS = ("later", "mute")
Reports = Mapping[str, list[bytes]]


def mails() -> dict[str, tuple[str, bytes]]:
    """One notice to each recipient of the script, and one to whom nothing happens."""
    return {
        name: (
            return_path(ADDRESS, token(KEY, name)),
            f"From: {ADDRESS}\nTo: {name}@host.example\nSubject: Notice\n\nA notice.\n".encode(),
        )
        for name in (*SCRIPT, "fine")
    }


def said_of(reports: list[bytes]) -> dict[str, list[Payload]]:
    """Turn reports into events as `takedown notices ingest` does, by notice."""
    now = datetime.now(UTC)
    notices = [
        SentNotice(notice_id=n, provider="host", channel="email", sent_at=now - timedelta(hours=1), cases=(CASE,))
        for n in (*SCRIPT, "fine")
    ]  # fmt: skip
    register = Register(KEY, notices)
    said: dict[str, list[Payload]] = {}
    for raw in reports:
        reading = read_mail(raw)
        match = register.match(reading)
        assert isinstance(match, Match), (match, reading)
        assert match.by == "token"
        made = events_of(reading, match.notice, now)
        said.setdefault(match.notice.notice_id, []).extend(event.data for event in made)
    return said


def enough(mailer: Mailer, reports: list[bytes]) -> bool:
    """Tell whether everything is there that this server will say."""
    said = said_of(reports)
    late = all(any(isinstance(d, ev.NoticeDelayed) for d in said.get(n, ())) for n in WAITS)
    final = all(any(isinstance(d, ev.NoticeUndelivered) for d in said.get(n, ())) for n in WAITS)
    waited = (late or not mailer.warns) and (final or not mailer.expires)
    return set(FAILS) <= set(said) and waited


async def reports_of(mailer: Mailer, trees: Path, folder: Path) -> tuple[list[bytes], str]:
    """Run one server until it has said everything, or time is up."""
    server = await ScriptedServer(SCRIPT).start()
    running = RunningMailer(mailer, trees, folder, server)
    try:
        await running.start(mails())
        for _ in range(int(SECONDS / 0.1)):
            if enough(mailer, list(running.bounces())):
                break
            await asyncio.sleep(0.1)
        return list(running.bounces()), running.errors()
    finally:
        await running.close()
        await server.close()


async def all_reports(trees: Path, folder: Path) -> dict[str, tuple[list[bytes], str]]:
    done = await asyncio.gather(*(reports_of(mailer, trees, folder) for mailer in MAILERS))
    return {mailer.package: one for mailer, one in zip(MAILERS, done, strict=True)}


@pytest.fixture(scope="module")
def reports() -> Iterator[Reports]:
    """Run all servers at once: most of the time they wait."""
    script = REPOSITORY / "scripts" / "debian-mailers"
    done = subprocess.run([script, "--cached"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        unavailable("the mail servers of scripts/debian-mailers", done.stderr.strip())
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mail servers change users and roots, which needs root and a mount namespace")
    folder = Path(tempfile.mkdtemp(prefix="takedown-mail-"))
    folder.chmod(0o755)
    try:
        made = asyncio.run(all_reports(Path(os.path.realpath(done.stdout.strip())), folder))
        for package, (mails, errors) in made.items():
            assert mails, f"{package} sent nothing back: {errors[:2000]}"
        yield {package: mails for package, (mails, _) in made.items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("mailer", MAILERS, ids=lambda mailer: mailer.package)
@pytest.mark.parametrize("name", FAILS)
def test_a_refusal_ends_in_its_reason_and_fault(
    reports: Reports, mailer: Mailer, name: str
) -> None:
    """Whatever a mail server makes of a refusal, the event says why, and whose fault it was."""
    (data,) = said_of(reports[mailer.package])[name]
    assert isinstance(data, ev.NoticeUndelivered)
    assert (data.reason, data.fault) == FAILS[name]


@pytest.mark.parametrize("mailer", [m for m in MAILERS if m.warns], ids=lambda m: m.package)
@pytest.mark.parametrize("name", WAITS)
def test_a_warning_is_a_delay_and_giving_up_is_final(
    reports: Reports, mailer: Mailer, name: str
) -> None:
    """What is put off is delayed; where the server gave up, it failed, and not by the provider's fault."""
    said = said_of(reports[mailer.package])[name]
    assert isinstance(said[0], ev.NoticeDelayed)
    final = [data for data in said if isinstance(data, ev.NoticeUndelivered)]
    assert bool(final) == mailer.expires
    for data in final:
        assert data.fault != "theirs"
        assert data.reason in ("blocked", "network", "expired")


@pytest.mark.parametrize("mailer", MAILERS, ids=lambda mailer: mailer.package)
def test_nobody_else_is_spoken_of(reports: Reports, mailer: Mailer) -> None:
    """A notice that was taken has no event, and no server invents one."""
    said = said_of(reports[mailer.package])
    assert set(said) <= set(SCRIPT)
    if not mailer.warns:
        assert set(said) == set(FAILS)
