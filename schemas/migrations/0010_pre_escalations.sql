-- Who further was told of a case, for readers that may not see the bodies of events.
CREATE VIEW escalations AS
SELECT
    case_id,
    event_id,
    event_time,
    body ->> 'to' AS rung,
    coalesce(body ->> 'channel', 'email') AS channel,
    body ->> 'notice_id' AS notice_id,
    body ->> 'actor' AS actor,
    body ->> 'reason' AS reason,
    source
FROM events
WHERE type = 'takedown.notice.escalated.v1';
COMMENT ON VIEW escalations IS 'One row per rung that was taken: the provider again, the site owner, the registrar, the police.';

DO $$
DECLARE
    grants CONSTANT text[][] := ARRAY[
        ['takedown_ledger', 'SELECT ON escalations'],
        ['takedown_exporter', 'SELECT ON escalations'],
        ['takedown_reader', 'SELECT ON escalations']
    ];
    i integer;
BEGIN
    FOR i IN 1 .. array_length(grants, 1) LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = grants[i][1]) THEN
            EXECUTE format('GRANT %s TO %I', grants[i][2], grants[i][1]);
        END IF;
    END LOOP;
END
$$;
