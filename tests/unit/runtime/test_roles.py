"""Which roles run, and what a prober's process holds."""

import subprocess
import sys

import pytest

from schemas.errors import ConfigError
from services.runtime.roles import ROLES, default_roles, refuse_to_start
from services.runtime.settings import load


@pytest.mark.parametrize(
    ("mode", "processes", "probers"),
    [("off", "3", 0), ("simulated", "1", 1), ("simulated", "3", 3)],
)
def test_up_runs_as_many_probers_as_asked(mode: str, processes: str, probers: int) -> None:
    """Looking that is off needs no prober; else their number is a setting, and every other role runs once."""
    found = default_roles(
        load(
            {
                "TAKEDOWN_PROBE_MODE": mode,
                "TAKEDOWN_PROBE_PROCESSES": processes,
                "TAKEDOWN_PROBE_NAMESERVERS": "127.0.0.1:53",
                "TAKEDOWN_INTAKE_TOKENS_FILE": __file__,
                "TAKEDOWN_ATTRIBUTION_CYMRU_ZONE": "asn.example",
            }
        )
    )
    assert found.count("prober") == probers
    assert sorted(set(found) - {"prober"}) == sorted(set(ROLES) - {"prober"})
    assert len(found) - probers == len(ROLES) - 1


def test_the_intake_runs_where_it_knows_reporters() -> None:
    """Without a file of tokens it is none of the roles, and refuses to start."""
    settings = load({})
    assert "intake" not in default_roles(settings)
    with pytest.raises(ConfigError, match="TAKEDOWN_INTAKE_TOKENS_FILE"):
        refuse_to_start(settings, "intake")


def test_a_prober_has_no_client_of_the_database() -> None:
    """The process that talks to hostile servers loads nothing that speaks to Postgres."""
    code = (
        "import sys, services.cli.run_command, services.runtime.prober_role; "
        "print([name for name in sys.modules if name.startswith(('asyncpg', 'services.ledger'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
