"""Start Kafka as the image apache/kafka does: settings from KAFKA_*, storage formatted once."""

import os
import subprocess
from pathlib import Path

JAVA = ["/opt/java/bin/java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", "/opt/kafka/libs/*"]
_NOT_SETTINGS = {"KAFKA_HOME", "KAFKA_VERSION"}


def main() -> None:
    """Write the properties, format what is new, become the broker."""
    found = {
        n: v for n, v in os.environ.items() if n.startswith("KAFKA_") and n not in _NOT_SETTINGS
    }
    names = {name: name.removeprefix("KAFKA_").lower().replace("_", ".") for name in found}
    path = Path("/tmp/server.properties")
    path.write_text("".join(f"{names[name]}={value}\n" for name, value in found.items()))
    if not Path(found["KAFKA_LOG_DIRS"], "meta.properties").exists():
        cluster = os.environ["CLUSTER_ID"]
        format_words = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(path)]
        subprocess.run([*JAVA, *format_words], check=True)
    os.execv(JAVA[0], [*JAVA, "kafka.Kafka", str(path)])


main()
