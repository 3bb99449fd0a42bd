-- The audit log as a chain of hashes: each row holds the hash of the one before it, so that a row that is changed,
-- taken out or slipped in later shows (`takedown audit verify`). The database makes seq, time and hashes itself;
-- whoever inserts can't choose them. Nothing here is derived from Kafka: a replay must not touch this table.

ALTER TABLE audit_log
    ALTER COLUMN case_id DROP NOT NULL,
    ADD COLUMN seq bigint,
    ADD COLUMN previous text,
    ADD COLUMN hash text;
COMMENT ON COLUMN audit_log.seq IS 'Counts from 1 without gaps, in the order of the chain; id may have gaps.';
COMMENT ON COLUMN audit_log.case_id IS 'The case acted on; null where the act is about no single one.';
COMMENT ON TABLE audit_log IS 'Who did what, when and for what: append-only, chained by hash.';

-- Every field with its length in bytes before it, so that no two rows read the same; "-" is a null.
CREATE FUNCTION audit_hash(
    previous text, seq bigint, at timestamptz, actor text, action text, case_id text, purpose text
) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT encode(sha256(convert_to(string_agg(coalesce(octet_length(f.field) || ':' || f.field, '-'), '|' ORDER BY f.nr), 'UTF8')), 'hex')
    FROM unnest(ARRAY[
        previous, seq::text, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), actor, action, case_id, purpose
    ]) WITH ORDINALITY AS f (field, nr);
END;

-- Rows from before the chain are its first links.
DO $$
DECLARE
    old record;
    link text := '';
    number bigint := 0;
BEGIN
    FOR old IN SELECT * FROM audit_log ORDER BY id LOOP
        number := number + 1;
        UPDATE audit_log SET seq = number, previous = link,
            hash = audit_hash(link, number, old.at, old.actor, old.action, old.case_id, old.purpose)
        WHERE id = old.id
        RETURNING hash INTO link;
    END LOOP;
END
$$;

ALTER TABLE audit_log
    ALTER COLUMN seq SET NOT NULL,
    ALTER COLUMN previous SET NOT NULL,
    ALTER COLUMN hash SET NOT NULL,
    ADD CONSTRAINT audit_log_seq_key UNIQUE (seq);

-- The lock is held to the end of the transaction: the next row waits, and sees this one.
CREATE FUNCTION audit_chain() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(TG_RELID::bigint);
    EXECUTE format('SELECT seq, hash FROM %I.%I ORDER BY seq DESC LIMIT 1', TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO last;
    NEW.seq := coalesce(last.seq, 0) + 1;
    NEW.previous := coalesce(last.hash, '');
    NEW.at := clock_timestamp();
    NEW.hash := audit_hash(NEW.previous, NEW.seq, NEW.at, NEW.actor, NEW.action, NEW.case_id, NEW.purpose);
    RETURN NEW;
END
$$;

CREATE FUNCTION audit_refuse() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only: no row of it is changed or deleted';
END
$$;

CREATE TRIGGER audit_chain BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_chain();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- Corrections with actor and reason, for readers that may not see the bodies of events.
CREATE VIEW corrections AS
SELECT
    case_id,
    event_id,
    event_time,
    split_part(type, '.', 2) || '_' || split_part(type, '.', 3) AS kind,
    body ->> 'actor' AS actor,
    body ->> 'reason' AS reason,
    body ->> 'provider' AS provider,
    body ->> 'method' AS method,
    (body ->> 'effective_from')::timestamptz AS effective_from,
    (body ->> 'expires_at')::timestamptz AS expires_at,
    source
FROM events
WHERE type IN (
    'takedown.report.retracted.v1',
    'takedown.case.attributed.v1',
    'takedown.case.erased.v1',
    'takedown.hold.placed.v1',
    'takedown.hold.lifted.v1'
);

DO $$
DECLARE
    grants CONSTANT text[][] := ARRAY[
        ['takedown_ledger', 'SELECT ON corrections'],
        ['takedown_exporter', 'SELECT ON corrections'],
        ['takedown_reader', 'SELECT ON corrections'],
        ['takedown_reader', 'SELECT ON audit_log']
    ];
    i integer;
BEGIN
    FOR i IN 1 .. array_length(grants, 1) LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = grants[i][1]) THEN
            EXECUTE format('GRANT %s TO %I', grants[i][2], grants[i][1]);
        END IF;
    END LOOP;
END
$$;
