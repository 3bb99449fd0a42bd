"""The AsyncAPI document against AsyncAPI's own schema."""

import json
import os
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from scripts.write_artefacts import HERE
from tests.servers import unavailable

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def specification() -> dict[str, object]:
    """AsyncAPI 3.0's JSON Schema (Draft 7), fetched once through npm by `make tools`."""
    command = [str(ROOT / "scripts" / "asyncapi-schema")]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    path = done.stdout.strip()
    if done.returncode or not path:
        unavailable("AsyncAPI's schema", done.stderr.strip())
    found: dict[str, object] = json.loads(Path(path).read_text())
    return found


@pytest.fixture(scope="module")
def document() -> dict[str, object]:
    """Our document with the event schemas that it refers to put in their places."""
    made: dict[str, object] = yaml.safe_load((HERE / "asyncapi.yaml").read_text())
    return made


def test_the_document_is_valid_asyncapi(
    specification: dict[str, object], document: dict[str, object]
) -> None:
    """schemas/asyncapi.yaml fits AsyncAPI 3.0."""
    jsonschema.Draft7Validator(specification).validate(document)


def test_a_wrong_document_is_rejected(
    specification: dict[str, object], document: dict[str, object]
) -> None:
    """The schema rejects a wrong action, so the test above can fail."""
    wrong = json.loads(json.dumps(document))
    wrong["operations"]["sendOutcomes"]["action"] = "shout"
    assert not jsonschema.Draft7Validator(specification).is_valid(wrong)


def test_every_reference_leads_somewhere(document: dict[str, object]) -> None:
    """Each payload that the document refers to is a committed JSON Schema."""
    messages = document["components"]["messages"]  # type: ignore[index]
    for message in messages.values():
        assert (HERE / message["payload"]["$ref"]).exists()
