"""Fetch Kafka's jars, prepare its start, or write their lock anew.

python -m services.runtime.embedded.jars fetch    # have them, fetching if need be; print the folder
python -m services.runtime.embedded.jars prepare  # the same, and make Kafka's start files of them, once
python -m services.runtime.embedded.jars lock     # resolve the roots anew and rewrite the lock
"""

import asyncio
import sys
from functools import partial

import click
import structlog

from schemas.errors import TakedownError
from services.runtime.embedded.jars import maven
from services.runtime.embedded.jars.cache import JarSources, have_jars
from services.runtime.embedded.jars.lock import LOCK_FILE
from services.runtime.embedded.kafka_rehearsal import have_start_files


def main(arguments: list[str]) -> int:
    """Run `fetch`, `prepare` or `lock`; return the exit status."""
    try:
        match arguments:
            case ["fetch"]:
                click.echo(have_jars(JarSources.from_environment()))
            case ["prepare"]:
                _prepare(JarSources.from_environment())
            case ["lock"]:
                click.echo(f"{LOCK_FILE.name}: {maven.write_lock()} jars")
            case _:
                click.echo(__doc__, err=True)
                return 2
    except TakedownError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except KeyboardInterrupt:
        click.echo("Interrupted; nothing was kept.", err=True)
        return 130
    return 0


def _prepare(sources: JarSources) -> None:
    # Standard output is the folder.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    click.echo(have_jars(sources))
    asyncio.run(have_start_files(sources, partial(click.echo, err=True)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
