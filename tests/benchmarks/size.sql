-- How the benchmark of the ledger's size fills a ledger, and what it asks the server about its work.
-- One case was written by the ledger itself; here it is written again under other names, in the order of arrival.
-- The names lie in no order, as keyed ones do, so that the indexes grow as they would.

-- name: multiply_cases
INSERT INTO cases
SELECT md5(number::text), category, reported_at, retracted, not_measurable, sealed_url,
    overlay(state PLACING convert_to(md5(number::text), 'UTF8') FROM position(convert_to($1, 'UTF8') IN state)),
    transitions, last_event_time, last_event_id
FROM generate_series(1, $2::integer) AS number, cases WHERE case_id = $1;

-- name: multiply_spells
INSERT INTO spells
SELECT md5(number::text), spell, provider, category, opened_at, closed_at, closed_reason, procedure, presence, clock,
    clock_started_at, deadline, excluded, first_online_at, known_online_at, breached_at, removed_lower, removed_upper,
    removed_layer, returns, looks, undetermined, missed, exposure_lower_seconds, exposure_upper_seconds
FROM generate_series(1, $2::integer) AS number, spells WHERE case_id = $1;

-- name: multiply_transitions
INSERT INTO transitions
SELECT md5(number::text), seq, spell, machine, before, after, at, cause, detail
FROM generate_series(1, $2::integer) AS number, transitions WHERE case_id = $1;

-- name: multiply_outcomes
INSERT INTO outcomes (outcome_id, case_id, spell, type, provider, category, at)
SELECT md5(number || outcome_id::text)::uuid, md5(number::text), spell, type, provider, category, at
FROM generate_series(1, $2::integer) AS number, outcomes WHERE case_id = $1;

-- name: multiply_events
INSERT INTO events (case_id, event_id, event_time, type, source, body)
SELECT md5(number::text), md5(number || event_id::text)::uuid, event_time, type, source, body
FROM generate_series(1, $2::integer) AS number, events WHERE case_id = $1;

-- name: by_index
-- Whatever stands in memory after a while of looks: read once, through the indexes that looks take.
SET enable_seqscan = off; SET enable_bitmapscan = off; SET max_parallel_workers_per_gather = 0; SET statement_timeout = 0;

-- name: as_before
RESET enable_seqscan; RESET enable_bitmapscan; RESET max_parallel_workers_per_gather; SET statement_timeout = '60s';

-- name: touch_cases
SELECT sum(length(state)) FROM (SELECT state FROM cases ORDER BY case_id) AS found;

-- name: touch_spells
SELECT sum(looks) FROM (SELECT looks FROM spells ORDER BY case_id, spell) AS found;

-- name: touch_events
SELECT count(event_id) FROM (SELECT event_id FROM events ORDER BY case_id, event_id) AS found;

-- name: bare_cases
-- The least that a look writes: its case, its spell and its event, each by key.
UPDATE cases SET last_event_time = $2 WHERE case_id = ANY($1);

-- name: bare_spells
UPDATE spells SET looks = looks + 1 WHERE case_id = ANY($1);

-- name: bare_events
INSERT INTO events (case_id, event_id, event_time, type, source, body)
SELECT case_id, gen_random_uuid(), $2, 'bench', 'bench', $3 FROM unnest($1::text[]) AS case_id;

-- name: log_written
-- By the whole server; what a session did is told after its next flush.
SELECT wal_bytes::float8 AS bytes, wal_fpi::float8 AS pages FROM pg_stat_wal;
