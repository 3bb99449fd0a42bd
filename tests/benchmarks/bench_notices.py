"""What the reader of mails makes of 420 labelled ones, beside flufl.bounce 6.0.0 in the same run.

Each share is given for the part that was looked at while the phrases were chosen, and for the third that was kept back.
flufl.bounce reads the same files in a temporary environment of its own. It gives no reasons, and calls no mail by
a kind, so that only what both say is compared. Ten thousand damaged copies must raise nothing.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.notices.mail_reading import read_mail
from tests.benchmarks.figures import Figure, figure
from tests.mailcorpus import Labelled, corpus, mutations, names_of, score

FLUFL = "flufl.bounce==6.0.0"
MUTATIONS = 10_000
ROUNDS = 3
LEAST = {
    "found with a status": 99.5,
    "found without a status": 92.0,
    "recipients": 95.0,
    "outcome by action": 100.0,
    "outcome by words": 95.0,
    "reason": 85.0,
}


def run() -> list[Figure]:
    """Measure; the shares, the speed, and what raised."""
    mails = corpus()
    theirs = _flufl(mails)
    return [
        *_shares(mails, _flufl_shares(mails, theirs["answers"])),
        *_invented(mails, theirs["answers"]),
        figure("mails read", _rate(mails), "mails/cpu-s", baseline=theirs["rate"], at_least=1_000),
        *_damaged(mails),
    ]


def _shares(mails: Sequence[Labelled], theirs: dict[str, float]) -> list[Figure]:
    rows = []
    for part, kept_back in (("looked at", False), ("kept back", True)):
        made = score([mail for mail in mails if mail.kept_back is kept_back], read_mail)
        for what, least in LEAST.items():
            share = 100 * made.share(what)
            rows.append(
                figure(f"{what}, {part}", share, "%", baseline=theirs.get(what), at_least=least)
            )
    return rows


def _invented(mails: Sequence[Labelled], answers: dict[str, Any]) -> list[Figure]:
    """Count failures that nobody reported: of complaints, answers and deliveries."""
    made = score(mails, read_mail)
    ours = sum(what == "no invented failure" for what, _ in made.wrong)
    others = [m.file for m in mails if m.label["labelled"] and m.label["kind"] != "bounce"]
    theirs = sum(bool(_failures(answers[file])) for file in others)
    return [figure("failures invented", ours, "mails", baseline=theirs, at_most=0)]


def _rate(mails: Sequence[Labelled]) -> float:
    rates = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for mail in mails:
            read_mail(mail.raw)
        rates.append(len(mails) / (time.process_time() - before))
    return statistics.median(rates)


def _damaged(mails: Sequence[Labelled]) -> list[Figure]:
    raised, slowest = 0, 0.0
    for raw in mutations(mails, MUTATIONS, seed=2026):
        before = time.process_time()
        try:
            read_mail(raw)
        except Exception:
            raised += 1
        slowest = max(slowest, time.process_time() - before)
    return [
        figure(f"exceptions of {MUTATIONS:,} damaged mails", raised, "exceptions", at_most=0),
        figure("slowest damaged mail", 1_000 * slowest, "ms", at_most=1_000),
    ]


def _flufl(mails: Sequence[Labelled]) -> dict[str, Any]:
    script = Path(__file__).with_name("flufl_side.py")
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "venv" / "bin" / "python"
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        subprocess.run([python, "-m", "pip", "-q", "install", FLUFL], check=True)
        place = Path(folder) / "mail"
        place.mkdir()
        for mail in mails:
            (place / mail.file).write_bytes(mail.raw)
        done = subprocess.run([python, script, place], check=True, capture_output=True, text=True)
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def _flufl_shares(mails: Sequence[Labelled], answers: dict[str, Any]) -> dict[str, float]:
    """Score flufl.bounce as far as it says anything: that there is a bounce, of whom, and whether for good."""
    right: dict[str, list[bool]] = {what: [] for what in LEAST if what != "reason"}
    for mail in mails:
        label = mail.label
        if not label["labelled"] or label["kind"] != "bounce":
            continue
        said = answers[mail.file]
        form = "with a status" if label["form"] == "delivery-status" else "without a status"
        right[f"found {form}"].append(bool(_failures(said)))
        which = "outcome by action" if label["outcome_from"] == "action" else "outcome by words"
        outcome = (
            "failed" if said.get("permanent") else "delayed" if said.get("temporary") else None
        )
        right[which].append(outcome == label["outcome"])
        wanted = [names_of(one) for one in label["recipients"]]
        if label["address_from"] != "flufl.bounce" and wanted and all(wanted):
            names = _failures(said)
            right["recipients"].append(
                len(names) == len(wanted) and all(one & names for one in wanted)
            )
    return {what: 100 * statistics.mean(answers) for what, answers in right.items()}


def _failures(said: dict[str, Any]) -> set[str]:
    return {*said.get("permanent", ()), *said.get("temporary", ())}
