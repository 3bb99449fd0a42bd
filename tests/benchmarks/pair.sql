-- What the benchmark of two ledgers asks about their progress.

-- name: taken
SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_offsets;

-- name: stored
SELECT count(*) FROM events;

-- name: hold
LOCK TABLE events IN EXCLUSIVE MODE;

-- name: shape
SELECT
    (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()) AS commits,
    pg_current_wal_lsn() - '0/0'::pg_lsn AS log,
    (SELECT sum(n_tup_upd) FROM pg_stat_user_tables WHERE relname IN ('cases', 'spells')) AS updates;
