-- The id of the event that told of a notice: of two notices with one id the earlier holds, and at one instant the id
-- of the event decides which that is.

-- The columns of before stand first and unchanged, so that readers of before go on.
CREATE OR REPLACE VIEW notices AS
SELECT
    sent.case_id,
    sent.body ->> 'notice_id' AS notice_id,
    sent.body ->> 'provider' AS provider,
    coalesce(sent.body ->> 'channel', 'email') AS channel,
    sent.event_time AS sent_at,
    delivered.event_time AS delivered_at,
    failed.event_time AS failed_at,
    failed.body ->> 'reason' AS failure,
    acknowledged.event_time AS acknowledged_at,
    CASE
        WHEN failed.type IS NULL THEN NULL
        WHEN failed.type = 'takedown.notice.failed.v2' THEN coalesce(failed.body ->> 'fault', 'unclear')
        WHEN failed.body ->> 'reason' IN ('api_error', 'other') THEN 'unclear'
        ELSE 'theirs'
    END AS fault,
    failed.body ->> 'status' AS failure_status,
    delayed.event_time AS delayed_at,
    sent.body ->> 'contact' AS contact,
    sent.body ->> 'message_id' AS message_id,
    sent.event_id
FROM events AS sent
LEFT JOIN LATERAL (
    SELECT min(event_time) AS event_time FROM events AS e
    WHERE e.case_id = sent.case_id AND e.type = 'takedown.notice.delivered.v1'
        AND e.body ->> 'notice_id' = sent.body ->> 'notice_id'
) AS delivered ON true
LEFT JOIN LATERAL (
    SELECT e.type, e.event_time, e.body FROM events AS e
    WHERE e.case_id = sent.case_id AND e.type IN ('takedown.notice.failed.v1', 'takedown.notice.failed.v2')
        AND e.body ->> 'notice_id' = sent.body ->> 'notice_id'
    ORDER BY e.event_time, e.event_id LIMIT 1
) AS failed ON true
LEFT JOIN LATERAL (
    SELECT min(event_time) AS event_time FROM events AS e
    WHERE e.case_id = sent.case_id AND e.type = 'takedown.notice.acknowledged.v1'
        AND e.body ->> 'notice_id' = sent.body ->> 'notice_id'
) AS acknowledged ON true
LEFT JOIN LATERAL (
    SELECT max(event_time) AS event_time FROM events AS e
    WHERE e.case_id = sent.case_id AND e.type = 'takedown.notice.delayed.v1'
        AND e.body ->> 'notice_id' = sent.body ->> 'notice_id'
) AS delayed ON true
WHERE sent.type = 'takedown.notice.sent.v1';
COMMENT ON VIEW notices IS 'One row per notice and case, with what became of it.';
