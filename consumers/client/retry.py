"""Waiting out what passes of Kafka and the network: capped back-off, and which errors are worth it."""

import asyncio
from collections.abc import Iterator

from aiokafka import errors as kafka

# A second attempt gets the same answer: the operator has to change something.
_PERMANENT_KAFKA: tuple[type[BaseException], ...] = (
    kafka.AuthenticationFailedError,
    kafka.AuthenticationMethodNotSupported,
    kafka.SaslAuthenticationFailed,
    kafka.UnsupportedSaslMechanismError,
    kafka.ClusterAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.TopicAuthorizationFailedError,
    kafka.UnsupportedVersionError,
    kafka.InvalidTopicError,
    kafka.MessageSizeTooLargeError,
    kafka.RecordTooLargeError,
    kafka.RecordListTooLargeError,
)


def is_transient(error: BaseException) -> bool:
    """Tell whether an error of Kafka or of the network may pass by itself."""
    if isinstance(error, kafka.KafkaError):
        return not isinstance(error, _PERMANENT_KAFKA)
    return isinstance(error, OSError | TimeoutError)


def delays(first: float = 0.1, cap: float = 5.0) -> Iterator[float]:
    """Give ever longer waits in seconds, without end; what ends an outage is noticed within the longest."""
    delay = first
    while True:
        yield delay
        delay = min(delay * 2, cap)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
