"""What a group of settings is: typed fields with a sentence each, secrets that never print."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Bytes = Annotated[int, Meta(ge=1)]


def about(text: str, *, secret: bool = False) -> Meta:
    """Describe a setting for the reference."""
    return Meta(description=text, extra={"secret": secret})


class Section(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of a group of settings; secrets never print."""

    def __repr__(self) -> str:
        names = type(self).__struct_fields__
        shown = (f"{n}={'***' if self._hides(n) else repr(getattr(self, n))}" for n in names)
        return f"{type(self).__name__}({', '.join(shown)})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        names = type(self).__struct_fields__
        return [(n, "***" if self._hides(n) else getattr(self, n)) for n in names]

    def _hides(self, name: str) -> bool:
        field = next(f for f in msgspec.structs.fields(type(self)) if f.name == name)
        return (
            marked_secret(msgspec.inspect.type_info(field.type)) and getattr(self, name) is not None
        )


def marked_secret(kind: msgspec.inspect.Type) -> bool:
    """Tell whether a field of this kind holds a secret."""
    return bool(isinstance(kind, msgspec.inspect.Metadata) and (kind.extra or {}).get("secret"))
