"""Knock at Kafka's door before work begins.

A client of aiokafka takes a refused login for a broker that is away: it logs the reason and raises
`KafkaConnectionError`, which waiting would have to be tried on for ever. One connection of our own tells.
"""

import ssl

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError

from consumers.client.connection import KafkaConnection
from consumers.client.retry import is_transient

_TIMEOUT_MS = 5_000


async def check_login(kafka: KafkaConnection) -> None:
    """Return once a broker has let us in.

    Raises the client's error where one refuses us (`SaslAuthenticationFailed`, an
    `ssl.SSLCertVerificationError`, ...), and `KafkaConnectionError` where none answers.
    """
    options = kafka.client_options()
    for host, port, _ in collect_hosts(options.pop("bootstrap_servers")):
        try:
            connection = await create_conn(host, port, request_timeout_ms=_TIMEOUT_MS, **options)
        except ssl.SSLCertVerificationError:
            raise
        except (KafkaError, OSError, TimeoutError) as error:
            if not is_transient(error):
                raise
        else:
            connection.close()
            return
    raise KafkaConnectionError("no broker answers")
