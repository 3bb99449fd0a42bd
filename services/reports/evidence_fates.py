"""The whole fate of each notice, and who further was told, each with its own time: as case ids, without any address."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator

from schemas import events as ev
from schemas.events import Event
from schemas.events_of_notices import Arrival
from schemas.ids import instant
from services.core.answering import spell_at
from services.core.case import Case
from services.core.notices import FAILURES, fault_of
from services.notices.measurability import POLICE
from services.reports.evidence_rows import EscalationRow, FateRow

Clean = Callable[[str], str]
_ARRIVALS: dict[Arrival | None, str] = {"answer": "auto_reply", "complaint": "complaint"}
_OF_NOTICES = (
    ev.NoticeSent,
    ev.NoticeDelivered,
    ev.NoticeDelayed,
    ev.NoticeAcknowledged,
    *FAILURES,
)


def fate_rows(
    ordered: Iterable[Event], case: Case, notice_ids: Collection[str], clean: Clean
) -> list[FateRow]:
    """Give every word on some notices of a case, in the order of time."""
    rows: list[FateRow] = []
    sent: Counter[str] = Counter()
    for event in ordered:
        data = event.data
        if isinstance(data, _OF_NOTICES) and data.notice_id in notice_ids:
            if isinstance(data, ev.NoticeSent):
                sent[data.provider] += 1
            rows.append(_fate(event, case, sent[case.notices[data.notice_id].provider], clean))
    return rows


def _fate(event: Event, case: Case, number: int, clean: Clean) -> FateRow:
    data = event.data
    assert isinstance(data, _OF_NOTICES)
    notice = case.notices[data.notice_id]
    failure = data if isinstance(data, FAILURES) else None
    delay = data if isinstance(data, ev.NoticeDelayed) else None
    failed_or_late = failure or delay
    return FateRow(
        case_id=event.case_id,
        spell=notice.spell,
        notice_id=clean(data.notice_id),
        event_id=str(event.id),
        at=instant(event.time),
        channel=clean(notice.channel),
        fate=fate_word(data, number),
        reason=failed_or_late.reason if failed_or_late else None,
        fault=fault_of(failure) if failure else None,
        status=getattr(failed_or_late, "status", None),
    )


def fate_word(data: ev.Payload, number: int) -> str:
    """Name what an event says of a notice; `number` counts the notices to its provider about the case."""
    if isinstance(data, ev.NoticeSent):
        if data.channel == POLICE:
            return "by_police"
        return "sent" if number <= 1 else "reminder"
    if isinstance(data, ev.NoticeDelivered):
        return _ARRIVALS.get(data.evidence, "delivered")
    if isinstance(data, ev.NoticeDelayed):
        return "delayed"
    if isinstance(data, ev.NoticeAcknowledged):
        return "acknowledged"
    return "form_only" if getattr(data, "reason", None) == "form_only" else "failed"


def escalation_rows(
    ordered: Iterable[Event], case: Case, in_scope: Collection[int], clean: Clean
) -> Iterator[EscalationRow]:
    """Give the rungs that were taken while some spells of a case lasted."""
    for event in ordered:
        data = event.data
        if not isinstance(data, ev.NoticeEscalated):
            continue
        spell = spell_at(case, event.time).number
        if spell in in_scope:
            yield EscalationRow(
                case_id=event.case_id,
                spell=spell,
                event_id=str(event.id),
                at=instant(event.time),
                to=data.to,
                channel=clean(data.channel),
                notice_id=None if data.notice_id is None else clean(data.notice_id),
                actor=clean(data.actor),
                reason=clean(data.reason),
            )
