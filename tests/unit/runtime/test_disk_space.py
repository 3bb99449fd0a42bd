"""What is free on the disk of the data directory is a metric."""

import shutil
from pathlib import Path

from services.exporter import metrics
from services.runtime.disk_space import watch_disk
from services.runtime.settings import Settings


def test_every_scrape_asks_the_file_system(tmp_path: Path) -> None:
    """The gauge follows the disk, before the data directory exists too."""
    watch_disk(Settings(data_dir=str(tmp_path / "later")))
    value = metrics.REGISTRY.get_sample_value("takedown_disk_free_bytes")
    assert value is not None
    assert 0 < value <= shutil.disk_usage(tmp_path).total
