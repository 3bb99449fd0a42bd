"""Who looks: the precondition of live probing (G6) and what requests say of us (G8)."""

from importlib import metadata

from schemas.errors import ConfigError

NEUTRAL_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def require_identity(operator: str | None, contact: str | None, legal_basis: str | None) -> None:
    """Refuse to look at public addresses until somebody answers for it.

    Raises `ConfigError` that names every setting that is missing.
    """
    texts = {"operator": operator, "contact": contact, "legal_basis": legal_basis}
    missing = [name for name, value in texts.items() if value is None or not value.strip()]
    if missing:
        raise ConfigError(
            f"looking at public addresses needs {', '.join(missing)}; "
            "set who operates the prober, whom to write to, and the law or memorandum that allows it"
        )


def identified_agent(operator: str | None, contact: str | None) -> str:
    """Write the User-Agent of an identified look: the program, the operator and whom to write to."""
    about = "; ".join(_plain(part) for part in (operator, contact) if part)
    program = f"takedown-monitor/{metadata.version('takedown-monitor')}"
    return f"{program} (+{about})" if about else program


def _plain(text: str) -> str:
    """Keep a setting from breaking out of the header."""
    return "".join(c for c in text if c.isprintable() and c not in "()\\").strip()
