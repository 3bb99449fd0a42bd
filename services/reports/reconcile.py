"""Compare our notices with a provider's own list: matched, missing on either side, differing dates. Pure.

The rules:

1. A row speaks for every notice of ours that fits all the names it gives (notice id, case id, our reference).
   A reference that we do not know is the provider's own and is passed over, if the row gives another name.
2. A row whose notices were all spoken for by earlier rows is repeated.
3. `received_at` is compared with the delivery, or the sending where no delivery is known, of the nearest notice.
4. `removed_at` is compared with the interval (L, R] of every confirmed removal; the nearest counts.
5. What differs by no more than the tolerance agrees. A date alone agrees with any instant of its day.

6. A row whose date can't be read still names a notice: that one is not missing there, and its row is malformed.

rows = matched + repeated + only theirs + malformed, and ours = matched + unreadable + only ours, always.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from schemas import events as ev
from schemas.events import Event
from schemas.ids import instant
from services.core.case import Case, Notice, Removal
from services.core.fold import fold
from services.core.time_spans import TimeSpan
from services.reports.evidence_case import Clean, Scope
from services.reports.reconcile_list import ProviderClaim, ProviderList

_NO_TIME = timedelta()


class Ours(Struct, frozen=True, kw_only=True):
    """One notice of ours about one case, and the removals that were confirmed at the provider."""

    case_id: str
    notice_id: str
    references: tuple[str, ...]
    sent_at: datetime | None
    delivered_at: datetime | None
    failed: bool
    removals: tuple[Removal, ...]

    @property
    def arrived_at(self) -> datetime | None:
        """When it reached the provider, as far as we know."""
        return self.delivered_at or self.sent_at


class Detail(Struct, frozen=True, kw_only=True):
    """One line of the result. `field` says what differs, by `seconds` (theirs less ours, at least)."""

    status: str
    line: int | None = None
    notice_id: str | None = None
    reference: str | None = None
    case_id: str | None = None
    field: str | None = None
    ours: str | None = None
    theirs: str | None = None
    seconds: float | None = None
    note: str | None = None


class Reconciliation(Struct, kw_only=True):
    """What the comparison comes to; `differing` counts rows with at least one difference."""

    provider: str
    cutoff: str
    methodology: str
    methodology_digest: str
    tolerance_seconds: float
    columns: tuple[str, ...]
    rows: int
    matched: int = 0
    repeated: int = 0
    only_theirs: int = 0
    malformed: int = 0
    differing: int = 0
    ours: int = 0
    ours_matched: int = 0
    ours_unreadable: int = 0
    only_ours: int = 0
    details: list[Detail] = []

    @property
    def agrees(self) -> bool:
        """Tell whether both sides say the same."""
        return not (self.only_theirs or self.only_ours or self.differing or self.malformed)


def our_side(events: Iterable[Event], scope: Scope) -> list[Ours]:
    """Give our notices to the provider about one case."""
    log = [event for event in events if event.time <= scope.cutoff]
    if not log:
        return []
    case, _ = fold(log, scope.methodology)
    filed = [e.data for e in log if isinstance(e.data, ev.ReportFiled)]
    references = tuple(sorted({data.reference for data in filed if data.reference is not None}))
    mine = [n for n in case.notices.values() if n.provider == scope.provider]
    return [_ours(case, notice, references) for notice in mine]


def _ours(case: Case, notice: Notice, references: tuple[str, ...]) -> Ours:
    spells = [
        spell
        for spell in case.spells
        if spell.provider == notice.provider and notice.spell in (None, spell.number)
    ]
    return Ours(
        case_id=case.case_id,
        notice_id=notice.notice_id,
        references=references,
        sent_at=notice.sent_at,
        delivered_at=notice.delivered_at,
        failed=notice.failed_at is not None,
        removals=tuple(removal for spell in spells for removal in spell.removals),
    )


def reconcile(
    ours: Iterable[Ours], theirs: ProviderList, scope: Scope, tolerance: timedelta, clean: Clean
) -> Reconciliation:
    """Compare both sides; the scope's period bounds which notices of ours the list has to have."""
    ordered = sorted(ours, key=lambda o: (o.sent_at or scope.cutoff, o.case_id, o.notice_id))
    index, taken = _Index(ordered), set[int]()
    method = scope.methodology
    result = Reconciliation(
        provider=scope.provider,
        cutoff=instant(scope.cutoff),
        methodology=method.id,
        methodology_digest=method.digest,
        tolerance_seconds=tolerance.total_seconds(),
        columns=theirs.columns,
        rows=theirs.rows,
        malformed=len(theirs.malformed),
        details=[],
    )
    for claim in theirs.claims:
        _take(result, claim, index, taken, _Judge(theirs.columns, tolerance, clean))
    unread = _unread(theirs, index) - taken
    for place, notice in enumerate(ordered):
        if place in unread:
            result.ours, result.ours_unreadable = result.ours + 1, result.ours_unreadable + 1
        else:
            _leave(result, notice, place in taken, scope, clean)
    result.details += [
        Detail(status="malformed", line=bad.line, note=bad.message) for bad in theirs.malformed
    ]
    assert result.rows == result.matched + result.repeated + result.only_theirs + result.malformed
    assert result.ours == result.ours_matched + result.ours_unreadable + result.only_ours
    return result


def _unread(theirs: ProviderList, index: "_Index") -> set[int]:
    """Give the notices that rows name whose dates can't be read."""
    claims = (bad.claim for bad in theirs.malformed if bad.claim is not None)
    return {place for claim in claims for place in index.find(claim)[0]}


def _take(
    result: Reconciliation, claim: ProviderClaim, index: "_Index", taken: set[int], judge: "_Judge"
) -> None:
    places, note = index.find(claim)
    named = judge.named(claim)
    if not places:
        result.only_theirs += 1
        result.details.append(Detail(status="only_theirs", note=note, **named))
        return
    status = "repeated" if places <= taken else "matched"
    setattr(result, status, getattr(result, status) + 1)
    taken |= places
    differences = judge.differences(claim, [index.ours[place] for place in sorted(places)])
    result.differing += bool(differences)
    result.details.append(Detail(status=status, note=note, **named))
    result.details += differences


def _leave(result: Reconciliation, notice: Ours, matched: bool, scope: Scope, clean: Clean) -> None:
    if matched:
        result.ours, result.ours_matched = result.ours + 1, result.ours_matched + 1
    elif scope.spans(notice.sent_at):
        result.ours, result.only_ours = result.ours + 1, result.only_ours + 1
        result.details.append(
            Detail(
                status="only_ours",
                notice_id=clean(notice.notice_id),
                case_id=notice.case_id,
                ours=_text(notice.arrived_at),
                note="failed here: it may never have arrived" if notice.failed else None,
            )
        )


class _Index:
    """Our notices by each of their names."""

    def __init__(self, ours: list[Ours]) -> None:
        self.ours = ours
        self._by: dict[str, dict[str, set[int]]] = {
            name: defaultdict(set) for name in ("notice_id", "case_id", "reference")
        }
        for place, notice in enumerate(ours):
            self._by["notice_id"][notice.notice_id].add(place)
            self._by["case_id"][notice.case_id].add(place)
            for reference in notice.references:
                self._by["reference"][reference].add(place)

    def find(self, claim: ProviderClaim) -> tuple[set[int], str | None]:
        """Give the notices that fit every name of a row, and a note where a name was of no use."""
        texts = {name: getattr(claim, name) for name in self._by if getattr(claim, name)}
        sets = {name: self._by[name].get(text, set()) for name, text in texts.items()}
        note = None
        if len(sets) > 1 and not sets.get("reference", {0}):
            del sets["reference"]
            note = "the reference is not known here"
        fitting = set.intersection(*sets.values())
        if not fitting and any(sets.values()):
            fits = ", ".join(name for name, places in sets.items() if places)
            note = f"only {fits} is known here, not together with the rest of the row"
        return fitting, note


class _Judge:
    """Compares the dates of a row with our notices."""

    def __init__(self, columns: Iterable[str], tolerance: timedelta, clean: Clean) -> None:
        self._columns = frozenset(columns)
        self._tolerance = tolerance
        self._clean: Callable[[str], str] = clean

    def named(self, claim: ProviderClaim) -> dict[str, Any]:
        """Repeat the names of a row, as far as they may be repeated."""
        return {
            "line": claim.line,
            "notice_id": self._clean(claim.notice_id) if claim.notice_id else None,
            "reference": self._clean(claim.reference) if claim.reference else None,
            "case_id": claim.case_id,
        }

    def differences(self, claim: ProviderClaim, fitting: list[Ours]) -> list[Detail]:
        """Give what the row and the notices that it speaks for don't agree on."""
        details = self._received(claim, fitting)
        for case_id in dict.fromkeys(notice.case_id for notice in fitting):
            removals = [r for n in fitting if n.case_id == case_id for r in n.removals]
            details += self._removed(claim, case_id, removals)
        return details

    def _received(self, claim: ProviderClaim, fitting: list[Ours]) -> list[Detail]:
        claimed = claim.received_at
        if claimed is None:
            return []
        if all(notice.failed for notice in fitting):
            note = "received there, but failed here: the clock would have started"
            return [self._difference(claim, "received_at", None, claimed, None, note=note)]
        arrivals = [n.arrived_at for n in fitting if n.arrived_at is not None and not n.failed]
        if not arrivals:
            return []
        nearest = min(arrivals, key=lambda at: abs(_gap(claimed, at, at)))
        gap = _gap(claimed, nearest, nearest)
        if abs(gap) <= self._tolerance:
            return []
        return [self._difference(claim, "received_at", nearest, claimed, gap)]

    def _removed(self, claim: ProviderClaim, case_id: str, removals: list[Removal]) -> list[Detail]:
        claimed = claim.removed_at
        if claimed is None:
            if not removals or "removed_at" not in self._columns:
                return []
            note = "removed here, not there"
            upper = removals[0].upper
            return [self._difference(claim, "removed_at", upper, None, None, case_id, note)]
        if not removals:
            note = "removed there; no removal is confirmed here"
            return [self._difference(claim, "removed_at", None, claimed, None, case_id, note)]
        nearest = min(removals, key=lambda r: abs(_gap(claimed, r.lower, r.upper)))
        gap = _gap(claimed, nearest.lower, nearest.upper)
        if abs(gap) <= self._tolerance:
            return []
        end = nearest.upper if gap > _NO_TIME else nearest.lower
        note = "seen online here after that" if gap < _NO_TIME else "seen gone here before that"
        return [self._difference(claim, "removed_at", end, claimed, gap, case_id, note)]

    def _difference(
        self,
        claim: ProviderClaim,
        field: str,
        ours: datetime | None,
        theirs: TimeSpan | None,
        gap: timedelta | None,
        case_id: str | None = None,
        note: str | None = None,
    ) -> Detail:
        named = self.named(claim)
        named["case_id"] = case_id or claim.case_id
        return Detail(
            status="differs",
            field=field,
            ours=_text(ours),
            theirs=_written(theirs),
            seconds=None if gap is None else gap.total_seconds(),
            note=note,
            **named,
        )


def _gap(claimed: TimeSpan, lower: datetime | None, upper: datetime) -> timedelta:
    """Give how far what they say lies outside [lower, upper]: before it negative, after it positive."""
    if claimed.earliest > upper:
        return claimed.earliest - upper
    if lower is not None and claimed.latest < lower:
        return claimed.latest - lower
    return _NO_TIME


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def _written(when: TimeSpan | None) -> str | None:
    if when is None:
        return None
    ends = dict.fromkeys((instant(when.earliest), instant(when.latest)))
    return " to ".join(ends)
