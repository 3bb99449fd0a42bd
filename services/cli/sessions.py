"""One connection to the ledger for the length of a command, in one role."""

from services.ledger.pool import session_of

__all__ = ["session_of"]
