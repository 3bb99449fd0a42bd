"""`takedown doctor`: check everything this program needs, and say what to do."""

import click
import msgspec

from services.cli.support import CHECK_FAILED, json_option, now, print_json, run_async
from services.runtime import logging
from services.runtime.checkup import examine
from services.runtime.findings import Finding
from services.runtime.settings import load

_WORDS = {"ok": "OK", "failed": "FAILED", "note": "note"}
_COLOURS = {"ok": "green", "failed": "red", "note": "yellow"}


@click.command()
@click.option(
    "--ask",
    multiple=True,
    metavar="HOST:PORT",
    help="Also ask a role that `takedown run` started, at its metrics address; repeatable.",
)
@json_option
def command(ask: tuple[str, ...], as_json: bool) -> int:
    """Check everything this program needs, and print what to do.

    The monitor that runs is asked for its own settings: those of this shell count only while none runs.
    Exit status 5 if a check failed. A note is not a failure: it names what is not in use.
    """
    settings = load()
    logging.configure(msgspec.structs.replace(settings.log, level="error", format="console"))
    findings = run_async(lambda: examine(settings, now, ask))
    if as_json:
        print_json(findings)
    else:
        _print(findings)
    return CHECK_FAILED if any(f.state == "failed" for f in findings) else 0


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        word = click.style(_WORDS[finding.state].ljust(6), fg=_COLOURS[finding.state])
        click.echo(f"{word}  {finding.check.ljust(width)}  {finding.message}")
