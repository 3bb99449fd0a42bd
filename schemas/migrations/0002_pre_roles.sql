-- Who may do what. The roles can't log in: grant them to login roles of your own, or let the monitor SET ROLE.
-- Roles belong to the whole cluster: another database, or another migration at this moment, may have made them.
-- Where the connected user may not create roles, this says so and goes on; an administrator then runs
-- the CREATE ROLE lines, and the file's grants, by hand.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['takedown_ledger', 'takedown_exporter', 'takedown_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN
                    NULL; -- made by another session between the question and the answer
                WHEN insufficient_privilege THEN
                    RAISE NOTICE 'role % is missing and may not be created by %; its grants are skipped', wanted, current_user;
            END;
        END IF;
    END LOOP;
END
$$;

-- Limits on time apply at login; the monitor sets the same ones on its own sessions.
DO $$
DECLARE
    limits CONSTANT text[][] := ARRAY[
        ['takedown_ledger', 'statement_timeout', '60s'],
        ['takedown_ledger', 'lock_timeout', '30s'],
        ['takedown_ledger', 'idle_in_transaction_session_timeout', '60s'],
        ['takedown_exporter', 'statement_timeout', '15s'],
        ['takedown_exporter', 'lock_timeout', '5s'],
        ['takedown_exporter', 'idle_in_transaction_session_timeout', '60s'],
        ['takedown_reader', 'statement_timeout', '30s'],
        ['takedown_reader', 'lock_timeout', '5s'],
        ['takedown_reader', 'idle_in_transaction_session_timeout', '60s']
    ];
    i integer;
BEGIN
    FOR i IN 1 .. array_length(limits, 1) LOOP
        BEGIN
            EXECUTE format(
                'ALTER ROLE %I IN DATABASE %I SET %I = %L',
                limits[i][1], current_database(), limits[i][2], limits[i][3]
            );
        EXCEPTION
            WHEN undefined_object OR insufficient_privilege THEN
                RAISE NOTICE 'role %: % is not set', limits[i][1], limits[i][2];
        END;
    END LOOP;
END
$$;

-- Grants, by role. Evidence, outcomes and the audit log are append-only:
-- nobody below the owner may change or delete a row, but for an outcome's voided_at.
DO $$
DECLARE
    grants CONSTANT text[][] := ARRAY[
        ['takedown_ledger', 'SELECT, INSERT, UPDATE ON consumer_offsets'],
        ['takedown_ledger', 'SELECT, INSERT ON ledger_methodology'],
        ['takedown_ledger', 'SELECT, INSERT ON events'],
        ['takedown_ledger', 'SELECT, INSERT, UPDATE ON cases'],
        ['takedown_ledger', 'SELECT, INSERT, UPDATE, DELETE ON spells'],
        ['takedown_ledger', 'SELECT, INSERT, DELETE ON transitions'],
        ['takedown_ledger', 'SELECT, INSERT ON outcomes'],
        ['takedown_ledger', 'UPDATE (voided_at) ON outcomes'],
        ['takedown_ledger', 'SELECT, INSERT, DELETE ON outbox'],
        ['takedown_ledger', 'SELECT, INSERT ON audit_log'],
        ['takedown_ledger', 'SELECT ON looks, notices'],
        ['takedown_ledger', 'EXECUTE ON FUNCTION erase_sealed_urls(text[])'],
        ['takedown_ledger', 'SELECT ON schema_migrations'],

        ['takedown_exporter', 'SELECT ON consumer_offsets, ledger_methodology, spells, transitions, outcomes, looks, notices'],
        ['takedown_exporter', 'SELECT (case_id, category, reported_at, retracted, not_measurable, transitions, last_event_time, last_event_id) ON cases'],
        ['takedown_exporter', 'SELECT (event_id, case_id, event_time, type, source, ingested_at) ON events'],
        ['takedown_exporter', 'SELECT ON schema_migrations'],

        ['takedown_reader', 'SELECT ON ledger_methodology, spells, transitions, outcomes, looks, notices'],
        ['takedown_reader', 'SELECT (case_id, category, reported_at, retracted, not_measurable, transitions, last_event_time, last_event_id) ON cases'],
        ['takedown_reader', 'SELECT (event_id, case_id, event_time, type, source, ingested_at) ON events']
    ];
    i integer;
BEGIN
    FOR i IN 1 .. array_length(grants, 1) LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = grants[i][1]) THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), grants[i][1]);
            EXECUTE format('GRANT %s TO %I', grants[i][2], grants[i][1]);
        END IF;
    END LOOP;
END
$$;

-- So that the monitor, logged in as the owner, may act as one of them.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['takedown_ledger', 'takedown_exporter', 'takedown_reader'] LOOP
        IF NOT pg_has_role(current_user, wanted, 'SET') THEN
            EXECUTE format('GRANT %I TO %I', wanted, current_user);
        END IF;
    END LOOP;
EXCEPTION
    WHEN undefined_object OR insufficient_privilege OR internal_error THEN
        RAISE NOTICE 'the roles were not granted to %', current_user;
END
$$;
