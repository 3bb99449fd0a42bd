-- What the last return ended and when it was seen: an open stretch of exposure begins there, not at the first removal.
-- Both are null where nothing returned. Rows of returned spells from before are filled by the ledger at its next start.
ALTER TABLE spells
    ADD COLUMN last_removed_upper timestamptz,
    ADD COLUMN last_returned_at timestamptz;
COMMENT ON COLUMN spells.last_removed_upper IS 'R of the removal that the last return ended.';
COMMENT ON COLUMN spells.last_returned_at IS 'When it was first seen online again, the last time that it returned.';
