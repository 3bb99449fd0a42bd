"""RDAP answers of the kinds that registries give, as small as they can be."""

import json
from typing import Any


def entity(*roles: str, mail: object = (), **more: Any) -> dict[str, Any]:
    """Make an entity with its roles and mailboxes."""
    boxes = [mail] if isinstance(mail, str) else list(mail)  # type: ignore[call-overload]
    card = [["version", {}, "text", "4.0"], *(["email", {}, "text", box] for box in boxes)]
    return {"objectClassName": "entity", "roles": list(roles), "vcardArray": ["vcard", card]} | more


def network(*entities: Any, **more: Any) -> bytes:
    """Make the answer for 192.0.2.0/24, with `more` in place of what it has."""
    answer = {
        "objectClassName": "ip network",
        "startAddress": "192.0.2.0",
        "endAddress": "192.0.2.255",
        "entities": list(entities),
    }
    kept = {k: v for k, v in (answer | more).items() if v is not None}
    return json.dumps(kept).encode()
