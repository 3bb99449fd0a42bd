"""The OpenAPI 3.1 document of the intake, from the structs that it reads and writes."""

from typing import Any

import msgspec

from services.intake.door.bodies import Receipt
from services.intake.door.door_operations import OPERATIONS, Operation
from services.intake.door.problems import KINDS, MEDIA_TYPE, Problem

VERSION = "1.0.0"
_REFERENCE = "#/components/schemas/{name}"
_PROBLEM = "#/components/schemas/Problem"
# Any operation may end so.
_STATUSES = (400, 401, 408, 413, 415, 422, 429, 500, 503)
_RETRIED = (429, 503)
_XARF = {
    "type": "object",
    "description": (
        "A XARF document of version 4 or 3, of the category `content`, without `evidence` and `screenshot_url`. "
        "The specification of XARF says what stands in it; the reporter is the one of the token."
    ),
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": (
        "A name of this request that the sender chooses. The same key with the same body has the same answer; "
        "with another body it is refused."
    ),
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


def document() -> dict[str, Any]:
    """Give the document."""
    bodies = [one.body for one in OPERATIONS.values() if one.body is not None]
    _, schemas = msgspec.json.schema_components(
        [*bodies, Receipt, Problem], ref_template=_REFERENCE
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "takedown-monitor intake",
            "version": VERSION,
            "description": (
                "Reports and notices from reporters that the operator knows. A statement is answered with 201 "
                "once it is recorded on all replicas. URLs are sealed at the door; content of any kind is refused."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": {one.path: {"post": _operation(one)} for one in OPERATIONS.values()},
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the operator (`takedown intake token`).",
                }
            },
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    return {
        "operationId": one.path.rpartition("/")[2],
        "summary": one.summary,
        "parameters": [_KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _body(one)}}},
        "responses": {
            "201": {
                "description": "Recorded.",
                "headers": {
                    "Idempotency-Replayed": {
                        "description": "`true`: the answer to an earlier request with this key.",
                        "schema": {"type": "string", "const": "true"},
                    }
                },
                "content": {
                    "application/json": {"schema": {"$ref": _REFERENCE.format(name="Receipt")}}
                },
            },
            **{str(status): _refusal(status) for status in _STATUSES},
        },
    }


def _body(one: Operation) -> dict[str, Any]:
    return _XARF if one.body is None else {"$ref": _REFERENCE.format(name=one.body.__name__)}


def _refusal(status: int) -> dict[str, Any]:
    titles = [title for of, title in KINDS.values() if of == status]
    refusal: dict[str, Any] = {
        "description": "; ".join(titles) + ".",
        "content": {MEDIA_TYPE: {"schema": {"$ref": _PROBLEM}}},
    }
    if status in _RETRIED:
        refusal["headers"] = {
            "Retry-After": {
                "description": "Seconds.",
                "schema": {"type": "string", "pattern": "^[0-9]+$"},
            }
        }
    return refusal
