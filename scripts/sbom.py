"""Write the software bill of materials (CycloneDX 1.6, JSON) from the locks: the packages, and Kafka's jars.

    python -m scripts.sbom [PATH]    default: build/sbom.json

A function of the locks: the same tree gives the same file.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from services.runtime.embedded.jars.lock import read_lock

ROOT = Path(__file__).parent.parent
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def packages(lock: str) -> Iterator[Component]:
    """Give the Python packages of a lock; each has the hashes of all its files."""
    for block in re.split(r"\n(?=\S)", lock):
        if match := _PIN.match(block):
            name, version = match["name"].lower().replace("_", "-"), match["version"]
            yield component(PackageURL("pypi", None, name, version), _HASH.findall(block))


def jars() -> Iterator[Component]:
    """Give Kafka's jars."""
    for jar in read_lock():
        group, name, version = jar.coordinate.split(":")[:3]
        yield component(PackageURL("maven", group, name, version), [jar.sha256])


def component(purl: PackageURL, digests: list[str]) -> Component:
    """Make a library of its address and hashes."""
    return Component(
        type=ComponentType.LIBRARY,
        group=purl.namespace,
        name=purl.name,
        version=purl.version,
        purl=purl,
        bom_ref=purl.to_string(),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in digests],
    )


def bill() -> Bom:
    """Make the bill of this tree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    name, version = project["name"], project["version"]
    lock = (ROOT / "requirements" / "runtime.lock").read_text()
    components = [*packages(lock), *jars()]
    names = " ".join(sorted(f"{c.bom_ref.value} {sorted(map(str, c.hashes))}" for c in components))
    listed = Bom(
        components=components, serial_number=uuid5(NAMESPACE_URL, f"{name} {version} {names}")
    )
    root = Component(type=ComponentType.APPLICATION, name=name, version=version, bom_ref=name)
    listed.metadata.component = root
    # The instant of writing would make every file another one.
    listed.metadata.timestamp = datetime(1970, 1, 1, tzinfo=UTC)
    listed.register_dependency(root, components)
    return listed


def main(arguments: list[str]) -> int:
    """Write the bill; give the exit status."""
    path = Path(arguments[0]) if arguments else ROOT / "build" / "sbom.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(JsonV1Dot6(bill()).output_as_string(indent=2) + "\n")
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
