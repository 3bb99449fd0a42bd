"""The software bill of materials lists what the locks pin, and nothing else."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts import sbom
from services.runtime.embedded.jars.lock import read_lock


@pytest.fixture(scope="module")
def bill(tmp_path_factory):
    """The bill of this tree."""
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    assert sbom.main([str(path)]) == 0
    return json.loads(path.read_text())


def test_it_lists_every_locked_package_and_jar(bill):
    """Each with its version and the hashes of the lock."""
    listed = {one["purl"]: one for one in bill["components"]}
    lock = (Path(sbom.ROOT) / "requirements" / "runtime.lock").read_text()
    pins = [line for line in lock.splitlines() if "==" in line and not line.startswith(" ")]
    assert len(listed) == len(pins) + len(read_lock())
    assert all(one["hashes"] for one in listed.values())
    jar = next(jar for jar in read_lock() if jar.coordinate.startswith("org.apache.kafka:kafka_"))
    group, name, version = jar.coordinate.split(":")
    digests = {one["content"] for one in listed[f"pkg:maven/{group}/{name}@{version}"]["hashes"]}
    assert digests == {jar.sha256}


def test_it_is_what_the_schema_asks_for(bill):
    """Whoever reads it by the schema of CycloneDX 1.6 finds no fault, and no field of its own."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_it_is_a_function_of_the_locks(bill):
    """The same tree gives the same bill: no instant and no dice are in it; the form is CycloneDX 1.6."""
    again = json.loads(sbom.JsonV1Dot6(sbom.bill()).output_as_string())
    assert again == bill
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["name"] == "takedown-monitor"
