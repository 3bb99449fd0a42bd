-- The ledger: everything here is derived from the evidence topics and can be dropped and replayed.
-- Times are UTC instants; case_id is the only name of a URL outside `sealed_url`.

-- Which record comes next, per consumer group and partition; `epoch` fences a former owner.
CREATE TABLE consumer_offsets (
    consumer_group text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 0,
    event_time timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, topic, partition)
);

-- The definition that everything here was folded under: one row, written by the first batch.
CREATE TABLE ledger_methodology (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id text NOT NULL,
    version integer NOT NULL,
    digest text NOT NULL
);

-- The log of all evidence, append-only. `body` is the event's data as JSON, its URL sealed.
CREATE TABLE events (
    event_id uuid NOT NULL,
    case_id text COLLATE "C" NOT NULL,
    event_time timestamptz NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    body jsonb NOT NULL,
    ingested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (case_id, event_id)
);
COMMENT ON TABLE events IS 'All evidence; order within a case is (event_time, event_id).';
-- Looks outnumber notices sixty to one: counting notices must not read the looks.
CREATE INDEX events_notices ON events (case_id, type) WHERE type IN (
    'takedown.notice.sent.v1',
    'takedown.notice.delivered.v1',
    'takedown.notice.failed.v1',
    'takedown.notice.acknowledged.v1'
);

-- One row per case: its folded state.
CREATE TABLE cases (
    case_id text COLLATE "C" PRIMARY KEY,
    category text NOT NULL,
    reported_at timestamptz,
    retracted boolean NOT NULL,
    not_measurable text,
    sealed_url text,
    state bytea NOT NULL,
    transitions integer NOT NULL,
    last_event_time timestamptz NOT NULL,
    last_event_id uuid NOT NULL
) WITH (fillfactor = 70);
COMMENT ON COLUMN cases.state IS 'The folded case (MessagePack, without its sealed URL), so that a later look extends it without reading the log.';
COMMENT ON COLUMN cases.transitions IS 'How many rows of transitions the case has: the next one''s seq.';
COMMENT ON COLUMN cases.sealed_url IS 'AES-256-GCM envelope; opening it is an audited act.';

CREATE TABLE spells (
    case_id text COLLATE "C" NOT NULL,
    spell integer NOT NULL,
    provider text,
    category text NOT NULL,
    opened_at timestamptz NOT NULL,
    closed_at timestamptz,
    closed_reason text,
    procedure text NOT NULL,
    presence text NOT NULL,
    clock text NOT NULL,
    clock_started_at timestamptz,
    deadline timestamptz,
    excluded text,
    first_online_at timestamptz,
    known_online_at timestamptz,
    breached_at timestamptz,
    removed_lower timestamptz,
    removed_upper timestamptz,
    removed_layer text,
    returns integer NOT NULL,
    looks integer NOT NULL,
    undetermined integer NOT NULL,
    missed integer NOT NULL,
    exposure_lower_seconds double precision NOT NULL,
    exposure_upper_seconds double precision NOT NULL,
    PRIMARY KEY (case_id, spell)
) WITH (fillfactor = 70);
COMMENT ON COLUMN spells.removed_lower IS 'L of the first confirmed removal: last instant known online.';
COMMENT ON COLUMN spells.removed_upper IS 'R of the first confirmed removal: first look of the run that confirmed it.';
COMMENT ON COLUMN spells.excluded IS 'Why this spell may stand outside n; the methodology decides whether it does.';
CREATE INDEX spells_open_deadline ON spells (deadline) WHERE clock = 'RUNNING';
CREATE INDEX spells_provider ON spells (provider);

-- Every change of state; replaced as a whole for a case whose evidence changed in the past.
CREATE TABLE transitions (
    case_id text COLLATE "C" NOT NULL,
    seq integer NOT NULL,
    spell integer NOT NULL,
    machine text NOT NULL,
    before text NOT NULL,
    after text NOT NULL,
    at timestamptz NOT NULL,
    cause uuid NOT NULL,
    detail text,
    PRIMARY KEY (case_id, seq)
);

-- What was concluded and published; append-only, a correction voids and deletes nothing.
-- recorded_at is the ledger's own time: it differs after a replay, and no figure is made from it.
CREATE TABLE outcomes (
    outcome_id uuid PRIMARY KEY,
    case_id text COLLATE "C" NOT NULL,
    spell integer NOT NULL,
    type text NOT NULL,
    provider text,
    category text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    voided_at timestamptz
);
CREATE INDEX outcomes_case ON outcomes (case_id);

-- Records to publish; written with their effect in one transaction, deleted once the broker has them.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    key text NOT NULL,
    value bytea,
    headers jsonb NOT NULL
);

-- Who opened a sealed URL, when and for what.
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    case_id text NOT NULL,
    purpose text NOT NULL
);

CREATE VIEW looks AS
SELECT
    case_id,
    event_id,
    event_time,
    type = 'takedown.look.missed.v1' AS missed,
    body ->> 'vantage' AS vantage,
    (body ->> 'tick')::timestamptz AS tick,
    (body ->> 'started_at')::timestamptz AS started_at,
    (body ->> 'finished_at')::timestamptz AS finished_at,
    body ->> 'verdict' AS verdict,
    body ->> 'layer' AS layer,
    body ->> 'reason' AS reason,
    body ->> 'method' AS method,
    body -> 'served' AS served,
    body -> 'fingerprint' AS fingerprint
FROM events
WHERE type IN ('takedown.look.made.v1', 'takedown.look.missed.v1');

CREATE VIEW notices AS
SELECT
    sent.case_id,
    sent.body ->> 'notice_id' AS notice_id,
    sent.body ->> 'provider' AS provider,
    coalesce(sent.body ->> 'channel', 'email') AS channel,
    sent.event_time AS sent_at,
    delivered.event_time AS delivered_at,
    failed.event_time AS failed_at,
    failed.body ->> 'reason' AS failure,
    acknowledged.event_time AS acknowledged_at
FROM events AS sent
LEFT JOIN LATERAL (
    SELECT min(event_time) AS event_time FROM events AS e
    WHERE e.case_id = sent.case_id AND e.type = 'takedown.notice.delivered.v1'
        AND e.body ->> 'notice_id' = sent.body ->> 'notice_id'
) AS delivered ON true
LEFT JOIN LATERAL (
    SELECT e.event_time, e.body FROM events AS e
    WHERE e.case_id = sent.case_id AND e.type = 'takedown.notice.failed.v1'
        AND e.body ->> 'notice_id' = sent.body ->> 'notice_id'
    ORDER BY e.event_time LIMIT 1
) AS failed ON true
LEFT JOIN LATERAL (
    SELECT min(event_time) AS event_time FROM events AS e
    WHERE e.case_id = sent.case_id AND e.type = 'takedown.notice.acknowledged.v1'
        AND e.body ->> 'notice_id' = sent.body ->> 'notice_id'
) AS acknowledged ON true
WHERE sent.type = 'takedown.notice.sent.v1';

-- Erasure is the one change of evidence: the sealed URL goes, the timings stay.
-- A function of the owner, so that the ledger's role needs no UPDATE on the log.
CREATE FUNCTION erase_sealed_urls(ids text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE events SET body = body - 'sealed_url'
    WHERE case_id = ANY (ids) AND type = 'takedown.report.filed.v1' AND body ? 'sealed_url';
END;
REVOKE EXECUTE ON FUNCTION erase_sealed_urls(text[]) FROM PUBLIC;
