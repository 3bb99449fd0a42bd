"""Hypothesis profiles (derandomised in CI, `--hypothesis-profile=long` by hand); commands without servers."""

import os

import pytest
from click.testing import CliRunner
from hypothesis import settings

from services.cli import app
from services.runtime import keyfile, logging

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("long", max_examples=5000, deadline=None)
settings.register_profile("default", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command on an empty data directory, with no other setting."""
    for name in list(os.environ):
        if name.startswith("TAKEDOWN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path))
    # The log of a whole test run is not a command's to redirect.
    monkeypatch.setattr(logging, "configure", lambda *_, **__: None)
    monkeypatch.setattr(logging, "silence", lambda _: None)
    return lambda *arguments, **more: CliRunner().invoke(app.cli, arguments, **more)


@pytest.fixture
def keyring(tmp_path):
    """Keys where the commands look for them."""
    keyfile.write_keys(tmp_path / "keys.toml", keyfile.new_keys())
    return keyfile.read_keys(tmp_path / "keys.toml").keyring()
