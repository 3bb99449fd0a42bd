-- Every statement about shadow ledgers, by name. {shadow}, {live}, {schema} and {table} are names, quoted by the
-- program; {outcomes.names} and the like come from the class of the table's rows; everything else is a parameter. What a replay builds is UNLOGGED until it is promoted: a crash of the server
-- empties the units together with the rows, so that the replay starts anew instead of standing half.

-- name: live_schema
-- Where the live ledger stands: the schema that the search path finds first.
SELECT n.nspname
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass('consumer_offsets');

-- name: create_schema
CREATE SCHEMA {shadow};

-- name: create_registry
-- What this shadow is a fold of. Logged, so that a crash leaves the name and the ranges.
CREATE TABLE {shadow}.replay (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    name text NOT NULL,
    identity jsonb NOT NULL,
    state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'complete', 'before')),
    digest text,
    created_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);
CREATE TABLE {shadow}.replay_ranges (
    topic text NOT NULL,
    partition integer NOT NULL,
    begins bigint NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (topic, partition)
);

-- name: create_work
-- A unit is what one transaction folds: the cases of one partition, or of a slice of it.
CREATE UNLOGGED TABLE {shadow}.replay_units (
    unit integer PRIMARY KEY,
    partition integer NOT NULL,
    slice integer NOT NULL,
    slices integer NOT NULL,
    records bigint NOT NULL,
    strays boolean NOT NULL DEFAULT false,
    done boolean NOT NULL DEFAULT false,
    outside bigint NOT NULL DEFAULT 0
);
-- What the live ledger would have sent to the dead-letter topics. No bytes of theirs: they may hold a URL.
CREATE UNLOGGED TABLE {shadow}.replay_refused (
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    reason text NOT NULL,
    message text NOT NULL
);
-- Events that stand in another partition than the rest of their case; folded when all partitions are read.
CREATE UNLOGGED TABLE {shadow}.replay_strays (
    home integer NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    case_id text COLLATE "C" NOT NULL,
    event_id uuid NOT NULL,
    event_time timestamptz NOT NULL,
    type text NOT NULL,
    source text NOT NULL,
    body jsonb NOT NULL
);
CREATE UNLOGGED TABLE {shadow}.case_digests (
    case_id text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    events integer NOT NULL,
    duplicates integer NOT NULL
);

-- name: shape_of
-- The statement that makes a table of another schema with the live one's columns and storage, but no index.
SELECT format(
    'CREATE UNLOGGED TABLE %s.%I (LIKE %s.%I INCLUDING ALL EXCLUDING INDEXES)%s',
    $3::text, $2::text, $1::text, $2::text, ' WITH (' || array_to_string(c.reloptions, ', ') || ')'
) AS statement
FROM pg_class AS c WHERE c.oid = ($1 || '.' || $2)::regclass;

-- name: indexes_of
-- Statements that make the live table's keys and indexes on the table of another schema, constraints first. The text
-- of an index names its table once, between ON and USING.
SELECT
    k.conname AS name,
    format('ALTER TABLE %s.%I ADD CONSTRAINT %I %s', $3::text, $2::text, k.conname, pg_get_constraintdef(k.oid)) AS statement,
    true AS is_constraint
FROM pg_constraint AS k
WHERE k.conrelid = ($1 || '.' || $2)::regclass AND k.contype IN ('p', 'u')
UNION ALL
SELECT
    c.relname,
    format('%s ON %s.%I USING %s', split_part(d.definition, ' ON ', 1), $3, $2, substr(d.definition, strpos(d.definition, ' USING ') + 7)),
    false
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
CROSS JOIN LATERAL pg_get_indexdef(i.indexrelid) AS d (definition)
WHERE i.indrelid = ($1 || '.' || $2)::regclass
    AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid)
ORDER BY is_constraint DESC, name;

-- name: has_index
SELECT EXISTS (
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2
);

-- name: index_digests
CREATE UNIQUE INDEX IF NOT EXISTS case_digests_case ON {shadow}.case_digests (case_id);

-- name: analyze
ANALYZE {shadow}.{table};

-- name: set_logged
ALTER TABLE {shadow}.{table} SET LOGGED;

-- name: move_table
-- The empty table of the schema that what was live goes to makes room for it.
DROP TABLE {before}.{table};
ALTER TABLE {live}.{table} SET SCHEMA {before};
ALTER TABLE {shadow}.{table} SET SCHEMA {live};

-- name: drop_schema
DROP SCHEMA {shadow} CASCADE;

-- name: lift_limits
-- Of this transaction: a promotion may read all cases, but waits for the running ledger no longer than a minute.
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = '60s';

-- name: lift_limits_to_index
-- Of a session of its own: an index of a year takes longer than a usual statement.
SET statement_timeout = 0;
SET maintenance_work_mem = '128MB';

-- name: try_replay_lock
-- Held by the session, so that two runs of one replay don't meet.
SELECT pg_try_advisory_lock(hashtextextended($1, 0));

-- name: release_replay_lock
SELECT pg_advisory_unlock(hashtextextended($1, 0));

-- name: schemas
SELECT nspname FROM pg_namespace
WHERE (nspname LIKE 'replay\_%' OR nspname LIKE 'before\_%')
    AND to_regclass(format('%I.replay', nspname)) IS NOT NULL
ORDER BY nspname;

-- name: has_schema
SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1);

-- name: registry
SELECT name, identity::text AS identity, state, digest, created_at, finished_at FROM {shadow}.replay;

-- name: insert_registry
INSERT INTO {shadow}.replay (name, identity, state, digest, finished_at) VALUES ($1, $2::jsonb, $3, $4, $5);

-- name: finish_registry
UPDATE {shadow}.replay SET state = 'complete', digest = $1, finished_at = now();

-- name: ranges
SELECT topic, partition, begins, until FROM {shadow}.replay_ranges ORDER BY topic, partition;

-- name: insert_range
INSERT INTO {shadow}.replay_ranges (topic, partition, begins, until) VALUES ($1, $2, $3, $4);

-- name: move_range
UPDATE {shadow}.replay_ranges SET until = $3 WHERE topic = $1 AND partition = $2;

-- name: insert_unit
INSERT INTO {shadow}.replay_units (unit, partition, slice, slices, records, strays) VALUES ($1, $2, $3, $4, $5, $6);

-- name: units
SELECT unit, partition, slice, slices, records, strays, done FROM {shadow}.replay_units ORDER BY unit;

-- name: claim_unit
-- First statement of a unit's transaction: whoever comes second, after a kill, finds it done and writes nothing.
UPDATE {shadow}.replay_units SET done = true WHERE unit = $1 AND NOT done;

-- name: count_unit
-- Before, `records` is how many offsets are to be read: markers and gaps count among them, and in every slice.
UPDATE {shadow}.replay_units SET outside = $2, records = $3 WHERE unit = $1;

-- name: stray_homes
SELECT home, count(DISTINCT case_id) AS cases FROM {shadow}.replay_strays GROUP BY home ORDER BY home;

-- name: strays_of
SELECT topic, partition, record_offset, case_id, event_id, event_time, type, source, body::text AS body
FROM {shadow}.replay_strays WHERE home = $1
ORDER BY topic DESC, partition, record_offset;

-- name: forget_cases
-- The rows of cases that are about to be written again, wherever they stand.
WITH d1 AS (DELETE FROM {shadow}.spells WHERE case_id = ANY ($1::text[])),
    d2 AS (DELETE FROM {shadow}.transitions WHERE case_id = ANY ($1::text[])),
    d3 AS (DELETE FROM {shadow}.outcomes WHERE case_id = ANY ($1::text[])),
    d4 AS (DELETE FROM {shadow}.case_digests WHERE case_id = ANY ($1::text[]))
DELETE FROM {shadow}.cases WHERE case_id = ANY ($1::text[]);

-- name: forget_events
DELETE FROM {shadow}.events WHERE case_id = ANY ($1::text[]);

-- name: totals
SELECT coalesce(sum(records) FILTER (WHERE NOT strays), 0)::bigint AS records,
    (SELECT coalesce(sum(events), 0)::bigint FROM {shadow}.case_digests) AS events,
    (SELECT coalesce(sum(duplicates), 0)::bigint FROM {shadow}.case_digests) AS duplicates,
    coalesce(sum(outside) FILTER (WHERE NOT strays), 0)::bigint AS outside,
    (SELECT count(*) FROM {shadow}.case_digests) AS cases,
    (SELECT count(*) FROM {shadow}.replay_refused) AS refused,
    (SELECT count(*) FROM {shadow}.replay_strays) AS strays
FROM {shadow}.replay_units;

-- name: refuse_once
-- A case with strays is read twice, and what it can't use is refused twice.
DELETE FROM {shadow}.replay_refused AS later USING {shadow}.replay_refused AS first
WHERE later.topic = first.topic AND later.partition = first.partition
    AND later.record_offset = first.record_offset AND later.ctid > first.ctid;

-- name: refused
SELECT topic, partition, record_offset, reason, message FROM {shadow}.replay_refused
ORDER BY topic, partition, record_offset LIMIT $1;

-- name: refused_by_reason
SELECT topic, reason, count(*) AS records FROM {shadow}.replay_refused GROUP BY topic, reason ORDER BY topic, reason;

-- name: digests
SELECT case_id, encode(digest, 'hex') AS digest FROM {shadow}.case_digests ORDER BY case_id;

-- name: note_methodology
INSERT INTO {shadow}.ledger_methodology (id, version, digest) VALUES ($1, $2, $3);

-- name: live_offsets
SELECT topic, partition, next_offset FROM {live}.consumer_offsets WHERE consumer_group = $1;

-- name: log_of_cases
SELECT case_id, event_id, event_time, type, source, body::text AS body
FROM {schema}.events WHERE case_id = ANY ($1::text[]);

-- name: stream_cases
SELECT case_id, state, sealed_url FROM {schema}.cases ORDER BY case_id;

-- name: transitions_of
SELECT case_id, seq, spell, machine, before, after, at, cause, detail
FROM {schema}.transitions WHERE case_id = ANY ($1::text[]) ORDER BY case_id, seq;

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

-- name: has_events
SELECT EXISTS (SELECT FROM {schema}.events);

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

-- name: cases_by_name
SELECT case_id, state, sealed_url FROM {schema}.cases WHERE case_id = ANY ($1::text[]);
