"""The tables of an evidence pack: one struct per table, one field per column. Instants are text, UTC, microseconds.

No field holds a URL or a host name; an address stands in the attribution alone, where the provider needs it.
"""

from msgspec import Struct


class SpellRow(Struct, frozen=True, kw_only=True):
    """One case at the provider: what was owed, what was seen, how it stands at the cut-off and why.

    `removed_after` and `removed_by` are L and R of the first confirmed removal: it went between the two.
    `known_online_at` is the last look that saw it online, `reported_online_at` the last sighting by a reporter.
    `role` is the provider's: its host, an edge that passes it on, or the origin that an edge named; `reseller` rents
    from it. `no_clock_reason` and `no_clock_fault` are those of the last notice, where none arrived.
    """

    case_id: str
    spell: int
    category: str
    standing: str
    reason: str
    explanation: str
    opened_at: str
    closed_at: str | None
    closed_reason: str | None
    clock_started_at: str | None
    deadline: str | None
    procedure: str
    presence: str
    clock: str
    first_online_at: str | None
    known_online_at: str | None
    reported_online_at: str | None
    breached_at: str | None
    removed_after: str | None
    removed_by: str | None
    removed_layer: str | None
    removed_reason: str | None
    removals: int
    returns: int
    held: bool
    looks: int
    undetermined: int
    missed: int
    exposure_lower_hours: float
    exposure_upper_hours: float
    attribution_source: str | None
    attribution_method: str | None
    attributed_at: str | None
    role: str
    reseller: str | None
    no_clock_reason: str | None
    no_clock_fault: str | None


class NoticeRow(Struct, frozen=True, kw_only=True):
    """One notice to the provider about one case, and what became of it; `spell` is empty where it counted for none.

    `fault` is that of the failure: theirs, ours, the way's, or unclear. `arrived_by` is the evidence of a delivery.
    """

    case_id: str
    spell: int | None
    notice_id: str
    channel: str
    state: str
    sent_at: str | None
    delivered_at: str | None
    failed_at: str | None
    failure: str | None
    acknowledged_at: str | None
    fault: str | None
    delayed_at: str | None
    arrived_by: str | None


class FateRow(Struct, frozen=True, kw_only=True):
    """One word on a notice: what was done with it or came of it, and when.

    `fate` is `sent`, `reminder` (sent again to the same provider), `by_police` (the police passed it on), `delayed`,
    `failed`, `form_only` (they take reports by a form alone), `auto_reply`, `complaint`, `delivered` or `acknowledged`.
    `fault` is whose a failure is: theirs, ours, the way's, or unclear.
    """

    case_id: str
    spell: int | None
    notice_id: str
    event_id: str
    at: str
    channel: str
    fate: str
    reason: str | None
    fault: str | None
    status: str | None


class EscalationRow(Struct, frozen=True, kw_only=True):
    """One rung further: the provider again, the site's owner, the registrar or the police. It starts no clock."""

    case_id: str
    spell: int
    event_id: str
    at: str
    to: str
    channel: str
    notice_id: str | None
    actor: str
    reason: str


class LookRow(Struct, frozen=True, kw_only=True):
    """One look, made or missed.

    `counted_as` is `undetermined` where the look rests on too little (no fresh canary, a name resolved too long ago, a
    comparison of what nobody had seen online), and `elsewhere` where another provider served it and the one charged was
    not seen to.
    """

    case_id: str
    spell: int
    event_id: str
    vantage: str
    tick: str
    started_at: str | None
    finished_at: str | None
    verdict: str
    counted_as: str
    layer: str | None
    reason: str
    method: str | None
    agent: str | None
    status: int | None
    redirect: str | None
    canary_at: str | None
    resolution_age_seconds: float | None
    addresses_asked: int
    addresses_online: int
    imputed: bool


class TransitionRow(Struct, frozen=True, kw_only=True):
    """One change of state of a spell, with the event that caused it."""

    case_id: str
    seq: int
    spell: int
    machine: str
    before: str
    after: str
    at: str
    cause: str
    detail: str | None


class AttributionRow(Struct, kw_only=True):
    """Who was named for a case, by what source, and for how long looks in a row found the same.

    Not frozen: later looks make a row longer while a pack is collected.

    The address of another provider is left out: where a case went is not for the provider that it left.
    `unknown` says why a source names nobody: it is silent, lists no such AS, or contradicts itself.
    """

    case_id: str
    spell: int
    source: str
    provider: str | None
    role: str
    method: str
    address: str | None
    online: bool | None
    first_at: str
    last_at: str
    looks: int
    first_event: str
    last_event: str
    reseller: str | None = None
    unknown: str | None = None


class CorrectionRow(Struct, frozen=True, kw_only=True):
    """One correction; what it corrects is still in the log."""

    case_id: str
    event_id: str
    at: str
    kind: str
    actor: str
    reason: str | None
    provider: str | None
    method: str | None
    effective_from: str | None


class HoldRow(Struct, frozen=True, kw_only=True):
    """One hold of an authority: the norm paused from `placed_at` to `ended_at`."""

    case_id: str
    event_id: str
    placed_at: str
    expires_at: str
    ended_at: str | None
    ended_by: str | None
    actor: str
    reason: str
    lifted_by: str | None
    lifted_reason: str | None


Row = (
    SpellRow
    | NoticeRow
    | FateRow
    | EscalationRow
    | LookRow
    | TransitionRow
    | AttributionRow
    | CorrectionRow
    | HoldRow
)

TABLES: dict[str, type[Struct]] = {
    "spells": SpellRow,
    "notices": NoticeRow,
    "fates": FateRow,
    "escalations": EscalationRow,
    "looks": LookRow,
    "transitions": TransitionRow,
    "attribution": AttributionRow,
    "corrections": CorrectionRow,
    "holds": HoldRow,
}
