"""The definition that the live ledger is folded under: what reads its clocks must judge them by no other."""

import click
import msgspec

from schemas.errors import ConfigError
from schemas.methodology import Methodology, shipped
from services.ledger.pool import DatabaseConnection, session_of
from services.ledger.queries import query
from services.runtime.methods import methodology
from services.runtime.settings import Settings


async def settings_of_ledger(settings: Settings, connection: DatabaseConnection) -> Settings:
    """Give the settings under the methodology of the ledger, and say so where this shell names another.

    Raises `ConfigError` where the ledger's is none that is shipped: only its file tells how to judge.
    """
    async with session_of(connection) as session:
        row = await session.fetchrow(query("methodology"))
    own = methodology(settings.methodology)
    if row is None or row["digest"] == own.digest:
        return settings
    named = f"the ledger is folded under {row['id']} version {row['version']}"
    here = f"this shell is set to {own.id} version {own.version}"
    method = _of_digest(row["digest"])
    if method is None:
        raise ConfigError(
            f"{named}, and {here}: set TAKEDOWN_METHODOLOGY to the file of the former"
        )
    click.echo(f"note: {named}, and {here}: shown under the former", err=True)
    return msgspec.structs.replace(settings, methodology=method.id)


def _of_digest(digest: str) -> Methodology | None:
    return next((one for one in shipped().values() if one.digest == digest), None)
