-- How the benchmark of ten million cases fills its ledgers: what a later look reads and writes, at its full size, and
-- nothing else. Each table is emptied and filled in one transaction, so that the server writes no log of it.
-- An index is made once the rows are there: rows in no order, put into an index larger than the server's memory, take
-- hours. It is left as full as one that grew by such rows, which is two thirds.

-- name: prepare
SET synchronous_commit = off; SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = 1;
CREATE TEMP TABLE one_case AS SELECT * FROM cases;
CREATE TEMP TABLE one_spell AS SELECT * FROM spells;
CREATE TEMP TABLE its_events AS SELECT * FROM events;
TRUNCATE transitions, outcomes;

-- name: clear_cases
TRUNCATE cases;
ALTER TABLE cases DROP CONSTRAINT cases_pkey;

-- name: fill_cases
INSERT INTO cases
SELECT md5(number::text), category, reported_at, retracted, not_measurable, sealed_url,
    overlay(state PLACING convert_to(md5(number::text), 'UTF8') FROM position(convert_to(case_id, 'UTF8') IN state)),
    transitions, last_event_time, last_event_id
FROM generate_series(1, $1::integer) AS number, one_case;

-- name: index_cases
ALTER TABLE cases ADD CONSTRAINT cases_pkey PRIMARY KEY (case_id) WITH (fillfactor = 67);

-- name: clear_spells
TRUNCATE spells;
ALTER TABLE spells DROP CONSTRAINT spells_pkey;
DROP INDEX spells_open_deadline;
DROP INDEX spells_provider;

-- name: fill_spells
INSERT INTO spells
SELECT md5(number::text), spell, provider, category, opened_at, closed_at, closed_reason, procedure, presence, clock,
    clock_started_at, deadline, excluded, first_online_at, known_online_at, breached_at, removed_lower, removed_upper,
    removed_layer, returns, looks, undetermined, missed, exposure_lower_seconds, exposure_upper_seconds
FROM generate_series(1, $1::integer) AS number, one_spell;

-- name: index_spells
ALTER TABLE spells ADD CONSTRAINT spells_pkey PRIMARY KEY (case_id, spell) WITH (fillfactor = 67);
CREATE INDEX spells_open_deadline ON spells (deadline) WHERE clock = 'RUNNING';
CREATE INDEX spells_provider ON spells (provider);

-- name: clear_events
TRUNCATE events;
ALTER TABLE events DROP CONSTRAINT events_pkey;

-- name: fill_events
-- As many events of each case as the caller wants, for the key of the log; but without type, source and body, which no
-- later look reads.
INSERT INTO events (case_id, event_id, event_time, type, source, body)
SELECT md5(number::text), md5(number || event_id::text)::uuid, event_time, '', '', '0'
FROM generate_series(1, $1::integer) AS number, (SELECT * FROM its_events LIMIT $2) AS its;

-- name: index_events
ALTER TABLE events ADD CONSTRAINT events_pkey PRIMARY KEY (case_id, event_id) WITH (fillfactor = 67);

-- name: sizes
SELECT relname AS name, pg_relation_size(oid)::float8 AS bytes FROM pg_class
WHERE relname IN ('cases', 'cases_pkey', 'spells', 'spells_pkey', 'events', 'events_pkey')
ORDER BY relname;

-- name: read_through
-- By pages, in their order: among ten million cases by index it takes an hour, and nothing would stay in memory.
SELECT max(last_event_time) FROM cases WHERE length(state) > 0;

-- name: pages_read
-- Asked of the system, by all sessions of this database: those that its own memory did not hold.
SELECT blks_read::float8 FROM pg_stat_database WHERE datname = current_database();
