-- A clock that starts with a date, or in the hour that comes twice, starts within a span: this is its beginning.
-- Null where the start is an instant, as in all rows from before.
ALTER TABLE spells ADD COLUMN clock_started_from timestamptz;
COMMENT ON COLUMN spells.clock_started_from IS 'The first instant at which the clock may have started; clock_started_at is the last.';

-- An import asks for the cases of its references: reports are few among the looks, and a scan of all would not end.
CREATE INDEX events_references ON events ((body ->> 'reference'))
    WHERE type = 'takedown.report.filed.v1' AND body ? 'reference';

-- What other systems say of a case and nobody here has seen, for readers that may not see the bodies of events.
CREATE VIEW claims AS
SELECT
    case_id,
    event_id,
    event_time,
    body ->> 'claimant' AS claimant,
    body ->> 'status' AS status,
    (body ->> 'seen_online_at')::timestamptz AS seen_online_at,
    (body ->> 'gone_earliest')::timestamptz AS gone_earliest,
    (body ->> 'gone_at')::timestamptz AS gone_at,
    source
FROM events
WHERE type = 'takedown.claim.stated.v1';

DO $$
DECLARE
    grants CONSTANT text[][] := ARRAY[
        ['takedown_ledger', 'SELECT ON claims'],
        ['takedown_exporter', 'SELECT ON claims'],
        ['takedown_reader', 'SELECT ON claims']
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
