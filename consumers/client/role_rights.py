"""What each role may do at Kafka, and nothing more: the table that is applied, printed and tested."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from consumers.client.groups import ATTRIBUTION_GROUP, LEDGER_GROUP, prober_group
from schemas import topics
from schemas.topics import OBSERVATIONS, OUTCOMES, REPORTS, WATCHLIST

Kind = Literal["topic", "group"]
ANY_HOST = "*"


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One operation that a role may carry out; `prefixed`: on all names that begin so."""

    role: str
    operation: str
    kind: Kind
    name: str
    prefixed: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One rule of a broker; what the table grants holds from every host."""

    principal: str
    operation: str
    kind: str
    name: str
    pattern: str = "literal"
    host: str = ANY_HOST
    permission: str = "allow"

    def __str__(self) -> str:
        star = "*" if self.pattern == "prefixed" else ""
        words = [self.principal, self.operation, self.kind, f"{self.name}{star}"]
        if self.host != ANY_HOST:
            words.append(f"from {self.host}")
        return " ".join(words if self.permission == "allow" else [*words, self.permission])


def _row(role: str, operations: str, kind: Kind, *names: str) -> tuple[Right, ...]:
    """Write some rights of a role; a name that ends in * is a prefix. Read, Write and Delete imply Describe."""
    return tuple(
        Right(role, operation, kind, name.removesuffix("*"), name.endswith("*"))
        for name in names
        for operation in operations.split()
    )


_EVIDENCE = (REPORTS.name, OBSERVATIONS.name)
_LETTERS = tuple(topic.dlq for topic in topics.EVIDENCE)
_ALL = "takedown.*"

RIGHTS: tuple[Right, ...] = (
    *_row("ledger", "Read", "topic", *_EVIDENCE),
    *_row("ledger", "Write", "topic", *_LETTERS),
    *_row("ledger", "Read", "group", LEDGER_GROUP),
    *_row("relay", "Write", "topic", WATCHLIST.name, OUTCOMES.name),
    *_row("prober", "Read", "topic", WATCHLIST.name),
    *_row("prober", "Write", "topic", OBSERVATIONS.name),
    *_row("prober", "Read", "group", prober_group("*")),
    *_row("attribution", "Read", "topic", OBSERVATIONS.name),
    *_row("attribution", "Write", "topic", REPORTS.name),
    *_row("attribution", "Read", "group", ATTRIBUTION_GROUP),
    *_row("intake", "Write", "topic", REPORTS.name),
    *_row("retention", "Read Write Delete", "topic", REPORTS.name),
    *_row("retention", "Read Delete", "topic", *_LETTERS),
    *_row("prepare", "Create Describe DescribeConfigs", "topic", _ALL),
    *_row("operator", "Read Write", "topic", *_EVIDENCE, *_LETTERS),
    *_row("operator", "Describe DescribeConfigs", "topic", _ALL),
    *_row("scaler", "Describe", "topic", *_EVIDENCE),
    *_row("scaler", "Describe", "group", LEDGER_GROUP),
)
"""`prepare` runs `takedown topics create`, `operator` the other commands but `takedown retention`, which runs as
retention; `scaler` is KEDA, or whatever else watches the ledger's lag. The exporter has no login at Kafka."""

ROLES_AT_KAFKA = tuple(dict.fromkeys(right.role for right in RIGHTS))


def grants(principals: Mapping[str, Collection[str]]) -> frozenset[Grant]:
    """Give the rules that a broker needs; `principals` are those of each role."""
    return frozenset(
        Grant(
            principal,
            right.operation,
            right.kind,
            right.name,
            "prefixed" if right.prefixed else "literal",
        )
        for right in RIGHTS
        for principal in principals.get(right.role, ())
    )


def table() -> str:
    """Write the table as `deploy/kafka/rights.txt`, one row for each role and resource."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for right in RIGHTS:
        name = f"{right.name}{'*' if right.prefixed else ''}"
        rows.setdefault((right.role, right.kind, name), []).append(right.operation)
    return _HEAD + "".join(_lines(rows.items()))


_HEAD = (
    "# What each role may do at Kafka: role, rights, kind, name. A name that ends in * is a prefix.\n"
    "# Generated from consumers/client/role_rights.py; `takedown rights apply` and deploy/kafka/acls apply it.\n"
)


def _lines(rows: Iterable[tuple[tuple[str, str, str], list[str]]]) -> Iterable[str]:
    for (role, kind, name), operations in rows:
        yield f"{role:<11} {','.join(operations):<32} {kind:<5} {name}\n"
