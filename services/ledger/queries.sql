-- Every statement of the ledger, by name. Arrays in, one statement per batch: a row costs microseconds, a round
-- trip a tenth of a millisecond. Rows are locked in the order of their keys.

-- name: claim_partitions
-- Take partitions over: the higher epoch makes every write of the former owner fail.
INSERT INTO consumer_offsets (consumer_group, topic, partition, epoch)
SELECT $1, topic, partition, 1
FROM unnest($2::text[], $3::integer[]) AS claimed (topic, partition)
ORDER BY topic, partition
ON CONFLICT (consumer_group, topic, partition)
    DO UPDATE SET epoch = consumer_offsets.epoch + 1, updated_at = now()
RETURNING topic, partition, next_offset, epoch;

-- name: advance_offsets
-- First statement of a batch: as many rows as partitions, or somebody else owns one of them.
UPDATE consumer_offsets AS o
SET next_offset = x.next_offset,
    event_time = greatest(o.event_time, x.event_time),
    updated_at = now()
FROM unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[], $6::timestamptz[])
    AS x (topic, partition, epoch, next_offset, event_time)
WHERE o.consumer_group = $1 AND o.topic = x.topic AND o.partition = x.partition AND o.epoch = x.epoch;

-- name: note_methodology
INSERT INTO ledger_methodology (id, version, digest) VALUES ($1, $2, $3) ON CONFLICT (singleton) DO NOTHING;

-- name: methodology
SELECT id, version, digest FROM ledger_methodology;

-- name: lock_cases
-- `place` holds to the end of the transaction: nobody moves a row that is locked.
SELECT case_id, state, sealed_url, transitions, ctid AS place
FROM cases WHERE case_id = ANY ($1::text[])
ORDER BY case_id
FOR NO KEY UPDATE;

-- name: insert_events
INSERT INTO events (case_id, event_id, event_time, type, source, body)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::jsonb[])
ON CONFLICT (case_id, event_id) DO NOTHING
RETURNING case_id, event_id;

-- name: known_events
SELECT e.case_id, e.event_id, e.event_time, e.type, e.source, e.body::text AS body
FROM events AS e
JOIN unnest($1::text[], $2::uuid[]) AS x (case_id, event_id) USING (case_id, event_id);

-- name: log_of_cases
SELECT case_id, event_id, event_time, type, source, body::text AS body
FROM events WHERE case_id = ANY ($1::text[]);

-- name: insert_cases
INSERT INTO cases (
    case_id, category, reported_at, retracted, not_measurable, sealed_url, state, transitions,
    last_event_time, last_event_id
)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::timestamptz[], $4::boolean[], $5::text[], $6::text[], $7::bytea[], $8::integer[],
    $9::timestamptz[], $10::uuid[]
)
ON CONFLICT (case_id) DO NOTHING
RETURNING case_id;

-- name: update_cases
UPDATE cases AS c
SET category = x.category,
    reported_at = x.reported_at,
    retracted = x.retracted,
    not_measurable = x.not_measurable,
    sealed_url = x.sealed_url,
    state = x.state,
    transitions = x.transitions,
    last_event_time = x.last_event_time,
    last_event_id = x.last_event_id
FROM unnest(
    $1::text[], $2::text[], $3::timestamptz[], $4::boolean[], $5::text[], $6::text[], $7::bytea[], $8::integer[],
    $9::timestamptz[], $10::uuid[]
) AS x (
    case_id, category, reported_at, retracted, not_measurable, sealed_url, state, transitions,
    last_event_time, last_event_id
)
WHERE c.case_id = x.case_id;

-- name: extend_cases
-- A later look changes nothing else of a case. By place: among a million cases a second way down the index costs the
-- server a seventh of all that it does for a look.
UPDATE cases AS c
SET state = x.state,
    transitions = x.transitions,
    last_event_time = x.last_event_time,
    last_event_id = x.last_event_id
FROM unnest($1::tid[], $2::bytea[], $3::integer[], $4::timestamptz[], $5::uuid[])
    AS x (place, state, transitions, last_event_time, last_event_id)
WHERE c.ctid = x.place;

-- name: upsert_spells
INSERT INTO spells (
    case_id, spell, provider, category, opened_at, closed_at, closed_reason, procedure, presence, clock,
    clock_started_at, deadline, excluded, first_online_at, known_online_at, breached_at, removed_lower,
    removed_upper, removed_layer, returns, looks, undetermined, missed, exposure_lower_seconds,
    exposure_upper_seconds
)
SELECT * FROM unnest(
    $1::text[], $2::integer[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::text[],
    $14::timestamptz[], $15::timestamptz[], $16::timestamptz[], $17::timestamptz[], $18::timestamptz[],
    $19::text[], $20::integer[], $21::integer[], $22::integer[], $23::integer[], $24::double precision[],
    $25::double precision[]
)
ON CONFLICT (case_id, spell) DO UPDATE SET
    provider = excluded.provider,
    category = excluded.category,
    opened_at = excluded.opened_at,
    closed_at = excluded.closed_at,
    closed_reason = excluded.closed_reason,
    procedure = excluded.procedure,
    presence = excluded.presence,
    clock = excluded.clock,
    clock_started_at = excluded.clock_started_at,
    deadline = excluded.deadline,
    excluded = excluded.excluded,
    first_online_at = excluded.first_online_at,
    known_online_at = excluded.known_online_at,
    breached_at = excluded.breached_at,
    removed_lower = excluded.removed_lower,
    removed_upper = excluded.removed_upper,
    removed_layer = excluded.removed_layer,
    returns = excluded.returns,
    looks = excluded.looks,
    undetermined = excluded.undetermined,
    missed = excluded.missed,
    exposure_lower_seconds = excluded.exposure_lower_seconds,
    exposure_upper_seconds = excluded.exposure_upper_seconds;

-- name: delete_later_spells
DELETE FROM spells AS s
USING unnest($1::text[], $2::integer[]) AS x (case_id, spells)
WHERE s.case_id = x.case_id AND s.spell > x.spells;

-- name: delete_transitions
DELETE FROM transitions WHERE case_id = ANY ($1::text[]);

-- name: insert_transitions
INSERT INTO transitions (case_id, seq, spell, machine, before, after, at, cause, detail)
SELECT * FROM unnest(
    $1::text[], $2::integer[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[], $8::uuid[],
    $9::text[]
);

-- name: outcomes_of_cases
SELECT outcome_id, case_id, type, voided_at IS NOT NULL AS voided FROM outcomes WHERE case_id = ANY ($1::text[]);

-- name: insert_outcomes
INSERT INTO outcomes (outcome_id, case_id, spell, type, provider, category, at)
SELECT * FROM unnest(
    $1::uuid[], $2::text[], $3::integer[], $4::text[], $5::text[], $6::text[], $7::timestamptz[]
)
ON CONFLICT (outcome_id) DO NOTHING;

-- name: void_outcomes
UPDATE outcomes SET voided_at = $2 WHERE outcome_id = ANY ($1::uuid[]);

-- name: insert_outbox
INSERT INTO outbox (topic, key, value, headers)
SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::jsonb[]);

-- name: erase_sealed_urls
SELECT erase_sealed_urls($1::text[]);

-- name: try_relay_lock
-- Held to the end of the transaction, so that it works behind PgBouncer too.
SELECT pg_try_advisory_xact_lock($1);

-- name: read_outbox
SELECT id, topic, key, value, headers::text AS headers FROM outbox ORDER BY id LIMIT $1;

-- name: delete_outbox
DELETE FROM outbox WHERE id = ANY ($1::bigint[]);

-- name: count_outbox
SELECT count(*) FROM outbox;

-- name: stream_cases
SELECT case_id, state, sealed_url, transitions FROM cases ORDER BY case_id;

-- name: quiet_cases
-- Asked by retention, once an hour. Of a million cases this reads all rows, in seconds; an index on a time that every
-- look moves would cost each look.
SELECT case_id, state, sealed_url
FROM cases
WHERE sealed_url IS NOT NULL AND last_event_time <= $1;

-- name: transitions_of_cases
SELECT case_id, seq, spell, machine, before, after, at, cause, detail
FROM transitions WHERE case_id = ANY ($1::text[])
ORDER BY case_id, seq;

-- name: spells_of_cases
SELECT * FROM spells WHERE case_id = ANY ($1::text[]) ORDER BY case_id, spell;

-- name: stored_offsets
-- How far the ledger has read: what a command waits for that has sent something.
SELECT topic, partition, next_offset FROM consumer_offsets WHERE consumer_group = $1;

-- name: taken_events
SELECT case_id, event_id
FROM events
JOIN unnest($1::text[], $2::uuid[]) AS asked (case_id, event_id) USING (case_id, event_id);
