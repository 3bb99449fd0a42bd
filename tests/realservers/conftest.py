"""The stage of a story: servers of Debian's, a name server, and one who looks."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.looksites import NameServer
from tests.realservers.stage import Stage
from tests.servers import REPOSITORY, unavailable


@pytest.fixture(scope="session")
def server_tree() -> Path:
    """Find the servers that `scripts/debian-servers` has unpacked."""
    script = REPOSITORY / "scripts" / "debian-servers"
    done = subprocess.run([script, "--cached"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        unavailable("the servers of scripts/debian-servers", done.stderr.strip())
    return Path(os.path.realpath(done.stdout.strip())).parent


@pytest.fixture
async def stage(server_tree: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    # pytest's own folders are closed to others, and Apache's workers are others where root runs it.
    folder = Path(tempfile.mkdtemp(prefix="takedown-story-"))
    folder.chmod(0o755)
    names = await NameServer({"pics.example": ["127.0.0.1"]}).start()
    made = Stage(folder, server_tree, names, request.node.name)
    try:
        yield made
    finally:
        await made.close()
        await names.stop()
        shutil.rmtree(folder)
