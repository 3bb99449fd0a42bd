-- The exporter's questions to the ledger. Each is one bounded aggregate over the cases of some buckets.
-- Only columns that the role takedown_exporter may read: no sealed URL, no folded state, no body of an event.
-- A bucket is a range of case ids: the exporter keeps the sums of each and asks again only for those that changed.
-- Providers and categories come as they are; which of them are labels is decided when the sums are put together.
-- $1, $2, $3 = numbers of buckets, their first ids, and the first ids beyond them. $4 = cut-off.

-- name: limit_statements
-- Some thousand groups are hashed, whatever the planner makes of expressions; sorting a million rows takes seconds.
-- It also takes a range of ids for a ninth of the table: OFFSET 0 and no sequential scan make it go by the index.
SELECT
    set_config('statement_timeout', $1, true),
    set_config('work_mem', '32MB', true),
    set_config('enable_sort', 'off', true),
    set_config('enable_seqscan', 'off', true);

-- name: identity
-- What the kept sums are of: another server, a restart or other tables, as after a replay was promoted, begin anew.
SELECT
    pg_postmaster_start_time()::text AS started,
    pg_relation_filenode('spells') AS spells,
    pg_relation_filenode('events') AS events,
    pg_relation_filenode('outcomes') AS outcomes,
    pg_relation_size('spells') AS size,
    now() AS now;

-- name: populated
-- What ids begin with: worth asking of a small ledger, where most have not.
SELECT left(case_id, 3) AS beginning FROM spells
UNION
SELECT left(case_id, 3) FROM outcomes
UNION
SELECT left(case_id, 3) FROM events WHERE type = 'takedown.notice.sent.v1';

-- name: arrivals
-- How many events of each bucket arrived in each minute. No row of the ledger changes without an event of its case in
-- the same transaction, so that a count that has grown names the bucket that has changed.
-- By the beginnings of ids, of which each is in one bucket: width_bucket reads the whole array for each row.
-- $1 = since when, $2 = what the types begin with.
SELECT
    left(case_id, 3) AS beginning,
    date_trunc('minute', ingested_at) AS minute,
    count(*) AS events
FROM events
WHERE ingested_at >= $1::timestamptz AND starts_with(type, $2::text)
GROUP BY 1, 2;

-- name: spells
-- Same decisions as in the core (bounds, exposure, stock), in the same order; property tests compare the two.
-- Exposure of a stretch that no removal has closed is added when read: nothing counts on in the ledger. It begins
-- where the last return did, or with the spell; `growing` counts the stretches whose upper end moves with the clock.
-- `waits` is the condition of `waiting_cases` in the commands' notices.sql: no notice arrived, though one may have failed.
-- `without_notice` is another count: those to which none was sent, gone or not.
-- `next_change`: until then nothing but that end depends on the cut-off. Exposure is in microseconds.
WITH judged AS (
    SELECT
        b.bucket,
        s.provider,
        s.category,
        s.clock,
        CASE
            WHEN s.excluded = ANY($5::text[]) THEN 'excluded'
            WHEN s.clock_started_at IS NULL THEN 'not_started'
            WHEN $4::timestamptz < s.deadline THEN 'younger_than_norm'
            WHEN s.clock = 'WITHIN' THEN 'within'
            WHEN s.excluded = 'gone_before_notice' AND s.removed_upper <= s.deadline THEN 'within'
            WHEN s.clock = 'BREACHED' THEN 'certain_breaches'
            ELSE 'undecided'
        END AS standing,
        s.excluded IS NOT DISTINCT FROM 'retracted' AS retracted,
        s.first_online_at IS NOT NULL AND s.presence <> 'REMOVED' AS stretch_open,
        s.procedure,
        s.clock = 'RUNNING' AS running,
        s.presence IN ('ONLINE', 'RETURNED') AS seen_online,
        s.deadline,
        s.deadline - coalesce(n.norm, $8::interval) / 12 AS due_soon_from,
        s.breached_at,
        s.removed_upper,
        s.closed_at,
        s.closed_at IS NULL AND s.clock_started_at IS NULL AND s.excluded IS NULL AND s.presence <> 'REMOVED' AS waits,
        s.looks,
        s.undetermined,
        s.missed,
        s.excluded,
        s.exposure_lower_seconds,
        s.exposure_upper_seconds,
        s.known_online_at - coalesce(s.last_returned_at, s.first_online_at) AS open_lower,
        coalesce(s.last_removed_upper, s.removed_upper, s.opened_at) AS open_from
    FROM unnest($1::integer[], $2::text[], $3::text[]) AS b (bucket, first_id, beyond)
    CROSS JOIN LATERAL (
        SELECT * FROM spells WHERE case_id >= b.first_id AND case_id < b.beyond OFFSET 0
    ) AS s
    LEFT JOIN unnest($6::text[], $7::interval[]) AS n (category, norm) ON n.category = s.category
)

SELECT
    bucket,
    provider,
    category,
    clock,
    standing,
    count(*) AS spells,
    count(*) FILTER (WHERE stretch_open AND procedure <> 'CLOSED' AND NOT retracted) AS online,
    count(*) FILTER (
        WHERE running AND seen_online AND deadline > $4 AND due_soon_from < $4
    ) AS due_soon,
    count(*) FILTER (WHERE running AND deadline <= $4) AS overdue_unverified,
    count(*) FILTER (
        WHERE running AND deadline > $4 AND deadline <= $4 + interval '2 hours'
    ) AS left_under_2h,
    count(*) FILTER (
        WHERE running AND deadline > $4 + interval '2 hours' AND deadline <= $4 + interval '6 hours'
    ) AS left_under_6h,
    count(*) FILTER (
        WHERE running AND deadline > $4 + interval '6 hours' AND deadline <= $4 + interval '12 hours'
    ) AS left_under_12h,
    count(*) FILTER (
        WHERE running AND deadline > $4 + interval '12 hours' AND deadline <= $4 + interval '24 hours'
    ) AS left_under_24h,
    count(*) FILTER (WHERE running AND deadline > $4 + interval '24 hours') AS left_later,
    count(*) FILTER (
        WHERE standing = 'certain_breaches' AND breached_at > $4 - interval '1 day' AND breached_at <= $4
    ) AS breaches_day,
    sum(looks) AS looks,
    sum(undetermined) AS undetermined,
    sum(missed) AS missed,
    count(*) FILTER (WHERE procedure = 'REPORTED' AND excluded IS NULL) AS without_notice,
    count(*) FILTER (WHERE waits) AS waiting,
    round(1e6 * (
        coalesce(sum(exposure_lower_seconds) FILTER (WHERE NOT retracted), 0.0)
        + date_part('epoch', coalesce(
            sum(greatest(open_lower, interval '0')) FILTER (WHERE stretch_open AND NOT retracted), interval '0'
        ))
    ))::bigint AS exposure_lower,
    round(1e6 * (
        coalesce(sum(exposure_upper_seconds) FILTER (WHERE NOT retracted), 0.0)
        + date_part('epoch', coalesce(
            sum(greatest(least(closed_at, $4) - open_from, interval '0')) FILTER (WHERE stretch_open AND NOT retracted),
            interval '0'
        ))
    ))::bigint AS exposure_upper,
    count(*) FILTER (
        WHERE stretch_open AND NOT retracted AND open_from <= $4 AND (closed_at IS NULL OR closed_at > $4)
    ) AS growing,
    least(
        min(deadline) FILTER (WHERE deadline > $4),
        min(deadline - interval '24 hours') FILTER (WHERE running AND deadline > $4 + interval '24 hours'),
        min(deadline - interval '12 hours') FILTER (WHERE running AND deadline > $4 + interval '12 hours'),
        min(deadline - interval '6 hours') FILTER (WHERE running AND deadline > $4 + interval '6 hours'),
        min(deadline - interval '2 hours') FILTER (WHERE running AND deadline > $4 + interval '2 hours'),
        min(due_soon_from) FILTER (WHERE running AND due_soon_from >= $4),
        min(breached_at) FILTER (WHERE breached_at > $4),
        min(breached_at + interval '1 day') FILTER (WHERE breached_at > $4 - interval '1 day'),
        min(removed_upper) FILTER (WHERE removed_upper > $4),
        min(closed_at) FILTER (WHERE closed_at > $4),
        min(open_from) FILTER (WHERE open_from > $4)
    ) AS next_change
FROM judged
GROUP BY bucket, provider, category, clock, standing;

-- name: removals
-- Bucket i of a histogram holds bounds[i - 1] < seconds <= bounds[i]; width_bucket alone would close the other end.
-- Seconds are told from the deadline, so that time on hold is not counted and the norm is met exactly. Where the clock
-- started within a span, the upper end is counted from the first instant of it.
SELECT
    r.bucket,
    r.provider,
    r.category,
    t.side,
    cardinality($9::double precision[]) - width_bucket(-t.seconds, $9::double precision[]) AS ends,
    count(*) AS removals,
    round(1e6 * sum(t.seconds))::bigint AS microseconds
FROM (
    SELECT
        b.bucket,
        s.provider,
        s.category,
        date_part('epoch', coalesce(n.norm, $8::interval)) AS norm_seconds,
        date_part('epoch', s.removed_lower - s.deadline) AS lower_seconds,
        date_part(
            'epoch',
            s.removed_upper - s.deadline
            + (s.clock_started_at - coalesce(s.clock_started_from, s.clock_started_at))
        ) AS upper_seconds
    FROM unnest($1::integer[], $2::text[], $3::text[]) AS b (bucket, first_id, beyond)
    CROSS JOIN LATERAL (
        SELECT * FROM spells WHERE case_id >= b.first_id AND case_id < b.beyond OFFSET 0
    ) AS s
    LEFT JOIN unnest($6::text[], $7::interval[]) AS n (category, norm) ON n.category = s.category
    WHERE s.removed_lower IS NOT NULL
        AND s.removed_upper > coalesce(s.clock_started_from, s.clock_started_at)
        AND s.removed_upper <= $4::timestamptz
        AND NOT coalesce(s.excluded = ANY($5::text[]), false)
) AS r
CROSS JOIN LATERAL (
    VALUES
        ('lower', greatest(r.norm_seconds + r.lower_seconds, 0.0)),
        ('upper', greatest(r.norm_seconds + r.upper_seconds, 0.0))
) AS t (side, seconds)
GROUP BY 1, 2, 3, 4, 5;

-- name: outcomes
-- Append-only, so these only grow: a restart or a replay never counts twice.
-- `next_change`: an outcome of a clock ahead of ours is of the day once the cut-off has reached it.
SELECT
    b.bucket,
    o.provider,
    o.category,
    o.type,
    count(*) AS recorded,
    count(o.voided_at) AS voided,
    min(o.at) FILTER (WHERE o.at > $4::timestamptz) AS next_change
FROM unnest($1::integer[], $2::text[], $3::text[]) AS b (bucket, first_id, beyond)
CROSS JOIN LATERAL (
    SELECT * FROM outcomes WHERE case_id >= b.first_id AND case_id < b.beyond OFFSET 0
) AS o
GROUP BY b.bucket, o.provider, o.category, o.type;

-- name: newest_outcomes
-- The newest case behind each count of a bucket, where it is of the last day: what an officer opens first.
SELECT DISTINCT ON (b.bucket, o.provider, o.category, o.type)
    b.bucket,
    o.provider,
    o.category,
    o.type,
    o.case_id,
    o.at
FROM unnest($1::integer[], $2::text[], $3::text[]) AS b (bucket, first_id, beyond)
CROSS JOIN LATERAL (
    SELECT * FROM outcomes WHERE case_id >= b.first_id AND case_id < b.beyond OFFSET 0
) AS o
WHERE o.at > $4::timestamptz - interval '1 day' AND o.at <= $4 AND o.voided_at IS NULL
ORDER BY b.bucket, o.provider, o.category, o.type, o.at DESC, o.case_id;

-- name: notices
-- Same decision as services.core.stock.notice_state; a property test compares the two. One row counts one notice about
-- one case; a delay counts while nothing better or worse is known. Of the notices with one id the first holds, and a
-- later one that contradicts it is no notice.
-- $4 = since when they were sent, $5 = of which provider; NULL is all.
SELECT
    b.bucket,
    n.provider,
    n.channel,
    CASE
        WHEN n.failed_at IS NOT NULL THEN 'failed'
        WHEN n.acknowledged_at IS NOT NULL THEN 'acknowledged'
        WHEN n.delivered_at IS NOT NULL THEN 'delivered'
        ELSE 'sent'
    END AS state,
    count(*) AS notices,
    count(*) FILTER (
        WHERE n.failed_at IS NULL AND (n.delivered_at IS NOT NULL OR n.acknowledged_at IS NOT NULL)
    ) AS arrived,
    count(*) FILTER (WHERE n.failed_at IS NULL AND n.acknowledged_at IS NOT NULL) AS acknowledged,
    count(*) FILTER (
        WHERE n.delayed_at IS NOT NULL
            AND n.failed_at IS NULL AND n.delivered_at IS NULL AND n.acknowledged_at IS NULL
    ) AS delayed,
    count(*) FILTER (WHERE n.fault = 'theirs') AS theirs,
    count(*) FILTER (WHERE n.fault = 'ours') AS ours,
    count(*) FILTER (WHERE n.fault = 'way') AS way,
    count(*) FILTER (WHERE n.fault = 'unclear') AS unclear
FROM unnest($1::integer[], $2::text[], $3::text[]) AS b (bucket, first_id, beyond)
CROSS JOIN LATERAL (
    SELECT DISTINCT ON (case_id, notice_id) * FROM notices
    WHERE case_id >= b.first_id AND case_id < b.beyond
    ORDER BY case_id, notice_id, sent_at, event_id
) AS n
WHERE ($4::timestamptz IS NULL OR n.sent_at >= $4) AND ($5::text IS NULL OR n.provider = $5)
GROUP BY 1, 2, 3, 4;

-- name: progress
SELECT
    topic,
    max(event_time) AS event_time,
    max(updated_at) AS committed_at
FROM consumer_offsets
GROUP BY topic;
