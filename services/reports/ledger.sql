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

-- name: report_events_corrected
-- The same, and what was said since about what had been then.
SELECT case_id, event_id, event_time, type, source, body
FROM events
WHERE event_time <= $1 OR type IN ('takedown.case.attributed.v1', 'takedown.report.retracted.v1')
ORDER BY case_id, event_id;
