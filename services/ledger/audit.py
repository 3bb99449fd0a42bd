"""The audit log: who opened, erased, exported or promoted what, when and for what; append-only, chained by hash.

A row's hash covers the hash before it. What was changed, taken out or slipped in breaks the chain; that its
end was cut off shows against a head noted elsewhere (`takedown audit verify --anchor`).
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import asyncpg
from msgspec import Struct

from schemas.errors import TakedownError
from schemas.ids import instant
from schemas.sqlfiles import statements

_CHUNK = 1000
_ACTION = re.compile(r"[a-z][a-z_]{0,39}")


class AuditBroken(TakedownError):
    """The audit log is not what was written: somebody changed it in the database."""

    exit_code = 5


class AuditRefused(TakedownError):
    """An act that does not say who does it and for what."""


class Head(Struct, frozen=True):
    """The end of the chain: note it somewhere else, and a log that was cut off later shows."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


def _statement(name: str) -> str:
    return statements("services.ledger", "audit.sql")[name]


async def record(
    session: asyncpg.Connection, actor: str, action: str, case_id: str | None, purpose: str
) -> None:
    """Write one act, before it is done; `case_id` is None where it is about no single case.

    Raises `AuditRefused` where the actor or the purpose is empty.
    """
    if not actor.strip() or not purpose.strip():
        raise AuditRefused("say who does it and why: both are kept in the audit log")
    if not _ACTION.fullmatch(action):
        raise ValueError(f"{action!r} is no name of an act")
    await session.execute(_statement("record"), actor, action, case_id, purpose)


async def newest(
    session: asyncpg.Connection, action: str | None, case_id: str | None, limit: int
) -> list[Mapping[str, Any]]:
    """Give the newest entries, the oldest of them first."""
    return list(await session.fetch(_statement("newest"), action, case_id, limit))


async def verify(session: asyncpg.Connection, anchor: Head | None = None) -> Head:
    """Follow the whole chain and return its end; raises `AuditBroken` at the first wrong link.

    `anchor` is an end that was noted before: the chain must still go through it.
    """
    head = Head(0, "")
    async with session.transaction(isolation="repeatable_read", readonly=True):
        while chunk := await session.fetch(_statement("entries"), head.seq, _CHUNK):
            for row in chunk:
                head = _next(head, row, anchor)
    if anchor is not None and head.seq < anchor.seq:
        raise AuditBroken(
            f"the audit log ends at entry {head.seq}, but once reached {anchor.seq}: its end was cut off"
        )
    return head


def _next(head: Head, row: Mapping[str, Any], anchor: Head | None) -> Head:
    seq = head.seq + 1
    if row["seq"] != seq:
        raise AuditBroken(f"entry {seq} of the audit log is missing")
    if row["previous"] != head.hash or row["hash"] != link(head.hash, row):
        raise AuditBroken(f"entry {seq} of the audit log was changed after it was written")
    if anchor is not None and anchor.seq == seq and anchor.hash != row["hash"]:
        raise AuditBroken(f"entry {seq} of the audit log is not the one noted: it was written anew")
    return Head(seq, row["hash"])


def link(previous: str, row: Mapping[str, Any]) -> str:
    """Compute the hash of an entry as the database does (`audit_hash`, 0003)."""
    fields = (previous, str(row["seq"]), instant(row["at"]), *_fields(row))
    written = (f"{len(f.encode())}:{f}" if f is not None else "-" for f in fields)
    return hashlib.sha256("|".join(written).encode()).hexdigest()


def _fields(row: Mapping[str, Any]) -> tuple[str | None, ...]:
    return row["actor"], row["action"], row["case_id"], row["purpose"]
