"""Check that Kafka answers, through a client that is kept between checks."""

from aiokafka.admin import AIOKafkaAdminClient

from consumers.client.connection import KafkaConnection

_REQUEST_MS = 2_000


class KafkaCheck:
    """A check for /readyz; a client that failed is closed, and the next check makes a new one."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka
        self._admin: AIOKafkaAdminClient | None = None

    def __repr__(self) -> str:
        return f"<KafkaCheck connected={self._admin is not None}>"

    async def __call__(self) -> str:
        """Return the number of brokers as text; raises the client's error."""
        try:
            admin = await self._connected()
            cluster = await admin.describe_cluster()
        except BaseException:
            await self.close()
            raise
        return f"{len(cluster['brokers'])} brokers"

    async def close(self) -> None:
        """Close the client."""
        admin, self._admin = self._admin, None
        if admin is not None:
            await admin.close()

    async def _connected(self) -> AIOKafkaAdminClient:
        if self._admin is None:
            options = self._kafka.client_options()
            # Kept before it is started, so that one whose start fails is closed too.
            self._admin = AIOKafkaAdminClient(**options, request_timeout_ms=_REQUEST_MS)
            await self._admin.start()
        return self._admin
