"""Hypothesis strategies: the events of one case, in any order, late, doubled and contradictory."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import strategies as st
from msgspec import structs

from schemas import events as ev
from schemas import ids
from schemas.codec import encode_data
from schemas.events import TYPE_OF, Event, Payload
from schemas.methodology import Business, Methodology, shipped

START = datetime(2026, 1, 1, tzinfo=UTC)
CASE = "a" * 32
NL = shipped()["nl-24h"]
BUSINESS: Methodology = structs.replace(
    NL,
    id="business",
    norm="8h",
    norms={},
    calendar="business",
    business=Business(holidays=(date(2026, 1, 1),)),
)
TWO_VANTAGES: Methodology = structs.replace(
    NL, id="two-vantages", confirmation=structs.replace(NL.confirmation, vantages=2)
)
METHODOLOGIES: tuple[Methodology, ...] = (*shipped().values(), BUSINESS, TWO_VANTAGES)
PROVIDERS = ("giant", "small")


def event(time: datetime, data: Payload, case: str = CASE) -> Event:
    """Make an event whose id is a function of its content."""
    body = encode_data(data)
    name: UUID = ids.content_id(TYPE_OF[type(data)], case, time, body)
    return Event(id=name, time=time, source="test", case_id=case, data=data)


def look(
    at: datetime,
    verdict: str,
    *,
    provider: str | None = None,
    vantage: str = "v1",
    took: float = 0.5,
    canary: bool = True,
    case: str = CASE,
    layer: ev.Layer | None = None,
    length: int | None = None,
    reason: str = "test",
) -> Event:
    """Make a look that started at `at`."""
    finished = at + timedelta(seconds=took)
    served = (ev.Served(address="192.0.2.1", provider=provider, online=verdict == "online"),)
    data = ev.LookMade(
        vantage=vantage,
        tick=at,
        started_at=at,
        finished_at=finished,
        verdict=verdict,
        reason=reason,
        served=served if provider else (),
        canary_at=finished if canary else None,
        layer=layer,
        fingerprint=None if length is None else ev.Fingerprint(status=200, content_length=length),
    )
    return event(finished, data, case)


minutes = st.integers(0, 60 * 60).map(lambda m: START + timedelta(minutes=m))
providers = st.sampled_from(PROVIDERS)
notice_ids = st.sampled_from(["n1", "n2", "n3"])

looks = st.builds(
    look,
    minutes,
    st.sampled_from(["online", "online", "removed", "removed", "removed", "undetermined"]),
    provider=st.one_of(st.none(), st.just("giant"), providers),
    vantage=st.sampled_from(["v1", "v2"]),
    took=st.sampled_from([0.0, 0.5, 9.0]),
    canary=st.sampled_from([True, True, True, False]),
    layer=st.sampled_from([None, None, "content", "host"]),
    length=st.sampled_from([None, 100, 200]),
    reason=st.sampled_from(["test", "blocked_legal"]),
)
missed = st.builds(
    lambda at: event(at, ev.LookMissed(vantage="v1", tick=at, reason="overload")), minutes
)
reports = st.builds(
    lambda at, provider, category: event(
        at,
        ev.ReportFiled(
            reporter="hotline",
            sealed_url=f"s1.k.{at:%d%H%M}",
            provider=provider,
            category=category,
        ),
    ),
    minutes,
    st.one_of(st.none(), providers),
    st.sampled_from(["csam", "terrorist"]),
)
sent = st.builds(
    lambda at, n, p: event(at, ev.NoticeSent(notice_id=n, provider=p)),
    minutes,
    notice_ids,
    providers,
)
delivered = st.builds(lambda at, n: event(at, ev.NoticeDelivered(notice_id=n)), minutes, notice_ids)
failed = st.builds(
    lambda at, n: event(at, ev.NoticeFailed(notice_id=n, reason="blocked")), minutes, notice_ids
)
acknowledged = st.builds(
    lambda at, n: event(at, ev.NoticeAcknowledged(notice_id=n)), minutes, notice_ids
)
holds = st.builds(
    lambda at, hours: event(
        at,
        ev.HoldPlaced(actor="police", reason="case", expires_at=at + timedelta(hours=hours)),
    ),
    minutes,
    st.integers(0, 20),
)
lifts = st.builds(lambda at: event(at, ev.HoldLifted(actor="police")), minutes)
attributed = st.builds(
    lambda at, p, since: event(
        at,
        ev.CaseAttributed(provider=p, method="manual", actor="analyst", effective_from=since),
    ),
    minutes,
    providers,
    st.one_of(st.none(), minutes),
)
erasures = st.builds(
    lambda at: event(at, ev.CaseErased(actor="officer", reason="retention")), minutes
)
rare = st.one_of(
    st.builds(lambda at: event(at, ev.ReportRetracted(actor="hotline", reason="legal")), minutes),
    erasures,
)

any_event = st.one_of(
    looks, looks, looks, looks, missed, reports, sent, sent, delivered, failed, acknowledged, holds,
    lifts, attributed,
)  # fmt: skip
histories = st.lists(
    st.one_of(any_event, any_event, any_event, any_event, rare), min_size=1, max_size=40
)
claims = st.lists(st.one_of(reports, erasures, looks), min_size=1, max_size=25)
ordinary = st.lists(st.one_of(looks, sent, reports), min_size=1, max_size=40)
methodologies = st.sampled_from(METHODOLOGIES)
