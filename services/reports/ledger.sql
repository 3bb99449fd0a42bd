-- What reports read from the ledger. Both run through a cursor in one snapshot.

-- name: report_states
-- The folded cases, as they stand.
SELECT state FROM cases ORDER BY case_id;

-- name: report_events
-- The evidence up to an instant, case by case: the primary key's own order, so that nothing is sorted.
SELECT case_id, event_id, event_time, type, source, body
FROM events
WHERE event_time <= $1
ORDER BY case_id, event_id;
