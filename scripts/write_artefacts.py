"""The files that are generated and committed: JSON Schemas, AsyncAPI, OpenAPI, references, diagrams, the dashboards.

`python -m scripts.write_artefacts` writes them; a test compares.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import yaml

from consumers.client import role_rights
from deploy import metrics_reference
from deploy.grafana import dashboard
from schemas import topics
from schemas.events import TYPE_OF, TYPES, Payload
from schemas.topics import Topic
from services.core import machine_diagrams
from services.intake.door import openapi
from services.runtime.settings import settings_reference

HERE = Path(__file__).parent.parent / "schemas"
VERSION = "1.0.0"


def json_schemas() -> dict[str, str]:
    """Give every event type's JSON Schema (2020-12) as file name -> text."""
    return {
        f"{name}.json": json.dumps(_schema(name, struct), indent=2, sort_keys=True) + "\n"
        for name, struct in TYPES.items()
    }


def _schema(name: str, struct: type[Payload]) -> dict[str, Any]:
    (body,), parts = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:takedown:schema:{name}",
        "title": name,
        **body,
        "$defs": parts,
    }


def asyncapi() -> str:
    """Give the AsyncAPI 3.0 document as YAML."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "takedown-monitor",
            "version": VERSION,
            "description": "The streams of takedown-monitor. Every record is keyed by case id.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {_name(topic): _channel(topic) for topic in topics.TOPICS},
        "operations": _operations(),
        "components": {"messages": {_short(s): _message(s) for s in TYPES.values()}},
    }
    return yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def _name(topic: Topic) -> str:
    return topic.name.split(".")[1]


def _short(struct: type[Payload]) -> str:
    return struct.__name__


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {
            _short(s): {"$ref": f"#/components/messages/{_short(s)}"} for s in topic.carries
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topics.DEFAULT_PARTITIONS,
                "topicConfiguration": {
                    "cleanup.policy": [topic.config["cleanup.policy"]],
                    "retention.ms": int(topic.config["retention.ms"]),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(struct: type[Payload]) -> dict[str, Any]:
    name = TYPE_OF[struct]
    return {
        "name": name,
        "title": (struct.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "headers": {"type": "object", "properties": {"ce_type": {"const": name}}},
        "payload": {"$ref": f"./jsonschema/{name}.json"},
        "bindings": {
            "kafka": {
                "key": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _operations() -> dict[str, Any]:
    flows = (
        ("receiveReports", "receive", topics.REPORTS),
        ("receiveObservations", "receive", topics.OBSERVATIONS),
        ("sendObservations", "send", topics.OBSERVATIONS),
        ("sendWatchlist", "send", topics.WATCHLIST),
        ("receiveWatchlist", "receive", topics.WATCHLIST),
        ("sendOutcomes", "send", topics.OUTCOMES),
    )
    return {
        name: {"action": action, "channel": {"$ref": f"#/channels/{_name(topic)}"}}
        for name, action, topic in flows
    }


def files() -> dict[Path, str]:
    """Give every generated file with its text."""
    schemas = {HERE / "jsonschema" / name: text for name, text in json_schemas().items()}
    return schemas | {
        HERE / "asyncapi.yaml": asyncapi(),
        HERE / "openapi.yaml": yaml.safe_dump(
            openapi.document(), sort_keys=False, width=100, allow_unicode=True
        ),
        HERE.parent / "docs" / "machines.md": machine_diagrams.reference(),
        HERE.parent / "docs" / "settings.md": settings_reference(),
        **dashboard.files(),
        metrics_reference.PATH: metrics_reference.text(),
        HERE.parent / "deploy" / "kafka" / "rights.txt": role_rights.table(),
    }


def write() -> None:
    """Write every generated file."""
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
