-- An erasure destroys the sealed URLs of the reports before it, and of no others: a report of a later time is a new
-- claim, and its URL is watched. What an erasure is and when it was is read from the log itself, so that whoever may
-- call this can destroy nothing that nobody has erased. Grants stay: it is the same function.
CREATE OR REPLACE FUNCTION erase_sealed_urls(ids text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    UPDATE events AS report SET body = report.body - 'sealed_url'
    FROM (
        SELECT DISTINCT ON (e.case_id) e.case_id, e.event_time, e.event_id
        FROM events AS e
        WHERE e.case_id = ANY (ids) AND e.type = 'takedown.case.erased.v1'
        ORDER BY e.case_id, e.event_time DESC, e.event_id DESC
    ) AS last_erasure
    WHERE report.case_id = last_erasure.case_id
        AND report.type = 'takedown.report.filed.v1'
        AND report.body ? 'sealed_url'
        AND (report.event_time, report.event_id) < (last_erasure.event_time, last_erasure.event_id);
END;
