"""JSON Schemas for manifests, from the definitions of the Kubernetes API and of custom resources."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Schema = dict[str, Any]
# Types whose one word in the definitions stands for several forms.
_FORMS: dict[str, Schema] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["string", "integer"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["string", "number"]},
}


def write_schemas(sources: Path, into: Path) -> int:
    """Write a strict schema for each kind, named as kubeconform asks for it; say how many."""
    into.mkdir(parents=True, exist_ok=True)
    count = 0
    for name, schema in [*_of_the_api(sources / "kubernetes.json"), *_of_crds(sources / "crds")]:
        (into / f"{name}.json").write_text(json.dumps(schema))
        count += 1
    return count


def _file_name(kind: str, group: str, version: str) -> str:
    first = group.partition(".")[0]
    return "-".join(part for part in (kind.lower(), first, version.lower()) if part)


def _of_the_api(path: Path) -> Iterator[tuple[str, Schema]]:
    definitions: dict[str, Schema] = json.loads(path.read_text("utf-8"))["definitions"]
    strict = {name: _FORMS.get(name) or closed(one) for name, one in definitions.items()}
    for name, definition in definitions.items():
        for known in definition.get("x-kubernetes-group-version-kind", ()):
            reached = {one: strict[one] for one in _reachable(strict, name)}
            schema = {"$ref": f"#/definitions/{name}", "definitions": reached}
            yield _file_name(known["kind"], known["group"], known["version"]), schema


def _of_crds(folder: Path) -> Iterator[tuple[str, Schema]]:
    for path in sorted(folder.glob("*.yaml")):
        spec = yaml.safe_load(path.read_text("utf-8"))["spec"]
        for version in spec["versions"]:
            schema = closed(version["schema"]["openAPIV3Schema"])
            yield _file_name(spec["names"]["kind"], spec["group"], version["name"]), schema


def closed(schema: Any) -> Any:
    """Refuse what an object does not name, at every depth, unless the API keeps unknown fields."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    done = {name: closed(one) for name, one in schema.items()}
    named = isinstance(done.get("properties"), dict) and done.get("type", "object") == "object"
    if named and not schema.get("x-kubernetes-preserve-unknown-fields"):
        done.setdefault("additionalProperties", False)
    return done


def _reachable(definitions: dict[str, Schema], start: str) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _references(definitions[name])
    return reached


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)
    elif isinstance(schema, dict):
        if isinstance(target := schema.get("$ref"), str):
            yield target.rpartition("/")[2]
        for one in schema.values():
            yield from _references(one)
