"""`python -m tests.fuzzing`: what it does where a tool is missing."""

import importlib.util

import pytest

from services.runtime.embedded import PostgresMissing
from tests.fuzzing import __main__ as command


def test_a_missing_postgres_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where there is no server to start, nothing is run, and the status is that of a missing atheris."""

    def nowhere() -> None:
        raise PostgresMissing("PostgreSQL is not here")

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(command, "installed", nowhere)
    assert command.main(["codec", "sql"]) == 2
    assert "PostgreSQL is not here" in capsys.readouterr().err
