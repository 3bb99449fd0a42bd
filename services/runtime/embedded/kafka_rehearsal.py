"""Make Kafka's start files: one start and stop of a broker that holds nothing, in which the JVM writes its archive."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from services.runtime.embedded.data_dir_lock import ServerError
from services.runtime.embedded.jars import JarSources, have_jars
from services.runtime.embedded.kafka import EmbeddedKafka
from services.runtime.embedded.kafka_start_files import METADATA, StartFiles, start_files


async def have_start_files(sources: JarSources, say: Callable[[str], None]) -> None:
    """Make the files once, unless jars are the operator's own; a start without them is as good, and slower.

    Raises what `have_jars` raises.
    """
    files = start_files(sources)
    if files is None or files.complete:
        return
    await asyncio.to_thread(have_jars, sources)
    say("preparing Kafka's start, once ...")
    try:
        await _rehearse(sources, files)
    except (ServerError, OSError) as error:
        say(f"Kafka's start could not be prepared ({type(error).__name__}); it starts as it is")


async def _rehearse(sources: JarSources, files: StartFiles) -> None:
    with tempfile.TemporaryDirectory(prefix="takedown-kafka-") as folder:
        archive = Path(folder) / "classes.aot"
        broker = EmbeddedKafka(Path(folder) / "kafka", jars=sources, fetch=False, archive=archive)
        await broker.start()
        await broker.stop()
        files.keep(archive, broker.log_dir / METADATA)
