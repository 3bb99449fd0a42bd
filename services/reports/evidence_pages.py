"""The two texts of a pack for people: how to read and check it, and what it comes to on one page."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from schemas.methodology import Methodology
from services.reports.evidence_rows import TABLES, SpellRow
from services.reports.evidence_seal import SIGNATURE, SUMS
from services.reports.text import shares

if TYPE_CHECKING:
    from services.reports.evidence_pack import Figures, Pack

_STARTS = {
    "notice_sent": "the first notice sent to the provider that did not fail",
    "notice_delivered": "the first notice delivered to the provider",
    "report": "the report",
}
_COUNTS = (
    ("spells judged (n)", "n"),
    ("certainly within the norm", "within"),
    ("certain breaches", "certain_breaches"),
    ("undecided", "undecided"),
    ("too young to judge", "younger_than_norm"),
    ("clock not started", "not_started"),
)
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem;border-bottom:1px solid #ddd}
td.n{text-align:right;font-variant-numeric:tabular-nums}
code{font-size:.85em;word-break:break-all}
@media print{body{margin:0;max-width:none;font-size:11px}tr{break-inside:avoid}}
"""


def readme(pack: "Pack") -> str:
    """Write how to read, check and answer a pack."""
    tables = "\n".join(
        f"| `{name}.jsonl`, `{name}.csv` | {_first(row.__doc__)} | {pack.figures.rows[name]} |"
        for name, row in TABLES.items()
    )
    columns = "\n\n".join(
        f"`{name}`: {', '.join(f'`{column}`' for column in row.__struct_fields__)}."
        for name, row in TABLES.items()
    )
    return f"""# Evidence pack: {pack.provider}

What {pack.operator or "the monitor's operator"} said to this provider, what was seen, and how each case stands.
Evidence up to {pack.cutoff}; spells {_period(pack)}.
A case is one URL; its id is a keyed digest that only the operator can turn back.
No URL and no host name stands in this pack.

| file | one line is | lines |
| --- | --- | --- |
{tables}
| `methodology.json` | The definition that every figure was made by; its SHA-256 is the digest in `pack.json`. | |
| `methodology-full.json` | The same with every default spelled out. | |
| `pack.json` | What the pack is about, its figures, its digests. | |
| `summary.html` | The same on one page. | |

The `.jsonl` files are to the letter; in the `.csv` files a text that a spreadsheet would run as a formula has an
apostrophe before it.
Every instant is UTC, with microseconds.
`removed_after` and `removed_by` bound the removal: online at the one, gone at the other, not known between.
A notice is `sent`, `delivered`, `failed` (with its reason and whose fault that is) or `acknowledged`.
One that failed starts no clock; `delayed_at` is no failure.
`fates` has every word on a notice with its own time, `escalations` who further was told, which starts no clock.
Looks that could not be made are listed as `missed`, with the reason.

{columns}

## Check it

    sha256sum --check {SUMS}
    openssl pkeyutl -verify -rawin -pubin -inkey operator.pem -in {SUMS} -sigfile {SIGNATURE}

or `takedown evidence verify PACK --public-key operator.pem`, which also finds added files and a changed zip.
Get the public key on another way than this pack; its fingerprint is `{pack.signing_key}`.
`ledger_digest` in `pack.json` is over the state of these cases, their sealed URLs left out.
The operator gets the same bytes again from the same evidence, definition and cut-off.

## Right of reply

You may dispute anything here{f", to {pack.contact}" if pack.contact else ""}.
Name the case id, the line, and what you hold against it.
Send your own list of notices (notice or case id, when received, when removed) to have both sides compared.
If you are right, a correction is added to the record with who made it and why, every figure is computed anew from
then on, and the next pack shows it under `corrections`.
Nothing is deleted: what was said before, and that it was corrected, both stay visible.
"""


def _first(doc: str | None) -> str:
    return (doc or "").strip().partition("\n")[0]


def _period(pack: "Pack") -> str:
    if pack.since is None and pack.until is None:
        return "of any time"
    return f"whose clock started (or that opened) from {pack.since or 'the first'} to before {pack.until or 'the last'}"


def summary(pack: "Pack", method: Methodology, shown: Mapping[str, Sequence[SpellRow]]) -> str:
    """Write the page: self-contained, without scripts, printable."""
    title = f"Evidence pack: {escape(pack.provider)}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>{_STYLE}</style></head>
<body>
<h1>{title}</h1>
<p>By {escape(pack.operator or "the monitor's operator")}. Evidence up to {pack.cutoff}; spells {_period(pack)}.
{pack.figures.cases} cases, named by keyed ids; no URL and no host name stands here.</p>
<h2>The definition</h2>
{_definition(pack, method)}
<h2>The figures</h2>
{_figures(pack.figures, method)}
{_listing("Certain breaches", shown["certain_breaches"], pack.figures.certain_breaches)}
{_listing("Undecided", shown["undecided"], pack.figures.undecided)}
<h2>Right of reply</h2>
<p>Everything here may be disputed{escape(f", to {pack.contact}") if pack.contact else ""}: name the case id and
the line. A correction is added with who made it and why, and changes every figure from then on; nothing is deleted.
README.md says how to check and to answer this pack.</p>
<h2>Digests</h2>
<p>Definition <code>{pack.methodology_digest}</code><br>Cases <code>{pack.ledger_digest}</code><br>
Signing key <code>{pack.signing_key}</code></p>
</body>
</html>
"""


def _definition(pack: "Pack", method: Methodology) -> str:
    norms = ", ".join(
        [method.norm, *(f"{v} for {escape(k)}" for k, v in sorted(method.norms.items()))]
    )
    confirmed = method.confirmation
    rows = [
        ("Methodology", f"{escape(method.title)} ({pack.methodology}, version {method.version})"),
        ("The clock starts at", _STARTS[method.clock_start]),
        ("The norm", norms),
        ("The norm runs", _runs(method)),
        (
            "A removal is confirmed by",
            f"{confirmed.looks} looks in a row over {confirmed.span} or more, "
            f"from {confirmed.vantages} vantage{'s' if confirmed.vantages > 1 else ''} or more",
        ),
        ("Outside n", escape(", ".join(method.exclude).replace("_", " ")) or "nothing"),
        ("Too few to give a share", f"fewer than {method.minimum_n} spells"),
    ]
    return _table([f"<th>{name}</th><td>{value}</td>" for name, value in rows])


def _runs(method: Methodology) -> str:
    if method.calendar == "elapsed":
        return "day and night"
    return f"in the hours of business of {escape(method.time_zone)} (methodology.json)"


def _figures(figures: "Figures", method: Methodology) -> str:
    rows = [(name, str(getattr(figures, field))) for name, field in _COUNTS]
    rows.append(("share within the norm", _share(figures, method)))
    rows += [
        (f"outside n: {escape(reason).replace('_', ' ')}", str(count))
        for reason, count in figures.excluded.items()
    ]
    rows += [(f"notices {state}", str(count)) for state, count in figures.notices.items()]
    rows += [(f"no clock: {_why(why)}", str(count)) for why, count in figures.no_clock.items()]
    rows += [
        (f"escalated to the {to.replace('_', ' ')}", str(n))
        for to, n in figures.escalations.items()
    ]
    contacts = sum(one.contacts for one in figures.channels)
    dead = sum(one.undeliverable_contacts for one in figures.channels)
    rows.append(("contacts that take no mail, of those that are noted", f"{dead} of {contacts}"))
    hours = f"{figures.exposure_lower_hours:.1f} to {figures.exposure_upper_hours:.1f}"
    rows.append(("hours that known material stayed online", hours))
    rows += [
        ("looks, made or missed", str(figures.rows["looks"])),
        ("corrections", str(figures.rows["corrections"])),
        ("holds", str(figures.rows["holds"])),
    ]
    return _table([f'<td>{name}</td><td class="n">{value}</td>' for name, value in rows])


def _why(key: str) -> str:
    """Write why no clock runs: the reason of the last failure and whose fault it was, or the word."""
    fault, _, reason = key.rpartition(":")
    return f"{reason} ({fault})" if fault else key.replace("_", " ")


def _share(figures: "Figures", method: Methodology) -> str:
    if figures.lower is None or figures.upper is None:
        return f"too few: fewer than {method.minimum_n}"
    return shares((figures.lower, figures.upper))


def _listing(title: str, rows: Sequence[SpellRow], total: int) -> str:
    if not rows:
        return f"<h2>{title}</h2>\n<p>None.</p>"
    more = (
        f"<p>The first {len(rows)} of {total}; spells.csv has all.</p>" if len(rows) < total else ""
    )
    head = "<th>case</th><th>spell</th><th>clock started</th><th>deadline</th><th>why</th>"
    lines = [
        f"<td><code>{row.case_id}</code></td><td>{row.spell}</td><td>{row.clock_started_at}</td>"
        f"<td>{row.deadline}</td><td>{escape(row.explanation)}</td>"
        for row in rows
    ]
    return f"<h2>{title}</h2>\n{more}{_table([head, *lines])}"


def _table(lines: Sequence[str]) -> str:
    return "<table>\n" + "\n".join(f"<tr>{line}</tr>" for line in lines) + "\n</table>"
