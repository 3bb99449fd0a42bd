-- The exporter's questions to the ledger. Each is one bounded aggregate, whatever the number of spells.
-- Only columns that the role takedown_exporter may read: no sealed URL, no folded state, no body of an event.
-- Labels: a provider or category that is not in the given list counts as `other`, no provider as `unknown`.
-- $1 = cut-off in all queries that judge; the methodology comes as parameters.

-- name: limit_statements
SELECT set_config('statement_timeout', $1, true);

-- name: largest_providers
-- Who fills the places that the watch list leaves.
SELECT provider
FROM spells
WHERE provider IS NOT NULL AND NOT provider = ANY($1::text[])
GROUP BY provider
ORDER BY count(*) DESC, provider
LIMIT $2;

-- name: largest_categories
SELECT category
FROM spells
WHERE NOT category = ANY($1::text[])
GROUP BY category
ORDER BY count(*) DESC, category
LIMIT $2;

-- name: spells
-- Same decisions as in the core (bounds, exposure, stock), in the same order; property tests compare the two.
-- Exposure of a stretch that no removal has closed is added when read: nothing counts on in the ledger. It begins
-- where the last return did, or with the spell.
WITH judged AS (
    SELECT
        CASE
            WHEN s.provider IS NULL THEN 'unknown'
            WHEN s.provider = ANY($2::text[]) THEN s.provider
            ELSE 'other'
        END AS provider,
        CASE WHEN s.category = ANY($3::text[]) THEN s.category ELSE 'other' END AS category,
        s.clock,
        CASE
            WHEN s.excluded = ANY($4::text[]) THEN 'excluded'
            WHEN s.clock_started_at IS NULL THEN 'not_started'
            WHEN $1::timestamptz < s.deadline THEN 'younger_than_norm'
            WHEN s.clock = 'WITHIN' THEN 'within'
            WHEN s.excluded = 'gone_before_notice' AND s.removed_upper <= s.deadline THEN 'within'
            WHEN s.clock = 'BREACHED' THEN 'certain_breaches'
            ELSE 'undecided'
        END AS standing,
        s.excluded IS NOT DISTINCT FROM 'retracted' AS retracted,
        s.first_online_at IS NOT NULL AND s.presence <> 'REMOVED' AS stretch_open,
        s.procedure,
        s.presence IN ('ONLINE', 'RETURNED') AS seen_online,
        s.deadline,
        -- Numbers are compared faster than intervals, a million times over.
        CASE
            WHEN s.clock <> 'RUNNING' OR s.deadline <= $1 THEN 0
            WHEN s.deadline <= $1 + interval '2 hours' THEN 1
            WHEN s.deadline <= $1 + interval '6 hours' THEN 2
            WHEN s.deadline <= $1 + interval '12 hours' THEN 3
            WHEN s.deadline <= $1 + interval '24 hours' THEN 4
            ELSE 5
        END AS time_left,
        s.breached_at > $1 - interval '1 day' AND s.breached_at <= $1 AS of_the_day,
        s.looks,
        s.undetermined,
        s.missed,
        coalesce(n.norm, $7::interval) AS norm,
        s.excluded,
        s.exposure_lower_seconds,
        s.exposure_upper_seconds,
        extract(
            EPOCH FROM s.known_online_at - coalesce(s.last_returned_at, s.first_online_at)
        )::double precision AS open_lower_seconds,
        extract(
            EPOCH FROM least(s.closed_at, $1) - coalesce(s.last_removed_upper, s.removed_upper, s.opened_at)
        )::double precision AS open_upper_seconds
    FROM spells AS s
    LEFT JOIN unnest($5::text[], $6::interval[]) AS n (category, norm) ON n.category = s.category
)

SELECT
    provider,
    category,
    clock,
    standing,
    count(*) AS spells,
    count(*) FILTER (WHERE stretch_open AND procedure <> 'CLOSED' AND NOT retracted) AS online,
    count(*) FILTER (
        WHERE clock = 'RUNNING' AND seen_online AND deadline > $1 AND deadline - $1 < norm / 12
    ) AS due_soon,
    count(*) FILTER (WHERE clock = 'RUNNING' AND deadline <= $1) AS overdue_unverified,
    count(*) FILTER (WHERE time_left = 1) AS left_under_2h,
    count(*) FILTER (WHERE time_left = 2) AS left_under_6h,
    count(*) FILTER (WHERE time_left = 3) AS left_under_12h,
    count(*) FILTER (WHERE time_left = 4) AS left_under_24h,
    count(*) FILTER (WHERE time_left = 5) AS left_later,
    count(*) FILTER (WHERE standing = 'certain_breaches' AND of_the_day) AS breaches_day,
    sum(looks) AS looks,
    sum(undetermined) AS undetermined,
    sum(missed) AS missed,
    count(*) FILTER (WHERE procedure = 'REPORTED' AND excluded IS NULL) AS without_notice,
    coalesce(sum(
        exposure_lower_seconds + CASE WHEN stretch_open THEN greatest(open_lower_seconds, 0.0) ELSE 0.0 END
    ) FILTER (WHERE NOT retracted), 0.0) AS exposure_lower_seconds,
    coalesce(sum(
        exposure_upper_seconds + CASE WHEN stretch_open THEN greatest(open_upper_seconds, 0.0) ELSE 0.0 END
    ) FILTER (WHERE NOT retracted), 0.0) AS exposure_upper_seconds
FROM judged
GROUP BY provider, category, clock, standing;

-- name: removals
-- Bucket i holds bounds[i - 1] < seconds <= bounds[i]; width_bucket alone would close the other end.
-- Seconds are told from the deadline, so that time on hold is not counted and the norm is met exactly. Where the clock
-- started within a span, the upper end is counted from the first instant of it.
SELECT
    r.provider,
    r.category,
    t.side,
    cardinality($8::double precision[]) - width_bucket(-t.seconds, $8::double precision[]) AS bucket,
    count(*) AS removals,
    sum(t.seconds) AS seconds
FROM (
    SELECT
        CASE
            WHEN s.provider IS NULL THEN 'unknown'
            WHEN s.provider = ANY($2::text[]) THEN s.provider
            ELSE 'other'
        END AS provider,
        CASE WHEN s.category = ANY($3::text[]) THEN s.category ELSE 'other' END AS category,
        extract(EPOCH FROM coalesce(n.norm, $7::interval))::double precision AS norm_seconds,
        extract(EPOCH FROM s.removed_lower - s.deadline)::double precision AS lower_seconds,
        extract(
            EPOCH FROM s.removed_upper - s.deadline
                + (s.clock_started_at - coalesce(s.clock_started_from, s.clock_started_at))
        )::double precision AS upper_seconds
    FROM spells AS s
    LEFT JOIN unnest($5::text[], $6::interval[]) AS n (category, norm) ON n.category = s.category
    WHERE s.removed_lower IS NOT NULL
        AND s.removed_upper > coalesce(s.clock_started_from, s.clock_started_at)
        AND s.removed_upper <= $1::timestamptz
        AND NOT coalesce(s.excluded = ANY($4::text[]), false)
) AS r
CROSS JOIN LATERAL (
    VALUES
        ('lower', greatest(r.norm_seconds + r.lower_seconds, 0.0)),
        ('upper', greatest(r.norm_seconds + r.upper_seconds, 0.0))
) AS t (side, seconds)
GROUP BY 1, 2, 3, 4;

-- name: outcomes
-- Append-only, so these only grow: a restart or a replay never counts twice.
SELECT
    CASE
        WHEN provider IS NULL THEN 'unknown'
        WHEN provider = ANY($1::text[]) THEN provider
        ELSE 'other'
    END AS provider,
    CASE WHEN category = ANY($2::text[]) THEN category ELSE 'other' END AS category,
    type,
    count(*) AS recorded,
    count(voided_at) AS voided
FROM outcomes
GROUP BY 1, 2, 3;

-- name: newest_outcomes
-- The newest case behind each count, where it is of the last day: what an officer opens first.
SELECT DISTINCT ON (1, 2, 3)
    CASE
        WHEN provider IS NULL THEN 'unknown'
        WHEN provider = ANY($1::text[]) THEN provider
        ELSE 'other'
    END AS provider,
    CASE WHEN category = ANY($2::text[]) THEN category ELSE 'other' END AS category,
    type,
    case_id,
    at
FROM outcomes
WHERE at > $3::timestamptz - interval '1 day' AND at <= $3 AND voided_at IS NULL
ORDER BY 1, 2, 3, at DESC, case_id;

-- name: notices
-- Same decision as services.core.stock.notice_state; a property test compares the two.
SELECT
    CASE
        WHEN provider IS NULL THEN 'unknown'
        WHEN provider = ANY($1::text[]) THEN provider
        ELSE 'other'
    END AS provider,
    CASE
        WHEN failed_at IS NOT NULL THEN 'failed'
        WHEN acknowledged_at IS NOT NULL THEN 'acknowledged'
        WHEN delivered_at IS NOT NULL THEN 'delivered'
        ELSE 'sent'
    END AS state,
    count(*) AS notices
FROM notices
GROUP BY 1, 2;

-- name: progress
SELECT
    topic,
    max(event_time) AS event_time,
    max(updated_at) AS committed_at
FROM consumer_offsets
GROUP BY topic;
