"""Compare a lock file with an old copy of advisories, where no service that knows the new ones answers.

`python -m scripts.old_advisories LOCK ADVISORIES`: ADVISORIES is the `insecure_full.json` of the package safety-db.
Exit status 1 where a locked version is named, else 3: what an old copy does not name may have a fault all the same.
"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

AFFECTED, NOT_AUDITED = 1, 3
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)


class Advisory(NamedTuple):
    """One fault of one locked package."""

    package: str
    version: str
    id: str
    specifier: str


def locked(text: str) -> list[tuple[str, str]]:
    """Give name and version of every package of a lock file."""
    return [(str(canonicalize_name(name)), version) for name, version in _LOCKED.findall(text)]


def dated(advisories: Mapping[str, Any]) -> datetime:
    """Give the instant that a copy states of itself."""
    return datetime.fromtimestamp(advisories["$meta"]["timestamp"], UTC)


def affected(
    advisories: Mapping[str, Any], packages: Iterable[tuple[str, str]]
) -> Iterator[Advisory]:
    """Give every advisory that names a locked version; one that can't be read counts as naming it."""
    named = {
        str(canonicalize_name(name)): known for name, known in advisories.items() if name[0] != "$"
    }
    for name, version in packages:
        for known in named.get(name, ()):
            for specifier in known["specs"]:
                if _contains(specifier, version):
                    yield Advisory(name, version, known["id"], specifier)


def _contains(specifier: str, version: str) -> bool:
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except InvalidSpecifier:
        return True


def main(lock: str, copy: str, now: datetime) -> int:
    """Say how old the copy is, how much it knows, and what it names."""
    advisories = json.loads(Path(copy).read_text("utf-8"))
    packages = locked(Path(lock).read_text("utf-8"))
    at, known = dated(advisories), {str(canonicalize_name(name)) for name in advisories}
    lines = [
        f"OLD COPY of {at:%Y-%m-%d}, {(now - at).days:,} days old: no service of today's advisories answers. "
        f"It has advisories of {sum(name in known for name, _ in packages)} of {len(packages)} locked packages."
    ]
    found = list(affected(advisories, packages))
    lines += [f"{one.package} {one.version}: {one.id} ({one.specifier})" for one in found]
    if not found:
        lines.append(
            "It names none of the locked versions; what became known since is NOT AUDITED."
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return AFFECTED if found else NOT_AUDITED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], datetime.now(UTC)))
