"""Names in submitted events that nobody knows, cases that nobody reported, notices that contradict themselves.

A mistyped provider is a provider of its own, with a league table entry of its own; a notice whose subject is no
case starts a clock for nothing. None of it is invalid, so it is a doubt: said, and refused on request. A notice
id that was used with another content is a conflict: it would change provider and deadline of the first one.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from schemas import events as ev
from schemas.events import Event
from schemas.near_names import nearest
from schemas.sqlfiles import statements
from services.attribution.providermap import ProviderMap
from services.ledger.pool import DatabaseConnection, session_of
from services.runtime.methods import methodology
from services.runtime.redaction import redact
from services.runtime.settings import Settings

# What people use; a channel that the ledger has seen is known too.
CHANNELS = frozenset({"email", "form", "web_form", "api", "phone", "post", "police"})
_CATEGORIES = frozenset({"csam"})
_AT_ONCE = 5_000

NoticeContent = tuple[str, str, datetime]


class Doubt(Struct, frozen=True, kw_only=True):
    """Something in a line that is probably not meant; a conflict is refused always."""

    line: int
    message: str
    conflict: bool = False


class NameRegister(Struct, kw_only=True):
    """What is there before the events come. Of a kind without any name nothing is doubted.

    `cases` is None where no ledger could be asked; `notices` gives the events of each notice id of a case.
    """

    names: dict[str, set[str]]
    cases: set[str] | None = None
    notices: dict[tuple[str, str], dict[UUID, NoticeContent]] = field(default_factory=dict)


def configured(settings: Settings) -> NameRegister:
    """Gather the names that the settings know: of the provider map and of the methodology."""
    providers: set[str] = set()
    if settings.provider_map is not None:
        providers = set(ProviderMap.load(Path(settings.provider_map)).providers)
    norms = methodology(settings.methodology).norms
    return NameRegister(
        names={
            "provider": providers,
            "category": {*norms, *_CATEGORIES},
            "channel": set(CHANNELS),
        }
    )


async def add_ledger(
    register: NameRegister, database: DatabaseConnection, case_ids: Iterable[str]
) -> None:
    """Add what the ledger knows: its names, and the cases and notices that the events speak of."""
    texts, names = statements("services.cli", "submitted_names.sql"), sorted(set(case_ids))
    register.cases = set()
    async with session_of(database) as session:
        for row in await session.fetch(texts["known_names"]):
            register.names[row["kind"]].add(row["name"])
        for start in range(0, len(names), _AT_ONCE):
            part = names[start : start + _AT_ONCE]
            there = await session.fetch(texts["cases_there"], part)
            register.cases.update(row["case_id"] for row in there)
            for row in await session.fetch(texts["notices_there"], part):
                _enter(register, row["case_id"], row["event_id"], row)


def _enter(register: NameRegister, case_id: str, event_id: UUID, row: Mapping[str, Any]) -> None:
    content = (row["provider"], row["channel"], row["sent_at"])
    register.notices.setdefault((case_id, row["notice_id"]), {})[event_id] = content


def doubts(events: Iterable[tuple[int, Event]], register: NameRegister) -> Iterator[Doubt]:
    """Compare numbered events with what is there and with each other, in their order."""
    spoken: set[tuple[str, str]] = set()
    for line, event in events:
        for kind, name in _names(event.data):
            if (kind, name) not in spoken and (
                message := _unknown(kind, name, register.names[kind])
            ):
                spoken.add((kind, name))
                yield Doubt(line=line, message=message)
        yield from _case(line, event, register)
        yield from _notice(line, event, register)


def _names(data: ev.Payload) -> Iterator[tuple[str, str]]:
    if isinstance(data, ev.ReportFiled):
        yield "category", data.category
    if isinstance(data, ev.NoticeSent):
        yield "channel", data.channel
    if isinstance(data, (ev.ReportFiled, ev.NoticeSent, ev.CaseAttributed)) and data.provider:
        yield "provider", data.provider


def _unknown(kind: str, name: str, names: set[str]) -> str | None:
    if not names or name in names:
        return None
    shown = f" `{name}`" if redact(name) == name else ""
    near = nearest(name, sorted(names))
    hint = "" if near is None else f" (did you mean `{near}`?)"
    return f"{kind}{shown} is new here{hint}"


def _case(line: int, event: Event, register: NameRegister) -> Iterator[Doubt]:
    if register.cases is None:
        return
    if isinstance(event.data, ev.ReportFiled):
        register.cases.add(event.case_id)
    elif event.case_id not in register.cases:
        register.cases.add(event.case_id)
        yield Doubt(
            line=line, message=f"nobody reported case {event.case_id}; `takedown case id` names it"
        )


def _notice(line: int, event: Event, register: NameRegister) -> Iterator[Doubt]:
    data = event.data
    if not isinstance(data, ev.NoticeSent):
        return
    stored = register.notices.setdefault((event.case_id, data.notice_id), {})
    content = (data.provider, data.channel, event.time)
    if event.id not in stored and any(other != content for other in stored.values()):
        differing = _difference(content, next(iter(stored.values())))
        yield Doubt(
            line=line,
            conflict=True,
            message=f"its notice_id was used before with another {differing}; give this notice an id of its own",
        )
    stored[event.id] = content


def _difference(content: NoticeContent, other: NoticeContent) -> str:
    pairs = zip(("provider", "channel", "time"), content, other, strict=True)
    return " and ".join(name for name, ours, theirs in pairs if ours != theirs)
