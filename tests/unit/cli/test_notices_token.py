"""`takedown notices token`: what a mail system needs to send a notice that is known again."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from services.cli import app
from services.notices.tokens import token
from services.runtime import keyfile


def test_a_token_is_printed_with_its_return_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Token, return path and Message-ID follow from the notice id and the operator's key."""
    made = keyfile.KeyFile(naming="6b" * 32, active="k1", sealing={"k1": "73" * 32})
    keyfile.write_keys(tmp_path / "keys.toml", made)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TAKEDOWN_NOTICES_ADDRESS", "notices@hotline.example")
    result = CliRunner().invoke(app.cli, ["notices", "token", "n-1", "--json"])
    name = token(b"k" * 32, "n-1")
    assert json.loads(result.stdout) == {
        "token": name,
        "return_path": f"notices+{name}@hotline.example",
        "message_id": f"<{name}@hotline.example>",
    }


@pytest.mark.parametrize(
    "address", ["nobody", "notices+more@hotline.example", "a b@hotline.example"]
)
def test_an_address_that_can_t_take_a_token_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address without a domain, or with a `+` of its own, is an error that shows a good one."""
    made = keyfile.KeyFile(naming="6b" * 32, active="k1", sealing={"k1": "73" * 32})
    keyfile.write_keys(tmp_path / "keys.toml", made)
    monkeypatch.setenv("TAKEDOWN_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app.cli, ["notices", "token", "n-1", "--address", address])
    assert result.exit_code != 0
    assert "notices@hotline.example" in result.output
