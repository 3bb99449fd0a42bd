-- What the benchmark of the exporter does to its ledger, and what it compares with.

-- name: change
-- So many cases have one look more.
WITH chosen AS (
    SELECT case_id, spell FROM spells WHERE case_id > md5(random()::text) ORDER BY case_id LIMIT 1
), picked AS (
    SELECT s.case_id FROM generate_series(1, $1::integer) AS number
    CROSS JOIN LATERAL (
        SELECT case_id FROM spells WHERE case_id >= md5(number || (SELECT case_id FROM chosen)) ORDER BY case_id LIMIT 1
    ) AS s
), looked AS (
    INSERT INTO events (case_id, event_id, event_time, type, source, body)
    SELECT case_id, gen_random_uuid(), now(), 'takedown.look.made.v1', 'bench', '{}' FROM picked
)
UPDATE spells SET looks = looks + 1 WHERE case_id IN (SELECT case_id FROM picked);

-- name: one_pass
-- All spells in one pass, as the exporter read them before: grouped by what is judged, with two sums of intervals.
SELECT
    provider,
    category,
    clock,
    $1::timestamptz < deadline AS younger,
    count(*) AS spells,
    sum(looks) AS looks,
    sum(undetermined) AS undetermined,
    sum(missed) AS missed,
    count(*) FILTER (WHERE clock = 'RUNNING' AND deadline <= $1) AS overdue,
    sum(extract(EPOCH FROM known_online_at - first_online_at)) AS open_lower,
    sum(extract(EPOCH FROM least(closed_at, $1) - coalesce(removed_upper, opened_at))) AS open_upper
FROM spells
GROUP BY 1, 2, 3, 4;
