"""PostgreSQL and Apache Kafka, started by the monitor itself when it is given no addresses."""

from services.runtime.embedded.data_dir_lock import DataDirInUse, NeedsOperator, ServerError
from services.runtime.embedded.jars import JarSources, JarsTampered, JarsUnavailable
from services.runtime.embedded.kafka import EmbeddedKafka
from services.runtime.embedded.postgres import EmbeddedPostgres, PostgresMissing

__all__ = [
    "DataDirInUse",
    "EmbeddedKafka",
    "EmbeddedPostgres",
    "JarSources",
    "JarsTampered",
    "JarsUnavailable",
    "NeedsOperator",
    "PostgresMissing",
    "ServerError",
]
