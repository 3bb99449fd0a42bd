-- What reports read from the ledger, each for the case ids, or the places in the table, from $1 up to, and not with, $2. All that one report reads is of
-- one snapshot of the database, whichever process reads it.

-- name: report_states
-- The folded cases, as they stand, page after page: in the order of ids each range would visit most pages of the table.
SELECT state FROM cases WHERE ctid >= $1 AND ctid < $2;

-- name: report_states_by
-- The folded cases, and whether they have no event after an instant, so that they stood then as they stand now.
SELECT case_id, state, last_event_time <= $3 AS stood
FROM cases
WHERE ctid >= $1 AND ctid < $2;

-- name: report_events
-- The evidence up to an instant, case by case: the primary key's own order, so that nothing is sorted.
SELECT case_id, event_id, event_time, type, source, body
FROM events
WHERE case_id >= $1 AND case_id < $2 AND event_time <= $3
ORDER BY case_id, event_id;

-- name: report_events_corrected
-- The same, and what was said since about what had been then.
SELECT case_id, event_id, event_time, type, source, body
FROM events
WHERE case_id >= $1 AND case_id < $2
    AND (event_time <= $3 OR type IN (
        'takedown.case.attributed.v1', 'takedown.report.retracted.v1', 'takedown.report.retracted.v2'
    ))
ORDER BY case_id, event_id;

-- name: report_events_of
-- The evidence of some cases up to an instant.
SELECT case_id, event_id, event_time, type, source, body
FROM events
WHERE case_id = ANY($1) AND event_time <= $2
ORDER BY case_id, event_id;

-- name: report_events_of_corrected
-- The same, and what was said since about what had been then.
SELECT case_id, event_id, event_time, type, source, body
FROM events
WHERE case_id = ANY($1)
    AND (event_time <= $2 OR type IN (
        'takedown.case.attributed.v1', 'takedown.report.retracted.v1', 'takedown.report.retracted.v2'
    ))
ORDER BY case_id, event_id;

-- name: report_size
-- How many cases and events there are, about: as of the tables' last analysis; and how many pages hold the cases.
SELECT
    pg_relation_size('cases') / current_setting('block_size')::integer AS pages,
    (SELECT reltuples FROM pg_class WHERE oid = to_regclass('cases')) AS cases,
    (SELECT reltuples FROM pg_class WHERE oid = to_regclass('events')) AS events;

-- name: report_later
-- About how many cases have events on both sides of an instant.
SELECT count(*) FROM cases WHERE last_event_time > $1 AND reported_at <= $1;

-- name: export_snapshot
-- Let other processes read what this transaction reads.
SELECT pg_export_snapshot();

-- name: take_snapshot
-- First statement of another process's transaction; {snapshot} is what the first one exported.
SET TRANSACTION SNAPSHOT '{snapshot}';
