"""What went wrong in an exchange, as a reason code: whose fault it is decides the verdict."""

import errno
import ssl

import aiohttp
import structlog

from services.probing.guard.guard import RefusedAddress
from services.probing.http.egress import EgressFailed
from services.probing.http.header_handler import Attempt, Flood

log = structlog.get_logger(__name__)

_ERRNO = {
    errno.ECONNREFUSED: "connect_refused",
    errno.ECONNRESET: "blocked_reset",
    errno.EPIPE: "blocked_reset",
    errno.ECONNABORTED: "blocked_reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.ETIMEDOUT: "connect_timeout",
}

_NAME_UNKNOWN = "TLSV1_UNRECOGNIZED_NAME"
_FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (RefusedAddress, "address_refused"),
    (aiohttp.ServerDisconnectedError, "disconnected"),
    (aiohttp.ClientSSLError, "tls_failed"),
    (ssl.SSLError, "tls_failed"),
)


def fault_of(error: Exception, attempt: Attempt) -> str:
    """Give an exception its reason code."""
    if isinstance(error, Flood | EgressFailed):
        return error.reason
    # What broke a connection later than its handshake, aiohttp hides behind an error of its own.
    errors = (error, error.__cause__)
    if any(getattr(one, "reason", None) == _NAME_UNKNOWN for one in errors):
        return "tls_unrecognized_name"
    for kind, reason in _FAULTS:
        if any(isinstance(one, kind) for one in errors):
            return reason
    if isinstance(error, TimeoutError):
        return _timeout(attempt)
    if isinstance(error, OSError):
        return _os_fault(error, attempt)
    if not isinstance(error, aiohttp.ClientError | ValueError):
        log.warning("look.answer_unreadable", error=type(error).__name__)
    return "bad_response"


def _timeout(attempt: Attempt) -> str:
    handler = attempt.handler
    if handler is None:
        return "connect_timeout"
    if handler.made_at is None:
        return "tls_timeout"
    return "response_timeout" if handler.first_byte_at is None else "blocked_tarpit"


def _os_fault(error: OSError, attempt: Attempt) -> str:
    reason = _ERRNO.get(error.errno or 0)
    if reason is not None:
        return reason
    # A TLS handshake that the far side cuts has no errno of its own.
    in_handshake = attempt.handler is not None and attempt.handler.made_at is None
    return "blocked_reset" if in_handshake else "connect_failed"
