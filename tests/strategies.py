"""Hypothesis strategies: the events of one case, in any order, late, doubled and contradictory."""

from collections.abc import Mapping
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
    others: Mapping[str, str] | None = None,
    left_out: tuple[str, ...] | None = (),
    age: float | None = None,
    passing: tuple[str, ...] = (),
) -> Event:
    """Make a look that started at `at`; `others` are what other providers of the name gave: online, gone or silent.

    `passing` are the providers that are proxies.
    """
    finished = at + timedelta(seconds=took)
    given = ({provider: "gone" if verdict == "removed" else verdict} if provider else {}) | dict(
        others or {}
    )
    served = tuple(
        ev.Served(
            address=f"192.0.2.{n}",
            provider=p,
            role="proxy" if p in passing else "hosting",
            online=g == "online",
            gone=g == "gone",
        )
        for n, (p, g) in enumerate(given.items(), start=1)
    )
    data = ev.LookMade(
        vantage=vantage,
        tick=at,
        started_at=at,
        finished_at=finished,
        verdict=verdict,
        reason=reason,
        served=served,
        canary_at=finished if canary else None,
        layer=layer,
        fingerprint=None if length is None else ev.Fingerprint(status=200, content_length=length),
        resolution_age_seconds=age,
        providers_left_out=left_out,
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
    reason=st.sampled_from(["test", "test", "blocked_legal", "soft_404_control"]),
    others=st.one_of(
        st.none(), st.dictionaries(providers, st.sampled_from(["online", "gone", "silent"]))
    ),
    left_out=st.sampled_from([(), (), None, ("giant",)]),
    age=st.sampled_from([None, None, 60.0, 3600.0]),
    passing=st.sampled_from([(), (), ("giant",), ("small",)]),
)
# Long runs of gone, seen by vantages that are not blind, at one provider that nobody doubts.
plain_looks = st.builds(
    look,
    minutes,
    st.sampled_from(["online", *["removed"] * 8, "undetermined"]),
    provider=st.just("giant"),
    vantage=st.sampled_from(["v1", "v1", "v1", "v2"]),
    took=st.sampled_from([0.0, 0.5]),
    layer=st.sampled_from([None, None, None, "host"]),
)
missed = st.builds(
    lambda at: event(at, ev.LookMissed(vantage="v1", tick=at, reason="overload")), minutes
)
reports = st.builds(
    lambda at, provider, category, ago: event(
        at,
        ev.ReportFiled(
            reporter="hotline",
            sealed_url=f"s1.k.{at:%d%H%M}",
            provider=provider,
            category=category,
            seen_online_at=None if ago is None else at - timedelta(minutes=ago),
        ),
    ),
    minutes,
    st.one_of(st.none(), providers),
    st.sampled_from(["csam", "terrorist"]),
    st.one_of(st.none(), st.integers(0, 600)),
)
# Most sources say the instant, some no more than a time span.
spans = st.sampled_from([None, None, None, None, 1, 90, 1440])


def earliest(at: datetime, span: int | None) -> datetime | None:
    return None if span is None else at - timedelta(minutes=span)


sent = st.builds(
    lambda at, n, p, span: event(
        at, ev.NoticeSent(notice_id=n, provider=p, earliest=earliest(at, span))
    ),
    minutes,
    notice_ids,
    providers,
    spans,
)
delivered = st.builds(
    lambda at, n, span: event(at, ev.NoticeDelivered(notice_id=n, earliest=earliest(at, span))),
    minutes,
    notice_ids,
    spans,
)
claimed = st.builds(
    lambda at: event(at, ev.ClaimStated(claimant="other system", status="offline", gone_at=at)),
    minutes,
)
failed = st.builds(
    lambda at, n: event(at, ev.NoticeFailed(notice_id=n, reason="blocked")), minutes, notice_ids
)
undelivered = st.builds(
    lambda at, n, fault: event(
        at, ev.NoticeUndelivered(notice_id=n, reason="mailbox_full", fault=fault)
    ),
    minutes,
    notice_ids,
    st.sampled_from(["theirs", "ours", "way"]),
)
delayed = st.builds(
    lambda at, n: event(at, ev.NoticeDelayed(notice_id=n, reason="expired")), minutes, notice_ids
)
escalated = st.builds(
    lambda at, to: event(at, ev.NoticeEscalated(to=to, actor="officer", reason="silence")),
    minutes,
    st.sampled_from(["provider", "police"]),
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
addressed = st.builds(
    lambda at, p, address, via: event(
        at,
        ev.AddressAttributed(provider=p, method="cymru", address=None if via else address, via=via),
    ),
    minutes,
    st.one_of(st.none(), providers),
    st.sampled_from(["192.0.2.1", "192.0.2.2"]),
    st.one_of(st.none(), providers),
)
erasures = st.builds(
    lambda at: event(at, ev.CaseErased(actor="officer", reason="retention")), minutes
)
taken_back = st.builds(
    lambda at, reporter: event(at, ev.ReporterRetracted(reporter=reporter, reason="legal")),
    minutes,
    st.sampled_from(["hotline", "another"]),
)
rare = st.one_of(
    taken_back,
    st.builds(lambda at: event(at, ev.ReportRetracted(actor="hotline", reason="legal")), minutes),
    erasures,
)

any_event = st.one_of(
    looks, looks, looks, looks, missed, reports, sent, sent, delivered, failed, undelivered, delayed, acknowledged,
    escalated, holds, lifts, attributed, claimed, addressed,
)  # fmt: skip
histories = st.lists(
    st.one_of(any_event, any_event, any_event, any_event, rare), min_size=1, max_size=40
)
plain_histories = st.lists(
    st.one_of(*[plain_looks] * 8, missed, sent, reports), min_size=10, max_size=60
)
# Nobody was told: who is charged may still be corrected after a removal.
unnoticed_histories = st.lists(st.one_of(*[plain_looks] * 9, reports), min_size=5, max_size=40)
claims = st.lists(st.one_of(reports, erasures, looks), min_size=1, max_size=25)
ordinary = st.lists(st.one_of(looks, sent, reports), min_size=1, max_size=40)
methodologies = st.sampled_from(METHODOLOGIES)
