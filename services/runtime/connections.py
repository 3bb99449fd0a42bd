"""Turn settings into the connections that the layers below take."""

from services.runtime.database_login import database_connection
from services.runtime.kafka_login import kafka_connection

__all__ = ["database_connection", "kafka_connection"]
