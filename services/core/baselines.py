"""What a URL looks like while it is online: the fingerprint of the first sighting, and of another file that stays.

An optimiser encodes every picture of a host anew: another length of the same class, while paths that can't exist are
still missing. One such look moves nothing, for a placeholder could stand there; where as many as confirm a removal see
the same file, over the same span, it is what the host serves under this URL, and later looks are compared with it.
"""

import msgspec

from schemas.events import Fingerprint, LookMade
from schemas.methodology import Methodology
from services.core.case import Reencoded, Spell

REENCODED = "suspected_reencoded"


def take_baseline(spell: Spell, fingerprint: Fingerprint | None) -> None:
    """Keep what the first sighting saw; a later one says that the baseline still stands.

    How siblings are answered it adds where the first got no answer of theirs: else a packet that was lost then would
    leave a store that forbids what it does not have undecided for good.
    """
    spell.reencoded = None
    if fingerprint is None:
        return
    if spell.baseline is None:
        spell.baseline = _without_age(fingerprint)
    elif fingerprint.sibling is not None and _lacks_sibling(spell.baseline, fingerprint):
        spell.baseline = msgspec.structs.replace(spell.baseline, sibling=fingerprint.sibling)


def _lacks_sibling(baseline: Fingerprint, fingerprint: Fingerprint) -> bool:
    """Tell whether a sighting that knows how siblings are answered adds that to a baseline of the same method."""
    return baseline.sibling is None and baseline.method == fingerprint.method


def take_reencoded(spell: Spell, look: LookMade, methodology: Methodology) -> None:
    """Take a look that saw another encoding; after as many as confirm a removal it is the baseline."""
    fingerprint = look.fingerprint
    if look.reason != REENCODED or fingerprint is None:
        return
    run = spell.reencoded
    if run is None or not _is_same_file(run.fingerprint, fingerprint):
        run = spell.reencoded = Reencoded(
            fingerprint=_without_age(fingerprint), first_finished_at=look.finished_at
        )
    run.looks += 1
    span = look.finished_at - run.first_finished_at
    rule = methodology.confirmation
    if run.looks >= rule.looks and span >= methodology.confirmation_span:
        spell.baseline, spell.reencoded = run.fingerprint, None


def _is_same_file(one: Fingerprint, other: Fingerprint) -> bool:
    parts = [(f.method, f.content_type, f.content_length) for f in (one, other)]
    return parts[0] == parts[1]


def _without_age(fingerprint: Fingerprint) -> Fingerprint:
    """Leave out the age in a cache: it is not the content's."""
    return msgspec.structs.replace(fingerprint, cache_age=None)
