"""The jars of Apache Kafka, pinned by a lock that names every file and no address."""

from services.runtime.embedded.jars.cache import (
    JarSources,
    JarsUnavailable,
    cache_dir,
    cached_folder,
    have_jars,
)
from services.runtime.embedded.jars.lock import JarsTampered, read_lock

__all__ = [
    "JarSources",
    "JarsTampered",
    "JarsUnavailable",
    "cache_dir",
    "cached_folder",
    "have_jars",
    "read_lock",
]
