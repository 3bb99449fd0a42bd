-- What the command `notices` reads. No statement touches a sealed column.

-- name: sent_notices
SELECT case_id, notice_id, provider, channel, sent_at, contact, message_id
FROM notices WHERE sent_at >= $1
ORDER BY sent_at, notice_id, case_id;

-- name: waiting_cases
-- Open cases whose provider was not told yet, as far as anybody knows: no clock runs, and they are not gone.
-- The exporter's `waits` is the same condition, which it counts by parts of the ledger and keeps.
SELECT provider, count(*) AS waiting
FROM spells
WHERE closed_at IS NULL AND clock_started_at IS NULL AND excluded IS NULL AND presence <> 'REMOVED'
    AND provider IS NOT NULL AND ($1::text IS NULL OR provider = $1)
GROUP BY provider
ORDER BY provider;

-- name: without_clock
SELECT
    case_id, notice_id, provider, channel, sent_at, failed_at, failure AS reason, fault, failure_status AS status,
    contact
FROM notices
WHERE failed_at IS NOT NULL AND sent_at >= $1 AND ($2::text IS NULL OR provider = $2)
ORDER BY failed_at DESC, case_id, notice_id
LIMIT $3::bigint;

-- name: open_cases
-- Cases that were last seen online, with what the ladder needs to know of them.
SELECT s.case_id, s.provider, s.deadline, failed.failed_at, taken.rungs
FROM spells AS s
LEFT JOIN LATERAL (
    SELECT min(n.failed_at) AS failed_at FROM notices AS n
    WHERE n.case_id = s.case_id AND n.provider = s.provider AND n.failed_at IS NOT NULL
) AS failed ON true
LEFT JOIN LATERAL (
    SELECT array_agg(DISTINCT e.body ->> 'to') AS rungs FROM events AS e
    WHERE e.case_id = s.case_id AND e.type = 'takedown.notice.escalated.v1' AND e.event_time >= s.opened_at
) AS taken ON true
WHERE s.closed_at IS NULL AND s.excluded IS NULL AND s.presence IN ('ONLINE', 'RETURNED')
    AND s.clock <> 'ON_HOLD' AND s.provider IS NOT NULL AND ($1::text IS NULL OR s.provider = $1)
ORDER BY s.deadline NULLS LAST, s.case_id;

-- name: escalations
SELECT
    case_id, event_time AS at, body ->> 'to' AS "to", coalesce(body ->> 'channel', 'email') AS channel,
    body ->> 'notice_id' AS notice_id, body ->> 'actor' AS actor, body ->> 'reason' AS reason
FROM events
WHERE type = 'takedown.notice.escalated.v1' AND event_time >= $1
ORDER BY event_time DESC, case_id
LIMIT $2::bigint;

-- name: contact_notices
-- One row for each notice to a contact, whatever the number of its cases.
SELECT
    provider, contact, notice_id, min(sent_at) AS sent_at, min(delivered_at) AS delivered_at,
    min(acknowledged_at) AS acknowledged_at, max(delayed_at) AS delayed_at, min(failed_at) AS failed_at,
    (array_agg(failure ORDER BY failed_at))[1] AS reason, (array_agg(fault ORDER BY failed_at))[1] AS fault,
    (array_agg(failure_status ORDER BY failed_at))[1] AS status
FROM notices
WHERE contact IS NOT NULL AND sent_at >= $1 AND ($2::text IS NULL OR provider = $2)
GROUP BY provider, contact, notice_id
ORDER BY provider, contact, min(sent_at), notice_id;
