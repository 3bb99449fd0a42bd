-- Which cases have changed lately: the exporter asks for those alone, and keeps the sums of all others.
-- The log is written in the order of arrival, so that a summary of each few pages is enough: it costs an event next to
-- nothing, where an entry of a tree would cost each look as much as a row.
CREATE INDEX events_arrival ON events USING brin (ingested_at) WITH (pages_per_range = 32, autosummarize = on);
