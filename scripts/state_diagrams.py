"""Draw the three machines of a spell as Mermaid diagrams, from their tables."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

from services.core.machines import CLOCK, PRESENCE, PROCEDURE, Clock, Presence, Procedure, Trigger

PATH = Path(__file__).parent.parent / "docs" / "states.md"

_HEAD = """# States

Generated from the tables of `services/core/machines.py` by `make artefacts`; do not edit.

Each spell has three small coupled machines: what was said, what was seen, and what is owed.
The [glossary](glossary.md) defines each state.
A look with the verdict `undetermined` moves none of them.
A trigger that leaves a state as it is is not drawn.
A pair of state and trigger that the table lacks is a defect of the program; it raises and changes nothing.
"""

_ABOUT = {
    Procedure: "What was said: reports, notices, the end of a spell.",
    Presence: "What was seen: looks.",
    Clock: "What is owed: the norm, and whether it was kept.",
}

TRIGGERS = {
    Trigger.NOTICE: "a notice was sent to the provider",
    Trigger.CLOSE: "the spell ends: the case moved, was retracted or can't be measured",
    Trigger.SEEN: "a look saw the URL online",
    Trigger.SUSPECT: "a removal-class look",
    Trigger.CONFIRM: "the run of removal-class looks is long enough",
    Trigger.START: "the event that starts the clock under the methodology",
    Trigger.IN_TIME: "a removal was confirmed whose R lies at or before the deadline",
    Trigger.SEEN_LATE: "a look saw the URL online at or after the deadline",
    Trigger.STRADDLE: "a removal was confirmed whose interval contains the deadline",
    Trigger.HOLD: "an authority asks for a pause",
    Trigger.RELEASE: "the hold ends",
    Trigger.REOPEN: "the URL is online again, so that the removal in time was none",
    Trigger.LEAVE: "the spell ends while nothing is decided",
}


def text() -> str:
    """Write the page."""
    parts = [
        _HEAD,
        _section(Procedure, PROCEDURE),
        _section(Presence, PRESENCE),
        _section(Clock, CLOCK),
        _triggers(),
    ]
    return "\n".join(parts)


def _section(machine: type[StrEnum], table: Mapping[tuple[StrEnum, Trigger], StrEnum]) -> str:
    lines = [f"## {machine.__name__}", "", _ABOUT[machine], "", "```mermaid", "stateDiagram-v2"]
    lines += [f"  {line}" for line in _diagram(machine, table)]
    return "\n".join([*lines, "```", ""])


def _diagram(
    machine: type[StrEnum], table: Mapping[tuple[StrEnum, Trigger], StrEnum]
) -> Iterator[str]:
    """Yield the lines of a diagram; what leaves a state where it is would only hide the rest."""
    yield f"[*] --> {next(iter(machine))}"
    for (state, trigger), after in table.items():
        if after != state:
            yield f"{state} --> {after}: {trigger.value}"


def _triggers() -> str:
    rows = [f"| `{trigger.value}` | {TRIGGERS[trigger]} |" for trigger in Trigger]
    head = "| trigger | meaning |\n| --- | --- |"
    return "\n".join(["## Triggers", "", head, *rows, ""])
