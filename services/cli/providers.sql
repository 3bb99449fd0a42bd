-- What `takedown providers import` reads: no statement touches a sealed column but `history`, of which none is shown.

-- name: served_addresses
SELECT DISTINCT case_id, one ->> 'address' AS address
FROM events CROSS JOIN LATERAL jsonb_array_elements(body -> 'served') AS one
WHERE type = 'takedown.look.made.v1' AND body ? 'served'
ORDER BY case_id;

-- name: history
SELECT case_id, event_id, event_time, type, source, body
FROM events WHERE case_id = $1;
