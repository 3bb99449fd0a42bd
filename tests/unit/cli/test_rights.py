"""`takedown rights` without a broker: the table, and principals that would give too much away."""

import json

import pytest
from click.testing import CliRunner

from consumers.client.role_rights import RIGHTS, Grant, grants
from services.cli import app


def test_the_list_needs_no_broker() -> None:
    """It has every right of every role."""
    shown = CliRunner().invoke(app.cli, ["rights", "list", "--json"])
    assert len(json.loads(shown.stdout)) == len(RIGHTS)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--principals", "User:takedown"], "needs {role} in it"),
        (["--principals", "{role}"], "reads User:NAME"),
        (["--principal", "exporter=User:x"], "is no role of"),
        (["--principal", "prober="], "reads User:NAME"),
        (["--principal", "prober=User:*"], "reads User:NAME"),
    ],
)
def test_a_principal_that_is_none_is_refused(words: list[str], why: str) -> None:
    """One login for all roles, everybody, and a role that Kafka does not know are refused before a broker is asked."""
    done = CliRunner().invoke(app.cli, ["rights", "apply", *words])
    assert (done.exit_code, why in done.stderr) == (2, True), done.output


def test_a_role_may_have_several_logins() -> None:
    """Each principal of a role gets all of its rights, and none of another's."""
    two = grants({"intake": ["User:a", "User:CN=b"]})
    assert {str(grant) for grant in two} == {
        "User:a Write topic takedown.reports.v1",
        "User:CN=b Write topic takedown.reports.v1",
    }
    denied = Grant("User:a", "Write", "topic", "x", "prefixed", "192.0.2.1", "deny")
    assert str(denied) == "User:a Write topic x* from 192.0.2.1 deny"
