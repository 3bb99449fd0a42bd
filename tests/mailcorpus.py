"""Bounces with labels, how well a reader does on them, and damaged copies of them."""

import hashlib
import json
import os
import random
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.notices.fates import MailReading

ARCHIVE = Path(__file__).parent / "data" / "bounces.tar.xz"
# Reasons of ours that the labels have no word for.
GROUPS = {
    "form_only": "policy",
    "refused": "policy",
    "rate_limited": "blocked",
    "api_error": "other",
}
_BYTES = (b"\n", b"\r\n", b" ", b":", b"--", b"<", b"@", b"=", b"\t", b"\n\n", b"")


@dataclass(frozen=True)
class Labelled:
    """One mail, and what it says by its label."""

    file: str
    raw: bytes
    label: dict[str, Any]

    @property
    def kept_back(self) -> bool:
        """A third that was not looked at while the phrases were chosen."""
        return hashlib.sha256(self.file.encode()).digest()[0] % 3 == 0


@dataclass
class Score:
    """Shares: (right, of so many) by what was asked; `wrong` names the mails."""

    shares: dict[str, list[int]] = field(default_factory=dict)
    wrong: list[tuple[str, str]] = field(default_factory=list)

    def note(self, what: str, file: str, *, right: bool) -> None:
        """Count one answer."""
        share = self.shares.setdefault(what, [0, 0])
        share[0] += right
        share[1] += 1
        if not right:
            self.wrong.append((what, file))

    def share(self, what: str) -> float:
        """Give a share, 1 where nothing was asked."""
        right, of = self.shares.get(what, (1, 1))
        return right / of


def corpus() -> list[Labelled]:
    """Read the corpus of tests/data, or the folder that NOTICES_CORPUS names."""
    folder = os.environ.get("NOTICES_CORPUS")
    read = _of_folder(Path(folder)) if folder else _of_archive()
    lines = [json.loads(line) for line in read("labels.jsonl").decode().splitlines() if line]
    return [Labelled(one["file"], read(f"mail/{one['file']}"), one) for one in lines]


def _of_folder(folder: Path) -> Callable[[str], bytes]:
    return lambda name: (folder / name).read_bytes()


def _of_archive() -> Callable[[str], bytes]:
    with tarfile.open(ARCHIVE) as archive:
        members = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}  # type: ignore[union-attr]
    return members.__getitem__


def score(mails: Iterable[Labelled], read: Callable[[bytes], MailReading]) -> Score:
    """Compare what a reader says with the labels."""
    made = Score()
    for mail in mails:
        reading = read(mail.raw)
        if not mail.label["labelled"]:
            continue
        if mail.label["kind"] != "bounce":
            invented = reading.outcome in ("failed", "delayed")
            made.note("no invented failure", mail.file, right=not invented)
            made.note("kind of the others", mail.file, right=reading.kind == mail.label["kind"])
        else:
            _score_bounce(made, mail, reading)
    return made


def _score_bounce(made: Score, mail: Labelled, reading: MailReading) -> None:
    label = mail.label
    form = "with a status" if label["form"] == "delivery-status" else "without a status"
    made.note(f"found {form}", mail.file, right=reading.kind == "bounce")
    which = "outcome by action" if label["outcome_from"] == "action" else "outcome by words"
    made.note(which, mail.file, right=reading.outcome == label["outcome"])
    wanted = [names_of(one) for one in label["recipients"]]
    if label["address_from"] != "flufl.bounce" and wanted and all(wanted):
        fates = [{n.lower() for n in (f.address, f.original) if n} for f in reading.fates]
        right = len(fates) == len(wanted) and all(any(w & f for f in fates) for w in wanted)
        made.note("recipients", mail.file, right=right)
    for number, one in enumerate(label["recipients"]):
        if one["reason_also"] is not None:
            reason = _reason(reading, one, number)
            made.note("reason", mail.file, right=reason in {one["reason"], *one["reason_also"]})


def names_of(recipient: dict[str, Any]) -> set[str]:
    """Give the addresses of a label's recipient, either of which is right."""
    return {recipient[n].lower() for n in ("address", "original") if recipient.get(n)}


def _reason(reading: MailReading, recipient: dict[str, Any], number: int) -> str | None:
    names, fates = names_of(recipient), reading.fates
    mine = [f for f in fates if names & {n.lower() for n in (f.address, f.original) if n}]
    chosen = mine[:1] or fates[number : number + 1] or fates[:1]
    return GROUPS.get(str(chosen[0].reason), chosen[0].reason) if chosen else None


def mutations(mails: Sequence[Labelled], count: int, seed: int) -> Iterator[bytes]:
    """Damage mails: cut, repeat, mix, swap, lose and add bytes."""
    dice = random.Random(seed)
    raws = [mail.raw for mail in mails]
    for _ in range(count):
        raw = dice.choice(raws)
        for _ in range(dice.randint(1, 6)):
            raw = _damaged(raw, raws, dice)[:200_000]
        yield raw


def _damaged(raw: bytes, raws: Sequence[bytes], dice: random.Random) -> bytes:
    start = dice.randrange(len(raw) + 1)
    end = min(len(raw), start + dice.randrange(1, 400))
    before, middle, after = raw[:start], raw[start:end], raw[end:]
    other = dice.choice(raws)
    place = dice.randrange(len(other) + 1)
    ways = (
        lambda: before + after,
        lambda: before + dice.randbytes(dice.randrange(1, 40)) + middle + after,
        lambda: before + middle * dice.randrange(1, 30) + after,
        lambda: before + other[place : place + dice.randrange(2_000)] + middle + after,
        lambda: before + middle.swapcase() + after,
        lambda: raw.replace(dice.choice(_BYTES[:8]), dice.choice(_BYTES)),
        lambda: before,
    )
    return dice.choice(ways)()
