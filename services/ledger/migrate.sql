-- What the runner of the migrations asks and writes beside the migrations themselves.

-- name: lock
-- One runner at a time. Held to the end of the transaction, so that it works behind PgBouncer too.
SELECT pg_advisory_xact_lock($1);

-- name: create_registry
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: has_registry
SELECT to_regclass('schema_migrations');

-- name: applied
SELECT name, checksum FROM schema_migrations;

-- name: note_applied
INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2);
