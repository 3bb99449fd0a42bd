"""Which commands run with logins of their own on a broker that checks rights: all that touch a server."""

from datetime import UTC, datetime
from pathlib import Path

from services.cli.app import COMMANDS
from tests.integration.command_logins import BY_THE_TEST, WITHOUT, changing, reading
from tests.integration.ledger_kit import KEYRING


def test_every_command_has_its_login_or_needs_none(tmp_path: Path) -> None:
    """A command that comes later is run with a login, or said to need no server."""
    groups = changing("a" * 32, KEYRING, tmp_path, datetime(2026, 1, 1, tzinfo=UTC))
    run = {one.words[0] for group in (*groups, reading("a" * 32, tmp_path)) for one in group}
    assert run | BY_THE_TEST | WITHOUT == set(COMMANDS)
    assert not WITHOUT & (run | BY_THE_TEST)
