"""The servers of Debian that the stories are played on are there, and a machine without them is told."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

SCRIPT = REPOSITORY / "scripts" / "debian-servers"
MAILERS = REPOSITORY / "scripts" / "debian-mailers"
PACKAGES = {"nginx", "apache2-bin", "lighttpd", "haproxy", "varnish", "caddy", "nsd", "unbound"}


def test_each_server_says_its_version(server_tree: Path) -> None:
    """What was fetched is listed with its version, which no lock file holds."""
    done = subprocess.run([SCRIPT, "--versions"], capture_output=True, text=True, check=True)
    listed = dict(line.split() for line in done.stdout.splitlines())
    assert set(listed) >= PACKAGES
    assert all(version[0].isdigit() for version in listed.values())


@pytest.mark.parametrize("script", [SCRIPT, MAILERS], ids=lambda script: script.name)
def test_servers_that_are_not_there(tmp_path: Path, script: Path) -> None:
    """Where they are not in the cache, the error says what fetches them."""
    done = subprocess.run(
        [script, "--cached"],
        env=os.environ | {"TAKEDOWN_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"scripts/{script.name} fetches them" in done.stderr
