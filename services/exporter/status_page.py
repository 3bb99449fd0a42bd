"""The status as a page: no script, nothing from the network, both colour schemes, readable on a phone.

Every cell carries its head, so that a row becomes a block of pairs where the window is narrow.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from html import escape
from importlib import resources
from zoneinfo import ZoneInfo

from services.exporter.status import ProviderLine, StatusView
from services.exporter.status_words import (
    LEFT_WORDS,
    count,
    interval,
    local,
    provider_words,
    refusal_words,
    share,
)

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

Cell = tuple[str, str]
"""What stands in a cell, and its class."""


@cache
def _style() -> str:
    return (resources.files("services.exporter") / "status.css").read_text("utf-8")


def page(status: StatusView) -> str:
    """Write the page of one status."""
    title = "takedown-monitor: status"
    parts = (
        _head(status),
        _key(status),
        _due(status),
        _league(status),
        _notices(status),
        _refusing(status),
        _blind(status),
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta http-equiv="refresh" content="60"><meta name="referrer" content="no-referrer">'
        f'<meta name="robots" content="noindex"><title>{title}</title><style>{_style()}</style></head>'
        f"<body><main>{''.join(parts)}</main>{_foot(status)}</body></html>\n"
    )


def _head(status: StatusView) -> str:
    monitor = status.monitor
    word, kind = ("yes", "") if monitor.trusted else ("no", " no")
    doubts = "".join(f"<li>{escape(doubt)}</li>" for doubt in monitor.doubts)
    listed = f"<ul>{doubts}</ul>" if doubts else ""
    return (
        f"<h1>Does the norm of {escape(status.norm)} hold?</h1>"
        f'<p class="soft">Read from the ledger at {_when(status.at, status)}, under {escape(status.methodology)} '
        f"version {status.methodology_version}.</p>"
        f'<div class="trust{kind}" role="status"><strong>Can the monitor be trusted now: {word}.</strong>{listed}'
        f" The last look is of {_when(monitor.last_look_at, status)}.</div>"
    )


def _when(at: datetime | None, status: StatusView) -> str:
    if at is None:
        return "never"
    shown = local(at, ZoneInfo(status.time_zone))
    return f'<time datetime="{at.isoformat()}">{escape(shown)}</time>'


def _key(status: StatusView) -> str:
    total = status.total
    facts = (
        (interval(total, status.public), f"removed within the norm, of {count(total.n)} judged"),
        (count(total.breaches_day), "certain breaches in the last 24 hours"),
        (count(total.left["under_2h"]), "clocks run out within 2 hours"),
        (count(total.due_soon), "of those last seen online, the last twelfth of their norm"),
        (count(total.online), "cases online now"),
        (count(total.notices["failed"]), "notices that did not arrive, in all"),
    )
    items = "".join(f"<li><b>{escape(a)}</b><span>{escape(b)}</span></li>" for a, b in facts)
    return f'<ul class="key">{items}</ul>'


# -- tables ----------------------------------------------------------------------------------------


def _due(status: StatusView) -> str:
    """Open clocks by the time left and the breaches of the day, for the providers that have any."""
    lines = [
        line
        for line in status.providers
        if any(number != 0 for number in (*line.left.values(), line.breaches_day))
    ]
    heads = (*LEFT_WORDS.values(), "breaches in 24 h")
    kinds = {"overdue": "warm", "under_2h": "bad"}

    def cells(line: ProviderLine) -> Iterable[Cell]:
        for left in LEFT_WORDS:
            number = line.left.get(left, 0)
            yield count(number), kinds.get(left, "") if number != 0 else ""
        yield count(line.breaches_day), "bad" if line.breaches_day != 0 else ""

    rows = [_row(line, heads, cells(line)) for line in lines]
    caption = (
        "Running clocks by the time left to the deadline; nobody knows yet of those that are overdue. "
        "Providers with none of them are not listed."
    )
    return _section(
        "What is due",
        _table(heads, [*rows, _row(status.total, heads, cells(status.total))], caption),
    )


def _league(status: StatusView) -> str:
    heads = (
        "n",
        "lower",
        "upper",
        "within",
        "certain breaches",
        "undecided",
        "online now",
        "exposure, h",
    )

    def cells(line: ProviderLine) -> Iterable[Cell]:
        few = (line.n or 0) < status.minimum_n
        yield count(line.n), ""
        for bound in (line.lower, line.upper):
            yield "too few" if few else share(bound, public=status.public), ""
        yield count(line.within), ""
        yield count(line.certain_breaches), "bad" if line.certain_breaches != 0 else ""
        yield count(line.undecided), ""
        yield count(line.online), ""
        yield f"{line.exposure_lower_hours:,.0f} to {line.exposure_upper_hours:,.0f}", ""

    rows = [_row(line, heads, cells(line)) for line in (*status.providers, status.total)]
    caption = f"The truth lies between lower and upper. Too few: n below {status.minimum_n}. A star: watch list."
    return _section("Who keeps the norm", _table(heads, rows, caption))


def _notices(status: StatusView) -> str:
    heads = ("did not arrive", "sent, no answer", "delivered", "acknowledged", "wait for a notice")

    def cells(line: ProviderLine) -> Iterable[Cell]:
        failed = line.notices.get("failed", 0)
        yield count(failed), "warm" if failed != 0 else ""
        for state in ("sent", "delivered", "acknowledged"):
            yield count(line.notices.get(state, 0)), ""
        yield count(line.without_notice), ""

    lines = [
        line
        for line in status.providers
        if line.notices.get("failed") != 0 or line.without_notice != 0
    ]
    rows = [_row(line, heads, cells(line)) for line in (*lines, status.total)]
    caption = (
        "A notice that did not arrive starts no clock. Providers with none of them are not listed."
    )
    return _section("Notices that do not arrive", _table(heads, rows, caption))


def _refusing(status: StatusView) -> str:
    """List who can't be measured by notice; their cases are in the tables above, and no breaches."""
    heads = ("why", "did not arrive by its fault", "wait for a notice")
    rows = [
        _cells(
            one.provider,
            heads,
            ((refusal_words(one), ""), (count(one.failed), "warm"), (count(one.waiting), "")),
        )
        for one in status.not_by_notice
    ]
    caption = (
        "Their own fault keeps notices from them. Their cases are neither hidden nor breaches: "
        "a case whose notice did not arrive has no clock."
    )
    content = _table(heads, rows, caption) if rows else '<p class="soft">None.</p>'
    return _section("Not measurable by notice", content)


def _blind(status: StatusView) -> str:
    heads = ("decided", "could not tell", "share", "missed")

    def cells(line: ProviderLine) -> Iterable[Cell]:
        decided, undetermined = line.looks.get("decided", 0), line.looks.get("undetermined", 0)
        total = (decided or 0) + (undetermined or 0)
        yield count(decided), ""
        yield count(undetermined), ""
        few = not total or decided is None or undetermined is None
        yield "-" if few else share((undetermined or 0) / total, public=status.public), ""
        yield count(line.looks.get("missed", 0)), ""

    rows = [_row(line, heads, cells(line)) for line in (*status.providers, status.total)]
    caption = "Looks of all time. A look that could not tell moves nothing: a block, a wall, a blind vantage."
    return _section("What the monitor cannot see", _table(heads, rows, caption))


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(heads: Sequence[str], rows: Sequence[str], caption: str) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in ("provider", *heads))
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _row(line: ProviderLine, heads: Sequence[str], cells: Iterable[Cell]) -> str:
    head = provider_words(line.provider) + (" *" if line.watched else "")
    return _cells(head, heads, cells, total=line.provider == "all")


def _cells(head: str, heads: Sequence[str], cells: Iterable[Cell], *, total: bool = False) -> str:
    kind = ' class="total"' if total else ""
    written = "".join(
        f'<td data-label="{escape(label)}"{_class(style)}>{escape(text)}</td>'
        for label, (text, style) in zip(heads, cells, strict=True)
    )
    return f'<tr{kind}><th scope="row">{escape(head)}</th>{written}</tr>'


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""


def _foot(status: StatusView) -> str:
    public = (
        " Counts are rounded down to fives, those from 1 to 4 are not given, and small groups are joined."
        if status.public
        else ""
    )
    return (
        f"<footer>Methodology {escape(status.methodology)} version {status.methodology_version} "
        f"({escape(status.methodology_digest[:12])}), times of {escape(status.time_zone)}.{public} "
        'For programs: <a href="status.json">status.json</a>, <a href="openapi.json">openapi.json</a>.</footer>'
    )
