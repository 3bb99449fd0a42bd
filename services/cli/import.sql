-- What an import asks the ledger.

-- name: cases_of_references
-- The case of each reference that reports of one source have; one that means several cases means none.
SELECT body ->> 'reference' AS reference, min(case_id) AS case_id
FROM events
WHERE type = 'takedown.report.filed.v1' AND body ? 'reference'
    AND body ->> 'reference' = ANY ($1::text[])
    AND ($2::text IS NULL OR body ->> 'reporter' LIKE $2)
GROUP BY 1
HAVING count(DISTINCT case_id) = 1;
