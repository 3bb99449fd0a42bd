"""The part of the catalogue that the role `attribution` fills; `services.exporter.metrics` has it with all others."""

from services.exporter.declaring import counter, gauge

SOURCES = ("map", "mmdb", "cymru", "rdap", "abusix", "unknown")
OUTSIDE = ("cymru", "rdap", "abusix")
ANSWERS = (
    "answer", "nothing", "timeout", "refused", "unreadable", "limited", "budget", "outage",
)  # fmt: skip

ATTRIBUTION_LOOKS = counter(
    "attribution", "takedown_attribution_looks_total", "", "Looks read, to attribute what served."
)
ATTRIBUTIONS = counter(
    "attribution",
    "takedown_attributions_total",
    "source",
    "Statements made about addresses that served cases, by the source that named a provider; `unknown`: none did.",
)
SOURCE_QUESTIONS = counter(
    "attribution",
    "takedown_source_questions_total",
    "source answer",
    "Questions to sources outside of this machine, by what came of them; `budget` and `outage`: not asked.",
)
ATTRIBUTION_OPEN_ADDRESSES = gauge(
    "attribution",
    "takedown_attribution_open_addresses",
    "",
    "Addresses that wait for the answer of a source.",
)
ATTRIBUTION_OPEN_DROPPED = counter(
    "attribution",
    "takedown_attribution_open_dropped_total",
    "",
    "Looks whose addresses were left open because too many wait; the next look of the case asks again.",
)

for _source in SOURCES:
    ATTRIBUTIONS.labels(_source)
for _source in OUTSIDE:
    for _answer in ANSWERS:
        SOURCE_QUESTIONS.labels(_source, _answer)
