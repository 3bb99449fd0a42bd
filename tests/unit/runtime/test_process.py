"""What a role's process asks of its system."""

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from services.runtime.role_process import raise_open_files
soft, hard = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
raise_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "after"), [(256, 2048, "2048 2048"), (1024, 1024, "1024 1024")]
)
def test_a_role_takes_the_open_files_that_it_may(soft: int, hard: int, after: str) -> None:
    """A shell's soft limit is raised to the hard one: without files every look would fail by our own fault."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(soft), str(hard)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == after
