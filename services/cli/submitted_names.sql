-- What `submit` compares names with: those that the ledger knows. Nothing here touches a sealed column.

-- name: known_names
SELECT 'provider' AS kind, provider AS name FROM spells WHERE provider IS NOT NULL
UNION
SELECT 'category', category FROM spells
UNION
SELECT 'channel', coalesce(body ->> 'channel', 'email') FROM events WHERE type = 'takedown.notice.sent.v1';

-- name: cases_there
-- A case that only notices made was reported by nobody, however many of them there are.
SELECT case_id FROM cases WHERE case_id = ANY($1::text[]) AND reported_at IS NOT NULL;

-- name: notices_there
SELECT
    case_id,
    event_id,
    body ->> 'notice_id' AS notice_id,
    body ->> 'provider' AS provider,
    coalesce(body ->> 'channel', 'email') AS channel,
    event_time AS sent_at
FROM events
WHERE case_id = ANY($1::text[]) AND type = 'takedown.notice.sent.v1';
