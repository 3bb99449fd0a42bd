"""What a command loads before it does anything: whoever asks for little waits for little."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = frozenset(
    {"aiohttp", "aiokafka", "asyncio", "asyncpg", "numpy", "rich", "structlog", "uvloop"}
)
_LOADED = (
    "import sys; from services.cli import app; app.main(sys.argv[1:]); "
    "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
)


@pytest.mark.parametrize("arguments", [["--help"], ["case", "--help"], ["case", "id"]])
def test_a_small_command_loads_no_client(arguments: list[str], tmp_path: Path) -> None:
    """Neither the help nor the name of a case needs an event loop, a client, or the field's statistics."""
    command = [sys.executable, "-c", _LOADED]
    environment = {"TAKEDOWN_DATA_DIR": str(tmp_path), "PATH": ""}
    if arguments == ["case", "id"]:
        made = subprocess.run(
            [*command, "keys", "new"], cwd=ROOT, env=environment, capture_output=True, check=True
        )
        assert made.returncode == 0
    done = subprocess.run(
        [*command, *arguments],
        cwd=ROOT,
        env=environment,
        input="http://a.example/x\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.split()[0]) == 32 or "Usage" in done.stdout
    assert HEAVY.isdisjoint(done.stderr.split())
