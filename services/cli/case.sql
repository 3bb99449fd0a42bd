-- What the command `case` reads. No statement but `sealed_url` touches a sealed column.

-- name: list_cases
-- The last spell of each case; where a filter asks for what was decided ($7, $8), every spell that fits.
-- What can still be done comes first: running clocks by their deadline, then what ran out unseen, then history,
-- the newest first. $6 is the instant of the question; the rest of `$8` repeats the exporter's `undecided`.
SELECT
    c.case_id, c.category, s.provider, s.spell, s.presence, s.clock, s.clock_started_at, s.deadline,
    s.known_online_at, s.breached_at, s.removed_lower, s.removed_upper, s.returns, c.last_event_time,
    count(*) OVER () AS cases
FROM cases AS c
JOIN spells AS s ON s.case_id = c.case_id
WHERE ($1::text IS NULL OR s.provider = $1)
    AND ($2::text IS NULL OR s.clock = $2)
    AND ($3::text IS NULL OR s.presence = $3)
    AND ($4::text IS NULL OR c.category = $4)
    AND ($5::interval IS NULL OR (s.clock = 'RUNNING' AND s.deadline > $6 AND s.deadline <= $6 + $5))
    AND ($7::timestamptz IS NULL OR (s.clock = 'BREACHED' AND s.breached_at >= $7
        AND NOT coalesce(s.excluded = ANY($10::text[]), false)))
    AND (NOT $8::boolean OR (
        s.clock_started_at IS NOT NULL AND s.deadline <= $6 AND s.clock NOT IN ('WITHIN', 'BREACHED')
        AND NOT coalesce(s.excluded = 'gone_before_notice' AND s.removed_upper <= s.deadline, false)
        AND NOT coalesce(s.excluded = ANY($10::text[]), false)
    ))
    AND (
        $7::timestamptz IS NOT NULL OR $8
        OR s.spell = (SELECT max(spell) FROM spells WHERE spells.case_id = c.case_id)
    )
ORDER BY
    s.clock = 'RUNNING' DESC,
    s.clock = 'RUNNING' AND s.deadline > $6::timestamptz DESC,
    CASE WHEN s.clock = 'RUNNING' AND s.deadline > $6 THEN s.deadline END,
    s.deadline DESC NULLS LAST,
    c.case_id
LIMIT $9::bigint;

-- name: known_providers
SELECT provider FROM spells WHERE provider IS NOT NULL
UNION
SELECT provider FROM notices WHERE provider IS NOT NULL
ORDER BY provider;

-- name: known_categories
SELECT DISTINCT category FROM cases ORDER BY category;

-- name: last_hold
-- The newest word on a hold.
SELECT kind, expires_at FROM corrections
WHERE case_id = $1 AND kind IN ('hold_placed', 'hold_lifted')
ORDER BY event_time DESC, event_id DESC LIMIT 1;

-- name: case_head
SELECT case_id, category, reported_at, retracted, not_measurable, last_event_time
FROM cases WHERE case_id = $1;

-- name: case_spells
SELECT
    spell, provider, opened_at, closed_at, closed_reason, procedure, presence, clock, clock_started_at,
    clock_started_from, deadline, excluded, first_online_at, known_online_at, breached_at, removed_lower, removed_upper,
    removed_layer, returns, looks, undetermined, missed
FROM spells WHERE case_id = $1 ORDER BY spell;

-- name: case_transitions
SELECT seq, at, spell, machine, before, after, detail, cause
FROM transitions WHERE case_id = $1 ORDER BY seq;

-- name: case_looks
-- The newest; addresses are left out, they are evidence for a provider and not for a terminal.
SELECT * FROM (
    SELECT
        event_time, vantage, tick, started_at, finished_at,
        CASE WHEN missed THEN 'missed' ELSE verdict END AS verdict, layer, reason, method
    FROM looks WHERE case_id = $1 ORDER BY event_time DESC, event_id DESC LIMIT $2
) AS newest ORDER BY event_time;

-- name: case_notices
-- `conflict`: another notice of the same id has another content, and is not later; the first one holds.
SELECT
    n.notice_id, n.provider, n.channel, n.sent_at, n.delivered_at, n.failed_at, n.failure, n.acknowledged_at, n.fault,
    n.failure_status, n.delayed_at, n.contact,
    EXISTS (
        SELECT FROM notices AS other
        WHERE other.case_id = n.case_id AND other.notice_id = n.notice_id AND other.sent_at <= n.sent_at
            AND (other.provider, other.channel, other.sent_at) IS DISTINCT FROM (n.provider, n.channel, n.sent_at)
    ) AS conflict
FROM notices AS n WHERE n.case_id = $1 ORDER BY n.sent_at, n.notice_id;

-- name: case_escalations
SELECT event_time AS at, rung AS "to", channel, notice_id, actor, reason
FROM escalations WHERE case_id = $1 ORDER BY event_time, event_id;

-- name: case_corrections
SELECT event_time, kind, actor, reason, provider, method, effective_from, expires_at, source
FROM corrections WHERE case_id = $1 ORDER BY event_time, event_id;

-- name: case_claims
SELECT event_time, claimant, status, seen_online_at, gone_earliest, gone_at, source
FROM claims WHERE case_id = $1 ORDER BY event_time, event_id;

-- name: sealed_url
SELECT sealed_url FROM cases WHERE case_id = $1;
