-- Every statement of the ledger, by name. Arrays in, one statement per batch: a row costs microseconds, a round
-- trip a tenth of a millisecond. Rows are locked in the order of their keys.
-- {table.names}, {table.arrays} and {table.set_from_x} are filled from the class of the table's rows (rows.py).

-- name: take_role
-- SET ROLE, to the end of the session.
SELECT set_config('role', $1, false);

-- name: takes_writes
-- Not so on a standby, nor where an operator has set the server, the database or the login to read only.
SELECT current_setting('transaction_read_only') = 'off';

-- name: server_clock
SELECT clock_timestamp() AS now, current_setting('server_version') AS version;

-- name: claim_partitions
-- Take partitions over: the higher epoch makes every write of the former owner fail.
INSERT INTO consumer_offsets (consumer_group, topic, partition, epoch)
SELECT $1, topic, partition, 1
FROM unnest($2::text[], $3::integer[]) AS p (topic, partition)
ORDER BY topic, partition
ON CONFLICT (consumer_group, topic, partition)
    DO UPDATE SET epoch = consumer_offsets.epoch + 1, updated_at = now()
RETURNING topic, partition, next_offset, epoch;

-- name: advance_offsets
-- First statement of a batch: as many rows as partitions, or somebody else owns one of them, or this database stands
-- elsewhere than where the batch begins: after a failover it may lack what was committed last. Where the answer to a
-- commit was lost, it may stand at the end already.
UPDATE consumer_offsets AS o
SET next_offset = x.next_offset,
    event_time = greatest(o.event_time, x.event_time),
    updated_at = now()
FROM unnest({offsets.arrays}) AS x ({offsets.names})
WHERE o.consumer_group = x.consumer_group AND o.topic = x.topic AND o.partition = x.partition AND o.epoch = x.epoch
    AND (x.reached IS NULL OR o.next_offset IN (x.reached, x.next_offset));

-- name: note_methodology
INSERT INTO ledger_methodology (id, version, digest) VALUES ($1, $2, $3) ON CONFLICT (singleton) DO NOTHING;

-- name: methodology
SELECT id, version, digest FROM ledger_methodology;

-- name: lock_cases
-- `place` holds to the end of the transaction: nobody moves a row that is locked.
SELECT case_id, state, sealed_url, transitions, ctid AS place
FROM cases WHERE case_id = ANY ($1::text[])
ORDER BY case_id
FOR NO KEY UPDATE;

-- name: insert_events
-- For a batch of which the log holds something already; any other is copied.
INSERT INTO events ({events.names})
SELECT * FROM unnest({events.arrays})
ON CONFLICT (case_id, event_id) DO NOTHING
RETURNING case_id, event_id;

-- name: known_events
SELECT e.case_id, e.event_id, e.event_time, e.type, e.source, e.body::text AS body
FROM events AS e
JOIN unnest($1::text[], $2::uuid[]) AS x (case_id, event_id) USING (case_id, event_id);

-- name: log_of_cases
SELECT case_id, event_id, event_time, type, source, body::text AS body
FROM events WHERE case_id = ANY ($1::text[]);

-- name: insert_cases
INSERT INTO cases ({cases.names})
SELECT * FROM unnest({cases.arrays})
ON CONFLICT (case_id) DO NOTHING
RETURNING case_id;

-- name: update_cases
UPDATE cases AS c
SET {cases.set_from_x}
FROM unnest({cases.arrays}) AS x ({cases.names})
WHERE c.case_id = x.case_id;

-- name: extend_cases
-- A later look changes nothing else of a case. By place: among a million cases a second way down the index costs the
-- server a seventh of all that it does for a look. And by name: a place is one of a table, and a case may come to stand
-- in a partition.
UPDATE cases AS c
SET {later_cases.set_from_x}
FROM unnest({later_cases.arrays}) AS x ({later_cases.names})
WHERE c.ctid = x.place AND c.case_id = x.case_id;

-- name: upsert_spells
INSERT INTO spells ({spells.names})
SELECT * FROM unnest({spells.arrays})
ON CONFLICT (case_id, spell) DO UPDATE SET
    {spells.set_from_excluded};

-- name: extend_spells
-- A later look changes few columns of a spell, and none that an index holds: twenty arrays less for each batch.
UPDATE spells AS s
SET {later_spells.set_from_x}
FROM unnest({later_spells.arrays}) AS x ({later_spells.names})
WHERE s.case_id = x.case_id AND s.spell = x.spell;

-- name: unfilled_returns
-- Spells that returned before 0005, which their rows don't say enough of.
SELECT case_id, state FROM cases
WHERE case_id IN (SELECT s.case_id FROM spells AS s WHERE s.returns > 0 AND s.last_returned_at IS NULL)
ORDER BY case_id
LIMIT $1
FOR NO KEY UPDATE;

-- name: delete_later_spells
DELETE FROM spells AS s
USING unnest($1::text[], $2::integer[]) AS x (case_id, spells)
WHERE s.case_id = x.case_id AND s.spell > x.spells;

-- name: delete_transitions
DELETE FROM transitions WHERE case_id = ANY ($1::text[]);

-- name: outcomes_of_cases
SELECT outcome_id, case_id, type, voided_at IS NOT NULL AS voided FROM outcomes WHERE case_id = ANY ($1::text[]);

-- name: insert_outcomes
INSERT INTO outcomes ({outcomes.names})
SELECT * FROM unnest({outcomes.arrays})
ON CONFLICT (outcome_id) DO NOTHING;

-- name: void_outcomes
UPDATE outcomes SET voided_at = $2 WHERE outcome_id = ANY ($1::uuid[]);

-- name: erase_sealed_urls
SELECT erase_sealed_urls($1::text[]);

-- name: try_relay_lock
-- Held to the end of the transaction, so that it works behind PgBouncer too.
SELECT pg_try_advisory_xact_lock($1);

-- name: try_retention_lock
-- Held to the end of the transaction, which lasts for a round.
SELECT pg_try_advisory_xact_lock($1);

-- name: require_retention_lock
-- Fails where the session that holds the lock is lost.
SELECT 1;

-- name: read_outbox
SELECT id, topic, key, value, headers::text AS headers FROM outbox ORDER BY id LIMIT $1;

-- name: delete_outbox
DELETE FROM outbox WHERE id = ANY ($1::bigint[]);

-- name: count_outbox
SELECT count(*) FROM outbox;

-- name: stream_cases
SELECT case_id, state, sealed_url, transitions FROM cases ORDER BY case_id;

-- name: quiet_cases
-- Asked by retention, once an hour. Of a million cases this reads all rows, in seconds; an index on a time that every
-- look moves would cost each look.
SELECT case_id, state, sealed_url
FROM cases
WHERE sealed_url IS NOT NULL AND last_event_time <= $1;

-- name: transitions_of_cases
SELECT case_id, seq, spell, machine, before, after, at, cause, detail
FROM transitions WHERE case_id = ANY ($1::text[])
ORDER BY case_id, seq;

-- name: spells_of_cases
SELECT {spells.names} FROM spells WHERE case_id = ANY ($1::text[]) ORDER BY case_id, spell;

-- name: stored_offsets
-- How far the ledger has read: what a command waits for that has sent something.
SELECT topic, partition, next_offset FROM consumer_offsets WHERE consumer_group = $1;

-- name: taken_events
SELECT case_id, event_id
FROM events
JOIN unnest($1::text[], $2::uuid[]) AS wanted (case_id, event_id) USING (case_id, event_id);
