"""The names of the consumer groups: who runs beside this program (tooling, retention) asks for them too."""

LEDGER_GROUP = "takedown-ledger"
ATTRIBUTION_GROUP = "takedown-attribution"


def prober_group(vantage: str) -> str:
    """Name the group of a vantage's probers: one per vantage, so that each makes all looks."""
    return f"takedown-prober.{vantage}"
