-- What an evidence pack and a reconciliation are made from. No sealed URL leaves the database: it is cut from the body.

-- name: cases_of_provider
-- Every case in which a provider was charged, told or named, whatever a methodology makes of it.
SELECT case_id FROM spells WHERE provider = $1
UNION
SELECT case_id FROM events
WHERE type IN ('takedown.notice.sent.v1', 'takedown.report.filed.v1', 'takedown.case.attributed.v1')
    AND body ->> 'provider' = $1
ORDER BY case_id;

-- name: log_until
SELECT case_id, event_id, event_time, type, source, (body - 'sealed_url')::text AS body
FROM events WHERE case_id = ANY ($1::text[]) AND event_time <= $2
ORDER BY case_id, event_time, event_id;
