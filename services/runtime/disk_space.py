"""Expose how much is free on the disk of the data directory: a full one stops Kafka and Postgres."""

import shutil

from services.exporter import metrics
from services.runtime import datadir
from services.runtime.settings import Settings


def watch_disk(settings: Settings) -> None:
    """Have every scrape ask the file system."""
    metrics.DISK_FREE_BYTES.set_function(lambda: free_bytes(settings))


def free_bytes(settings: Settings) -> float:
    """Return what is free where the data directory is, or will be."""
    return float(shutil.disk_usage(datadir.existing(settings.data_path)).free)
