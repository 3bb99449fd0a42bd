"""Fetch Kafka's jars, or write their lock anew.

python -m services.runtime.embedded.jars fetch    # have them, fetching if need be; print the folder
python -m services.runtime.embedded.jars lock     # resolve the roots anew and rewrite the lock
"""

import sys

import click

from schemas.errors import TakedownError
from services.runtime.embedded.jars import maven
from services.runtime.embedded.jars.cache import JarSources, have_jars
from services.runtime.embedded.jars.lock import LOCK_FILE


def main(arguments: list[str]) -> int:
    """Run `fetch` or `lock`; return the exit status."""
    try:
        match arguments:
            case ["fetch"]:
                click.echo(have_jars(JarSources.from_environment()))
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
