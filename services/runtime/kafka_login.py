"""Turn settings into a connection to Kafka, without the imports of the database's connections."""

from consumers.client.connection import KafkaConnection
from schemas.errors import ConfigError
from services.runtime.settings import Settings


def kafka_connection(settings: Settings, client_id: str = "takedown-monitor") -> KafkaConnection:
    """Return the connection to Kafka; its address must be set (`endpoints.connected`)."""
    kafka = settings.kafka
    if kafka.bootstrap_servers is None:
        raise ConfigError("TAKEDOWN_KAFKA_BOOTSTRAP_SERVERS is not set, and no `takedown up` runs")
    return KafkaConnection(
        bootstrap_servers=kafka.bootstrap_servers,
        security_protocol=kafka.security_protocol,
        sasl_mechanism=kafka.sasl_mechanism,
        sasl_username=kafka.sasl_username,
        sasl_password=kafka.sasl_password,
        ssl_cafile=kafka.ssl_cafile,
        ssl_certfile=kafka.ssl_certfile,
        ssl_key_file=kafka.ssl_key_file,
        ssl_key_password=kafka.ssl_key_password,
        client_id=client_id,
    )
