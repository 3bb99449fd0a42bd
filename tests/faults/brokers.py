"""Two brokers of one cluster: while the second is away, its partitions have no leader."""

from dataclasses import dataclass
from pathlib import Path

from services.runtime.embedded import EmbeddedKafka
from services.runtime.embedded.kafka_start_files import StartFiles
from services.runtime.embedded.kept_file import write_kept
from services.runtime.embedded.server_process import ServerProcess, free_port

# So long only on a machine that does much else.
_FORMAT_SECONDS = 240.0
_READY_SECONDS = 240.0


class SecondBroker(EmbeddedKafka):
    """A broker without a controller, of the cluster that another one has made; that one has to be there."""

    first: EmbeddedKafka

    async def _format(self, jars: Path, properties: Path, files: StartFiles | None) -> None:
        kept = (self.first.data_dir / "records" / "meta.properties").read_text()
        cluster = next(
            line.partition("=")[2] for line in kept.splitlines() if line.startswith("cluster.id=")
        )
        tool = ServerProcess("Kafka's StorageTool", self.data_dir / "format.log")
        words = ["kafka.tools.StorageTool", "format", f"-t={cluster}", "-c", str(properties)]
        tool.spawn([*self._java(jars, []), *words], lock=self._lock)
        if await tool.wait(_FORMAT_SECONDS) != 0:
            raise tool.failure("could not format the data directory")


@dataclass
class Brokers:
    """Both brokers; `ports` has for each where it listens and where clients are told to go."""

    first: EmbeddedKafka
    second: SecondBroker
    ports: list[tuple[int, int]]

    async def start(self) -> None:
        """Start both."""
        await self.first.start()
        await self.second.start()

    async def stop(self) -> None:
        """Stop both."""
        await self.second.stop()
        await self.first.stop()


def two_brokers(folder: Path) -> Brokers:
    """Lay out two brokers whose clients go through a port of their own each."""
    controller, one, wire, other, other_wire, unused = _ports(6)
    first = EmbeddedKafka(
        _kept(folder / "kafka", one, controller),
        fetch=False,
        ready_seconds=_READY_SECONDS,
        properties={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{wire}"},
    )
    properties = {
        "process.roles": "broker",
        "node.id": "2",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{other}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{other_wire}",
    }
    second = SecondBroker(
        _kept(folder / "kafka-2", other, unused),
        fetch=False,
        ready_seconds=_READY_SECONDS,
        properties=properties,
    )
    second.first = first
    return Brokers(first, second, [(one, wire), (other, other_wire)])


def _ports(count: int) -> list[int]:
    taken: set[int] = set()
    while len(taken) < count:
        taken.add(free_port(frozenset(taken)))
    return sorted(taken)


def _kept(folder: Path, broker: int, controller: int) -> Path:
    folder.mkdir()
    write_kept(folder / "ports.json", {"broker": broker, "controller": controller})
    return folder
