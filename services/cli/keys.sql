-- What the command `keys` reads.

-- name: sealed_with
-- What is still sealed with a key, by place. A sealed URL reads `s1.<key id>.<body>`; the outbox has it within JSON.
SELECT
    (SELECT count(*) FROM cases WHERE split_part(sealed_url, '.', 2) = $1) AS cases,
    (SELECT count(*) FROM events WHERE split_part(body ->> 'sealed_url', '.', 2) = $1) AS reports,
    (SELECT count(*) FROM outbox WHERE position(convert_to('"s1.' || $1 || '.', 'UTF8') IN value) > 0) AS outbox;

-- name: cases_sealed_with
-- The cases whose URL a key sealed: when their watch ends says how long the key is needed.
SELECT state, sealed_url FROM cases WHERE split_part(sealed_url, '.', 2) = $1;
