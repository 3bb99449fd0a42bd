"""What the process of a role does without."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOLD = """
import os, sys
given = dict(os.environ)
from services.runtime.lean import spare
spare(sys.argv[1:])
assert given == dict(os.environ)
import ssl
import aiohttp.connector
import structlog
has_rich = any(name.startswith("rich.") for name in sys.modules)
held = aiohttp.connector._SSL_CONTEXT_VERIFIED.get_ca_certs()
print(has_rich, len(held), len(ssl.create_default_context().get_ca_certs()))
"""


@pytest.mark.parametrize("given", [{}, {"SSL_CERT_FILE": "{bundle}"}])
def test_a_role_holds_neither_rich_nor_the_systems_certificates(
    given: dict[str, str], tmp_path: Path
) -> None:
    """Other commands do (a report not for tracebacks); a context of a role's own finds all certificates as ever."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SSL_CERT")}
    if given:
        bundle = tmp_path / "bundle.pem"
        bundle.write_text("")
        environment["SSL_CERT_FILE"] = str(bundle)
    found = {}
    for command in ("run", "report", "case"):
        asked = [sys.executable, "-c", TOLD, command]
        done = subprocess.run(
            asked, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
        )
        found[command] = done.stdout.split()
    assert found["run"][:2] == ["False", "0"]
    assert (found["report"][0], found["case"][0]) == ("False", "True")
    assert found["run"][2] == found["case"][2] == found["case"][1]
