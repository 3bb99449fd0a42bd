"""Write an evidence pack: tables as JSON Lines and CSV, what they were made by, and a summary for people.

The bytes are a function of the evidence, the scope and the operator's name: no clock, no chance.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from schemas.events import Event
from schemas.ids import instant
from services.core.bounds import Count
from services.reports import evidence_pages, evidence_seal
from services.reports.channels import Channels
from services.reports.evidence_case import Clean, Dossier, Scope, dossier
from services.reports.evidence_rows import TABLES, Row, SpellRow
from services.reports.figures import ChannelFigures
from services.reports.table import CATEGORY

FORMAT = "takedown-evidence/1"
# What is listed for people; the tables hold everything.
_LISTED = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Figures(Struct, kw_only=True):
    """The figures of a pack, as in the league table: shares are None below the methodology's minimum.

    `no_clock` splits `not_started` by why, `channels` are the notices by channel, `escalations` the rungs.
    """

    cases: int = 0
    n: int = 0
    within: int = 0
    certain_breaches: int = 0
    undecided: int = 0
    lower: float | None = None
    upper: float | None = None
    too_few: bool = False
    younger_than_norm: int = 0
    not_started: int = 0
    excluded: dict[str, int] = {}
    notices: dict[str, int] = {}
    rows: dict[str, int] = {}
    exposure_lower_hours: float = 0.0
    exposure_upper_hours: float = 0.0
    no_clock: dict[str, int] = {}
    escalations: dict[str, int] = {}
    channels: list[ChannelFigures] = []


class Pack(Struct, kw_only=True):
    """What `pack.json` says. `ledger_digest` is over the folds of these cases, their sealed URLs left out."""

    format: str
    provider: str
    since: str | None
    until: str | None
    cutoff: str
    methodology: str
    methodology_version: int
    methodology_digest: str
    ledger_digest: str
    operator: str | None
    contact: str | None
    signing_key: str
    figures: Figures


class Operator(Struct, frozen=True, kw_only=True):
    """Who answers for the pack, and where a provider replies."""

    name: str | None = None
    contact: str | None = None


class PackWriter:
    """Takes cases one by one, in the order of their ids, and writes a pack into an empty folder."""

    def __init__(self, folder: Path, scope: Scope, clean: Clean) -> None:
        self._folder = folder
        self._scope = scope
        self._clean = clean
        self._tables = {name: _Table(folder, name, row) for name, row in TABLES.items()}
        self._count = Count(excluded={})
        self._figures = Figures(excluded=self._count.excluded, notices={}, rows={})
        self._splits: dict[str, Counter[str]] = {"no_clock": Counter(), "escalations": Counter()}
        self._channels = Channels()
        self._digest = hashlib.sha256()
        self._shown: dict[str, list[SpellRow]] = {"certain_breaches": [], "undecided": []}

    def __enter__(self) -> "PackWriter":
        return self

    def __exit__(self, *_: object) -> None:
        """Close the tables."""
        for table in self._tables.values():
            table.close()

    def add(self, events: list[Event]) -> None:
        """Take one case's evidence; a case that does not concern the provider leaves no trace."""
        case = dossier(events, self._scope, self._clean)
        if case is None:
            return
        for name, table in self._tables.items():
            table.write(case.table(name))
        # As `combined` of the core, which takes all digests at once.
        self._digest.update(f"{case.case_id} {case.digest}\n".encode())
        self._tally(case)

    def _tally(self, case: Dossier) -> None:
        figures = self._figures
        figures.cases += 1
        for spell in case.spells:
            self._count.add(spell.standing)
            if not case.retracted:  # as in the league table: out of all counts (P21)
                figures.exposure_lower_hours += spell.exposure_lower_hours
                figures.exposure_upper_hours += spell.exposure_upper_hours
            if spell.standing == "not_started":
                self._splits["no_clock"][_no_clock(spell)] += 1
            listed = self._shown.get(spell.standing)
            if listed is not None and len(listed) < _LISTED:
                listed.append(spell)
        for notice in case.notices:
            figures.notices[notice.state] = figures.notices.get(notice.state, 0) + 1
        self._splits["escalations"].update(row.to for row in case.escalations)
        self._channels.merge(case.channels)

    def finish(self, key: Ed25519PrivateKey, operator: Operator) -> Pack:
        """Write what stands beside the tables, and sign everything."""
        self.__exit__()
        pack = self._pack(evidence_seal.fingerprint(key.public_key()), operator)
        method = self._scope.methodology
        texts = {
            "pack.json": _indented(pack),
            "README.md": evidence_pages.readme(pack),
            "methodology-full.json": _indented(method),
            "summary.html": evidence_pages.summary(pack, method, self._shown),
        }
        for name, text in texts.items():
            (self._folder / name).write_text(text, "utf-8", newline="\n")
        (self._folder / "methodology.json").write_bytes(method.meaning)
        evidence_seal.sign(self._folder, key)
        return pack

    def _pack(self, key: str, operator: Operator) -> Pack:
        scope, method = self._scope, self._scope.methodology
        return Pack(
            format=FORMAT,
            provider=scope.provider,
            since=instant(scope.since) if scope.since else None,
            until=instant(scope.until) if scope.until else None,
            cutoff=instant(scope.cutoff),
            methodology=method.id,
            methodology_version=method.version,
            methodology_digest=method.digest,
            ledger_digest=self._digest.hexdigest(),
            operator=operator.name,
            contact=operator.contact,
            signing_key=key,
            figures=self._finished(),
        )

    def _finished(self) -> Figures:
        count, figures = self._count, self._figures
        for name in ("n", "within", "certain_breaches", "undecided"):
            setattr(figures, name, getattr(count, name))
        figures.younger_than_norm, figures.not_started = count.younger_than_norm, count.not_started
        figures.too_few = count.n < self._scope.methodology.minimum_n
        if not figures.too_few:
            figures.lower, figures.upper = count.lower, count.upper
        figures.excluded = dict(sorted(count.excluded.items()))
        figures.notices = dict(sorted(figures.notices.items()))
        for name, counts in self._splits.items():
            setattr(figures, name, dict(sorted(counts.items())))
        norm = self._scope.methodology.norm_for(CATEGORY)
        figures.channels = self._channels.finish((), norm)
        figures.rows = {name: table.rows for name, table in self._tables.items()}
        figures.exposure_lower_hours = round(figures.exposure_lower_hours, 3)
        figures.exposure_upper_hours = round(figures.exposure_upper_hours, 3)
        return figures


def _no_clock(spell: SpellRow) -> str:
    """Name why no clock runs as the league table does."""
    if spell.no_clock_fault is None:
        return spell.reason
    return f"{spell.no_clock_fault}:{spell.no_clock_reason}"


def _indented(value: Struct) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


class _Table:
    """One table in two forms: JSON Lines to the letter, CSV made safe for spreadsheets."""

    def __init__(self, folder: Path, name: str, struct: type[Struct]) -> None:
        self.rows = 0
        self._columns = struct.__struct_fields__
        self._lines: IO[bytes] = (folder / f"{name}.jsonl").open("wb")
        self._sheet = (folder / f"{name}.csv").open("w", encoding="utf-8", newline="")
        self._csv = csv.writer(self._sheet, lineterminator="\n")
        self._csv.writerow(self._columns)

    def write(self, rows: Iterable[Row]) -> None:
        """Append rows."""
        for row in rows:
            self._lines.write(msgspec.json.encode(row) + b"\n")
            self._csv.writerow([_cell(getattr(row, column)) for column in self._columns])
            self.rows += 1

    def close(self) -> None:
        """Write what is buffered."""
        self._lines.close()
        self._sheet.close()


def _cell(value: object) -> object:
    """Write one value; a text that a spreadsheet would run as a formula gets an apostrophe before it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
