-- The audit log. The database itself gives every row its number, its time and its hash (0003).

-- name: record
INSERT INTO audit_log (actor, action, case_id, purpose) VALUES ($1, $2, $3, $4);

-- name: entries
SELECT seq, at, actor, action, case_id, purpose, previous, hash
FROM audit_log WHERE seq > $1 ORDER BY seq LIMIT $2;

-- name: newest
SELECT * FROM (
    SELECT seq, at, actor, action, case_id, purpose, hash
    FROM audit_log
    WHERE ($1::text IS NULL OR action = $1) AND ($2::text IS NULL OR case_id = $2)
    ORDER BY seq DESC LIMIT $3
) AS found ORDER BY seq;
