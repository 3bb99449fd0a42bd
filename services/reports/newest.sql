-- Up to when the ledger has evidence of any case.

-- name: newest_evidence
SELECT max(last_event_time) AS newest FROM cases;
