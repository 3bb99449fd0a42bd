-- Statements that make a shadow the live ledger and back, by name; names in braces as in `shadow.sql`.

-- name: set_logged
ALTER TABLE {shadow}.{table} SET LOGGED;

-- name: move_table
-- The empty table of the schema that what was live goes to makes room for it.
DROP TABLE {before}.{table};
ALTER TABLE {live}.{table} SET SCHEMA {before};
ALTER TABLE {shadow}.{table} SET SCHEMA {live};

-- name: lift_limits
-- Of this transaction: a promotion may read all cases, but waits for the running ledger no longer than a minute.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '60s';

-- name: move_range
UPDATE {shadow}.replay_ranges SET until = $3 WHERE topic = $1 AND partition = $2;

-- name: live_offsets
SELECT topic, partition, next_offset FROM {live}.consumer_offsets WHERE consumer_group = $1;

-- name: live_methodology
SELECT id, version, digest FROM {schema}.ledger_methodology;

-- name: row_grants
-- The rights on a table and on its columns, as statements that give the same on another schema's table.
SELECT format('GRANT %s ON %I.%I TO %s', a.privilege_type, $3::text, c.relname, a.grantee::regrole) AS statement
FROM pg_class AS c, aclexplode(c.relacl) AS a
WHERE c.oid = ($1 || '.' || $2)::regclass AND a.grantee <> c.relowner AND a.grantee <> 0
UNION ALL
SELECT format('GRANT %s (%I) ON %I.%I TO %s', a.privilege_type, t.attname, $3::text, c.relname, a.grantee::regrole)
FROM pg_class AS c JOIN pg_attribute AS t ON t.attrelid = c.oid, aclexplode(t.attacl) AS a
WHERE c.oid = ($1 || '.' || $2)::regclass AND a.grantee <> c.relowner AND a.grantee <> 0;

-- name: columns_of
SELECT attname || ' ' || format_type(atttypid, atttypmod) AS spelled
FROM pg_attribute
WHERE attrelid = ($1 || '.' || $2)::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attname;

-- name: views
-- Everything of the live schema that reads its tables by identity and must be told of new ones.
SELECT format('CREATE OR REPLACE VIEW %I.%I AS %s', n.nspname, c.relname, pg_get_viewdef(c.oid)) AS statement
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'v'
UNION ALL
SELECT pg_get_functiondef(p.oid)
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = $1 AND p.prosqlbody IS NOT NULL;

-- name: lock_live
LOCK TABLE {live}.consumer_offsets, {live}.cases, {live}.spells, {live}.transitions, {live}.outcomes,
    {live}.events, {live}.ledger_methodology IN ACCESS EXCLUSIVE MODE;

-- name: fence_live
-- The running consumer's next batch fails its epoch, and it starts anew from what stands here.
UPDATE {live}.consumer_offsets SET epoch = epoch + 1, next_offset = $4, updated_at = now()
WHERE consumer_group = $1 AND topic = $2 AND partition = $3;

-- name: place_offset
INSERT INTO {live}.consumer_offsets (consumer_group, topic, partition, next_offset, epoch)
VALUES ($1, $2, $3, $4, 1)
ON CONFLICT (consumer_group, topic, partition) DO NOTHING;

-- name: cases_behind
-- Cases of which the live log holds more than the shadow was folded from: a shadow's events are a part of the log's.
SELECT coalesce(e.case_id, d.case_id) AS case_id
FROM (SELECT case_id, count(*) AS events FROM {live}.events GROUP BY case_id) AS e
FULL JOIN {shadow}.case_digests AS d ON d.case_id = e.case_id
WHERE d.events IS DISTINCT FROM e.events;

-- name: count_live_cases
-- What the ledger that is replaced was folded from, so that it can follow when it is wanted back.
INSERT INTO {shadow}.case_digests (case_id, digest, events, duplicates)
SELECT case_id, ''::bytea, count(*), 0 FROM {live}.events GROUP BY case_id;

-- name: holding_outcomes
INSERT INTO {shadow}.outcomes SELECT * FROM {live}.outcomes WHERE voided_at IS NULL;

-- name: cases_without_url
SELECT n.case_id
FROM {shadow}.cases AS n JOIN {live}.cases AS o ON o.case_id = n.case_id
WHERE n.sealed_url IS NULL AND o.sealed_url IS NOT NULL;

-- name: fill_urls
UPDATE {shadow}.cases AS n SET sealed_url = o.sealed_url FROM {live}.cases AS o
WHERE n.case_id = ANY ($1::text[]) AND o.case_id = n.case_id;

-- name: fill_event_urls
-- Not of reports that an erasure comes after: their URL is destroyed for good.
UPDATE {shadow}.events AS n
SET body = n.body || jsonb_build_object('sealed_url', o.body -> 'sealed_url')
FROM {live}.events AS o
WHERE n.type = 'takedown.report.filed.v1' AND NOT n.body ? 'sealed_url'
    AND o.case_id = n.case_id AND o.event_id = n.event_id AND o.body ? 'sealed_url'
    AND NOT EXISTS (
        SELECT FROM {shadow}.events AS e
        WHERE e.case_id = n.case_id AND e.type = 'takedown.case.erased.v1'
            AND (e.event_time, e.event_id) > (n.event_time, n.event_id)
    );

-- name: changed_cases
-- Cases of which the world must be told something when the shadow becomes live.
SELECT coalesce(o.case_id, n.case_id) AS case_id
FROM {live}.cases AS o FULL JOIN {shadow}.cases AS n ON n.case_id = o.case_id
WHERE (o.state, o.sealed_url) IS DISTINCT FROM (n.state, n.sealed_url)
UNION
SELECT coalesce(o.case_id, n.case_id)
FROM (SELECT * FROM {live}.outcomes WHERE voided_at IS NULL) AS o
FULL JOIN {shadow}.outcomes AS n ON n.outcome_id = o.outcome_id
WHERE o.outcome_id IS NULL OR n.outcome_id IS NULL;

-- name: outcomes_of_cases
SELECT outcome_id, case_id, type, voided_at IS NOT NULL AS voided FROM {live}.outcomes WHERE case_id = ANY ($1::text[]);

-- name: insert_outcomes
INSERT INTO {live}.outcomes ({outcomes.names})
SELECT * FROM unnest({outcomes.arrays})
ON CONFLICT (outcome_id) DO NOTHING;

-- name: mark_outcomes
UPDATE {live}.outcomes SET voided_at = $2 WHERE outcome_id = ANY ($1::uuid[]);

-- name: insert_outbox
INSERT INTO {live}.outbox ({outbox.names})
SELECT * FROM unnest({outbox.arrays});

-- name: audit
INSERT INTO {live}.audit_log (actor, action, purpose) VALUES ($1, $2, $3);

-- name: note_before
UPDATE {shadow}.replay SET state = 'before', finished_at = now();
