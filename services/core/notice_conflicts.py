"""Notices that contradict each other: one id, used again with another content.

The first notice of an id, by the order of the fold, holds; another one moves nothing and is kept as a conflict. The
content is what may start a clock: provider, channel and time.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from schemas import events as ev
from schemas.events import Event
from services.core.case import NoticeConflict

Content = tuple[str, str, datetime]


def conflicts(ordered: Iterable[Event]) -> list[NoticeConflict]:
    """Give the conflicts among statements of one case, which come in the order of the fold."""
    notices = [(event, event.data) for event in ordered if isinstance(event.data, ev.NoticeSent)]
    if len(notices) < 2:
        return []
    first: dict[str, Content] = {}
    return [
        _conflict(event, data)
        for event, data in notices
        if first.setdefault(data.notice_id, _content(event, data)) != _content(event, data)
    ]


def conflicting_arrivals(log: Iterable[Event], arrived: Sequence[Event]) -> set[UUID]:
    """Name the notices that contradicted, when they arrived, the one that held until then.

    However arrivals are split into batches, the names are the same.

    Args:
        log: All events of the case, those of `arrived` among them.
        arrived: New events, in the order in which they arrived.
    """
    new = {event.id for event in arrived}
    holding: dict[str, Event] = {}
    for event in log:
        if event.id not in new:
            _hold(holding, event)
    return {event.id for event in arrived if _hold(holding, event)}


def _hold(holding: dict[str, Event], event: Event) -> bool:
    """Let the first notice of an id hold; tell whether the event contradicts the one that held before."""
    if not isinstance(event.data, ev.NoticeSent):
        return False
    held = holding.get(event.data.notice_id)
    if held is None or (event.time, event.id) < (held.time, held.id):
        holding[event.data.notice_id] = event
    if held is None:
        return False
    assert isinstance(held.data, ev.NoticeSent)
    return _content(held, held.data) != _content(event, event.data)


def _content(event: Event, data: ev.NoticeSent) -> Content:
    return data.provider, data.channel, event.time


def _conflict(event: Event, data: ev.NoticeSent) -> NoticeConflict:
    return NoticeConflict(
        at=event.time,
        event_id=event.id,
        notice_id=data.notice_id,
        provider=data.provider,
        channel=data.channel,
    )
