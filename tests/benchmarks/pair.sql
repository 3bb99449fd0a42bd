-- What the benchmark of two ledgers asks about their progress.

-- name: taken
SELECT coalesce(sum(next_offset), 0)::bigint FROM consumer_offsets;

-- name: stored
SELECT count(*) FROM events;
