-- A reporter takes back its own reports: shown among the corrections, with the reporter as who did it.
CREATE OR REPLACE VIEW corrections AS
SELECT
    case_id,
    event_id,
    event_time,
    CASE
        WHEN type = 'takedown.report.retracted.v2' THEN 'report_retracted_by_reporter'
        ELSE split_part(type, '.', 2) || '_' || split_part(type, '.', 3)
    END AS kind,
    coalesce(body ->> 'actor', body ->> 'reporter') AS actor,
    body ->> 'reason' AS reason,
    body ->> 'provider' AS provider,
    body ->> 'method' AS method,
    (body ->> 'effective_from')::timestamptz AS effective_from,
    (body ->> 'expires_at')::timestamptz AS expires_at,
    source
FROM events
WHERE type IN (
    'takedown.report.retracted.v1',
    'takedown.report.retracted.v2',
    'takedown.case.attributed.v1',
    'takedown.case.erased.v1',
    'takedown.hold.placed.v1',
    'takedown.hold.lifted.v1'
);
