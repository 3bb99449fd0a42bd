"""Find a port that is in use before keys are made and servers started."""

from collections.abc import Sequence

from services.runtime.endpoints import published
from services.runtime.role_children import fixed_ports, refuse_taken
from services.runtime.settings import Settings


def refuse_busy(settings: Settings, roles: Sequence[str]) -> None:
    """Raise `ConfigError` where another program has the port of a role.

    Not asked after a kill: the roles that it left have their ports until they end, and a start waits for them later.
    """
    if not published(settings.data_path):
        refuse_taken(settings.http.host, fixed_ports(settings, roles))
