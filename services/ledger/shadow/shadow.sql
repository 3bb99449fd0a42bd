-- Statements that build, list and read shadow ledgers, by name. {shadow}, {live}, {schema} and {table} are names, quoted
-- by the program; {outcomes.names} and the like come from the class of the table's rows; everything else is a
-- parameter. What a replay builds is UNLOGGED until it is promoted: a crash of the server empties the units together
-- with the rows, so that the replay starts anew instead of standing half.

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

-- name: drop_schema
DROP SCHEMA {shadow} CASCADE;

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

-- name: digests
SELECT case_id, encode(digest, 'hex') AS digest FROM {shadow}.case_digests ORDER BY case_id;

-- name: note_methodology
INSERT INTO {shadow}.ledger_methodology (id, version, digest) VALUES ($1, $2, $3);

-- name: log_of_cases
SELECT case_id, event_id, event_time, type, source, body::text AS body
FROM {schema}.events WHERE case_id = ANY ($1::text[]);

-- name: stream_cases
SELECT case_id, state, sealed_url FROM {schema}.cases ORDER BY case_id;

-- name: transitions_of
SELECT case_id, seq, spell, machine, before, after, at, cause, detail
FROM {schema}.transitions WHERE case_id = ANY ($1::text[]) ORDER BY case_id, seq;

-- name: has_events
SELECT EXISTS (SELECT FROM {schema}.events);

-- name: cases_by_name
SELECT case_id, state, sealed_url FROM {schema}.cases WHERE case_id = ANY ($1::text[]);
