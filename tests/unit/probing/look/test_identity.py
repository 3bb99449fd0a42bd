"""Who looks, and what requests say of us."""

import pytest

from schemas.errors import ConfigError
from services.probing.look.identity import identified_agent, require_identity


def test_live_probing_needs_an_identity() -> None:
    """Without operator, contact and legal basis nothing public is looked at (G6)."""
    require_identity("Hotline", "desk@hotline.example", "Act 1")
    with pytest.raises(ConfigError, match="contact, legal_basis"):
        require_identity("Hotline", None, " ")


def test_the_agent_names_the_operator() -> None:
    """The User-Agent says whom to write to, and can't break out of its header."""
    agent = identified_agent("Hotline", "desk@hotline.example")
    assert agent.startswith("takedown-monitor/")
    assert "desk@hotline.example" in agent
    assert "\n" not in identified_agent("a\r\nX: y", "b)(c")
