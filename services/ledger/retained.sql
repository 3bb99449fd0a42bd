-- What retention asks of the ledger, once an hour.

-- name: quiet_cases
-- Of a million cases this reads all rows, in seconds; an index on a time that every look moves would cost each look.
SELECT case_id, state, sealed_url
FROM cases
WHERE sealed_url IS NOT NULL AND last_event_time <= $1;
