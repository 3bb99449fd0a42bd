"""A port that is in use is found before anything is made."""

import socket
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from services.runtime.installation import Installation
from services.runtime.settings import Http, Settings


async def test_a_busy_port_is_found_before_keys_and_servers(tmp_path: Path) -> None:
    """`up` names the role, the port and the setting; it made no key and started no server."""
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        settings = Settings(data_dir=str(tmp_path), http=Http(port=port))
        with pytest.raises(ConfigError, match=rf"exporter cannot listen on .*:{port} .*HTTP_PORT"):
            async with Installation(settings, ["exporter", "ledger"], say=said.append):
                pass
    assert said == []
    assert {path.name for path in tmp_path.iterdir()} <= {"up.lock"}
