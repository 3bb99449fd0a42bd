"""Where a URL is served: at the charged provider or elsewhere, and when that is a move.

Two providers behind one name are two providers that serve. A move needs the old one found not serving while another
one serves, on as many looks and over as long a span as a removal. Until then nothing is decided: what is served
elsewhere is no sighting at the charged provider, so that it neither breaches nor moves L, and no removal either. The
next spell begins at the first look of the run.
"""

from datetime import datetime
from typing import Literal

from schemas.events import LookMade
from schemas.methodology import Methodology
from services.core.case import Case, Elsewhere, Spell
from services.core.runs import further_looks, record_alternation

Place = Literal["here", "elsewhere", "unproven"]


def serving(look: LookMade) -> list[str]:
    """Name the providers that served the URL: those that host it, or where none does, those that pass it on."""
    if len(look.served) == 1:
        # Nearly every look; the rest of this would give the same.
        only = look.served[0]
        return [only.provider] if only.online and only.provider is not None else []
    online = [(s.role, s.provider) for s in look.served if s.online and s.provider is not None]
    hosting = sorted({provider for role, provider in online if role == "hosting"})
    return hosting or sorted({provider for _, provider in online})


def passes_on(look: LookMade, provider: str | None) -> bool:
    """Tell whether a provider served it as a proxy only: it passes on what another one hosts."""
    if len(look.served) == 1:
        # Nearly every look; the rest of this would give the same.
        only = look.served[0]
        return only.role == "proxy" and only.online and only.provider == provider
    roles = {one.role for one in look.served if one.online and one.provider == provider}
    return roles == {"proxy"}


def place_of(look: LookMade, providers: list[str], provider: str, *, edge: bool = False) -> Place:
    """Say where a sighting was; `providers` serve, `provider` is charged, and if `edge`, for passing on.

    Elsewhere, if the charged one was asked and all its addresses gave a removal-class answer, or none of the name's
    addresses is its own any more. A block, a silence, or an address that was left out proves neither. Nor does a proxy
    that stands before a host: it may pass on what the charged one still holds.
    """
    own = [one for one in look.served if one.provider == provider]
    if provider in providers or any(one.online for one in own):
        return "here"
    if not providers:
        # Nobody is known to serve it: the charge stands, unless the charged one is seen not to serve.
        return "unproven" if own else "here"
    if not edge and _is_behind_a_proxy(look):
        return "unproven"
    return "elsewhere" if _is_absent(look, provider) else "unproven"


def still_beside(spell: Spell, look: LookMade) -> list[str]:
    """Name those beside the charged provider whom a look did not find not to serve: a lost packet proves nothing."""
    return [one for one in spell.beside if not _is_absent(look, one)]


def _is_absent(look: LookMade, provider: str) -> bool:
    """Tell whether all of a provider's addresses gave a removal-class answer, or the name has none of it any more."""
    left_out = look.providers_left_out
    if left_out is None or provider in left_out:
        return False
    return all(one.gone for one in look.served if one.provider == provider)


def _is_behind_a_proxy(look: LookMade) -> bool:
    """Tell whether only proxies served it, so that nobody saw who hosts it."""
    return all(one.role == "proxy" for one in look.served if one.online)


def answerable(case: Case, look: LookMade, at: datetime) -> tuple[list[str], bool]:
    """Name who serves the URL, and whether a correction of history says so, which outweighs what looks say."""
    providers = serving(look)
    if not providers or not case.corrections:
        return providers, False
    corrected = case.corrected(at)
    return (providers, False) if corrected is None else ([corrected], True)


def lengthen_elsewhere(
    spell: Spell, look: LookMade, provider: str, methodology: Methodology
) -> Elsewhere:
    """Add a look to the run of looks elsewhere, or begin one."""
    run = spell.elsewhere
    if run is not None:
        run.looks += 1
        run.last_finished_at = look.finished_at
        return run
    return Elsewhere(
        provider=provider,
        started_at=look.started_at,
        finished_at=look.finished_at,
        fingerprint=look.fingerprint,
        last_finished_at=look.finished_at,
        further=further_looks(spell.swaps, look.finished_at, methodology),
    )


def is_move(run: Elsewhere, methodology: Methodology) -> bool:
    """Tell whether a run of looks elsewhere is long enough."""
    long_enough = run.last_finished_at - run.finished_at >= methodology.confirmation_span
    return run.looks >= methodology.confirmation.looks + run.further and long_enough


def end_elsewhere(spell: Spell, look: LookMade, methodology: Methodology) -> None:
    """End the run at a look that saw it at the charged provider after all."""
    if spell.elsewhere is not None:
        record_alternation(spell.swaps, look.finished_at, spell.elsewhere.looks, methodology)
        spell.elsewhere = None
