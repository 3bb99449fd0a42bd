"""The stories as plans: from what happens to a URL to who answers how from which instant on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from services.simulation import behaviours as ways
from services.simulation.behaviours import Behaviour
from services.simulation.plan import BEGINNING, Phase, UrlPlan, rounded
from services.simulation.scenarios import Scenario, Story


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A provider's addresses at which a URL is served."""

    provider: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorySetting:
    """What a story is told from: the clock's start (or the last notice), who has it and who may get it.

    `can_refuse`: the address is the host's own, so that it may refuse connections without harm to others.
    `turn` counts the cases of one story, so that each way to tell it has its turn.
    """

    scenario: Scenario
    reported: float
    clock: float
    home: Place
    elsewhere: Place
    can_refuse: bool = False
    turn: int = 0


class _Teller:
    """Builds the phases of one plan in hours after the clock's start."""

    def __init__(self, setting: StorySetting, rng: Random) -> None:
        self.setting, self.rng = setting, rng
        self.norm = setting.scenario.norm_hours
        self.phases: list[Phase] = []
        self.say(BEGINNING, Behaviour.OK, there=True)

    def hours(self, low: float, high: float) -> float:
        """Draw an instant: an offset in seconds, so many hours after the clock's start."""
        scaled = self.setting.scenario.seconds(self.rng.uniform(low, high))
        return rounded(self.setting.clock + scaled)

    def later(self, at: float, low: float, high: float) -> float:
        """Draw an instant so many hours after another one."""
        return rounded(at + self.setting.scenario.seconds(self.rng.uniform(low, high)))

    def say(
        self, at: float, behaviour: Behaviour, *, there: bool, place: Place | None = None
    ) -> None:
        """Add a phase."""
        where = place or self.setting.home
        self.phases.append(Phase(at, behaviour, where.provider, where.addresses, there))

    def begin(self, behaviour: Behaviour) -> None:
        """Serve it in another way from the beginning."""
        self.phases[0] = replace(self.phases[0], behaviour=behaviour)

    def remove(
        self, at: float, behaviour: Behaviour | None = None, place: Place | None = None
    ) -> None:
        """Add a removal, by a status code unless said otherwise."""
        how = behaviour or self.rng.choice(self.setting.scenario.removals)
        self.say(at, how, there=False, place=place)

    def next_of(self, choices: Sequence[Behaviour]) -> Behaviour:
        """Give the way whose turn it is."""
        return choices[self.setting.turn % len(choices)]

    def plan(self) -> UrlPlan:
        """Finish."""
        return UrlPlan(tuple(self.phases))


def tell(story: Story, setting: StorySetting, rng: Random) -> UrlPlan:
    """Draw a plan that tells the story."""
    teller = _Teller(setting, rng)
    _STORIES[story](teller)
    return teller.plan()


def _prompt_hour(t: _Teller) -> float:
    """Removal times fit a lognormal (Moore and Clayton 2007); cut to what makes the norm for certain."""
    drawn = t.rng.lognormvariate(2.1, 0.55)
    return drawn if 3 <= drawn <= t.norm - 2 else t.rng.uniform(3, t.norm - 2)


def _prompt_at(t: _Teller) -> float:
    hour = _prompt_hour(t)
    return t.hours(hour, hour)


def _prompt(t: _Teller) -> None:
    t.remove(_prompt_at(t))


def _close(t: _Teller) -> None:
    t.remove(t.hours(t.norm - 0.8, t.norm + 0.8))


def _late(t: _Teller) -> None:
    t.remove(t.hours(t.norm + 2, t.norm + 7))


def _never(t: _Teller) -> None:
    pass


def _gone_before(t: _Teller) -> None:
    t.remove(t.later(t.setting.reported, -3, -1))


def _soft_redirect(t: _Teller) -> None:
    t.remove(_prompt_at(t), t.rng.choice((Behaviour.SOFT_ROOT, Behaviour.SOFT_PATH)))


def _soft_same(t: _Teller) -> None:
    t.remove(_prompt_at(t), Behaviour.SOFT_SAME)


def _domain(t: _Teller) -> None:
    t.remove(_prompt_at(t), Behaviour.NXDOMAIN)


def _flapping(t: _Teller) -> None:
    """Two outages with the material still behind them; then removed in time, or not at all."""
    faults = [f for f in t.setting.scenario.faults if t.setting.can_refuse or f is not _REFUSE]
    if t.setting.can_refuse and _REFUSE in faults:
        faults = [_REFUSE]
    first = t.hours(2, 4)
    for start in (first, t.later(first, 5, 6)):
        t.say(start, t.rng.choice(faults), there=True)
        t.say(t.later(start, 1.5, 3.5), Behaviour.OK, there=True)
    if t.rng.random() < 0.7:
        t.remove(t.hours(16, t.norm - 2))


def _blocked(t: _Teller) -> None:
    """A host that shuts our addresses out for a while, and is taken down later or never."""
    start = t.hours(2, 6)
    t.say(start, t.rng.choice(t.setting.scenario.walls), there=True)
    t.say(t.later(start, 2, 5), Behaviour.OK, there=True)
    if t.rng.random() < 0.7:
        t.remove(t.hours(14, t.norm - 2))


def _returned(t: _Teller) -> None:
    """Back before the deadline; half of them stay, half are removed again."""
    away = t.hours(3, 4)
    back = t.later(away, 7, 7.4)
    t.remove(away)
    t.say(back, Behaviour.OK, there=True)
    if t.rng.random() < 0.5:
        t.remove(t.later(back, 8.6, 9.2))


def _returned_late(t: _Teller) -> None:
    """Back after the deadline: in time, and yet there again."""
    t.remove(t.hours(8, 11))
    t.say(t.hours(t.norm + 2, t.norm + 4), Behaviour.OK, there=True)


def _moved(t: _Teller) -> None:
    """The same URL at another provider, which is told and removes it, or not."""
    moved, other = t.hours(*MOVE_HOURS), t.setting.elsewhere
    t.say(moved, Behaviour.OK, there=True, place=other)
    if t.rng.random() < 0.6:
        t.remove(t.later(moved, 10, 16), place=other)


def _odd(t: _Teller) -> None:
    """Served in a way that a hasty look takes for something else; then removed in time, late, or not at all."""
    t.begin(t.next_of(ways.ODD))
    _some_fate(t)


def _some_fate(t: _Teller) -> None:
    """Remove it in time, late, or not at all."""
    fate = t.rng.random()
    if fate < 0.6:
        t.remove(_prompt_at(t))
    elif fate < 0.8:
        _late(t)


def _tls(t: _Teller) -> None:
    """Served under a certificate that nobody should trust, with an outage of TLS itself; some end in silence."""
    served = t.rng.choice((Behaviour.OK_TLS, Behaviour.OK_TLS_ASKS))
    t.begin(served)
    start = t.hours(2, 5)
    t.say(start, t.rng.choice(ways.TLS_TROUBLE), there=True)
    back, fate = t.later(start, 1.5, 3.5), t.rng.random()
    t.say(back, served, there=True)
    if fate < 0.2:
        t.remove(t.later(back, 1, 2), t.rng.choice(ways.TLS_ENDS))
    elif fate < 0.8:
        t.remove(t.hours(12, t.norm - 2))


def _geo(t: _Teller) -> None:
    """Hidden or blocked at home for good, and served abroad; then removed in time, or not at all."""
    t.say(t.hours(3, 6), t.rng.choice(list(ways.GEO)), there=True)
    _perhaps_removed(t, 14, spare=4)


def _hushed(t: _Teller) -> None:
    """Removed so that nothing proves it, until hours later a status code or the name does."""
    away, how = t.hours(4, 12), t.next_of(ways.HUSHED)
    t.remove(away, how)
    t.remove(t.later(away, 3, 5), _proof_of(how))


def _proof_of(how: Behaviour) -> Behaviour:
    parked = how in (Behaviour.PARKED_302, Behaviour.PARKED_CNAME)
    return Behaviour.NXDOMAIN if parked else Behaviour.GONE_404


def _dark(t: _Teller) -> None:
    """The whole host goes dark for good, and later its domain goes too."""
    away = t.hours(4, 12)
    t.remove(away, t.next_of(ways.DARKNESS))
    t.remove(t.later(away, 3, 5), Behaviour.NXDOMAIN)


def _outage(t: _Teller) -> None:
    """The whole host is dark for long, and back with all that it had; then removed in time, or not at all."""
    _broken_for_a_while(t, (2, 5), ways.NIGHTS, (4.5, 6.5))
    _perhaps_removed(t, 15)


def _broken_for_a_while(
    t: _Teller,
    start: tuple[float, float],
    how: Sequence[Behaviour],
    lasts: tuple[float, float],
) -> None:
    begins = t.hours(*start)
    t.say(begins, t.rng.choice(how), there=True)
    t.say(t.later(begins, *lasts), Behaviour.OK, there=True)


def _perhaps_removed(t: _Teller, earliest: float, spare: float = 2) -> None:
    """Remove it with so many hours to spare, or leave it where it is."""
    if t.rng.random() < 0.6:
        t.remove(t.hours(earliest, t.norm - spare))


def _gone_dark(t: _Teller) -> None:
    """The whole host goes dark for good, and nothing else ever says so."""
    t.remove(t.hours(4, 8), t.next_of(ways.NIGHTS))


def _ipv6(t: _Teller) -> None:
    """Served over IPv6 alone, with an outage; then removed in time, or not at all."""
    _broken_for_a_while(t, (2, 4), ways.QUICK_FAULTS, (1.5, 3.5))
    _perhaps_removed(t, 10)


def _dual(t: _Teller) -> None:
    """Served over both families, then over one of them; then removed from that one too, or not at all."""
    t.say(t.hours(1, 4), t.rng.choice(list(ways.PARTIAL)), there=True)
    _perhaps_removed(t, 8)


def _soft_id(t: _Teller) -> None:
    """Removed by what one program of the host says of ids that it does not know; all else is plainly missing there."""
    t.remove(_prompt_at(t), t.next_of((_SAME, Behaviour.SOFT_PATH, _SAME, Behaviour.SOFT_ROOT)))


def _emptied(t: _Teller) -> None:
    """Removed by nothing in its place, or sent to the front page, as nothing else of the host is."""
    t.remove(_prompt_at(t), t.next_of((Behaviour.GONE_EMPTIED, Behaviour.SOFT_ROOT)))


def _store(t: _Teller) -> None:
    """Forbidden like all that the store does not have, once it is removed."""
    t.remove(_prompt_at(t), Behaviour.GONE_403)


def _gated(t: _Teller) -> None:
    """A gate comes up around the whole host after it was seen served, and opens again; then removed, or not at all."""
    begins = t.hours(2, 5)
    t.say(begins, t.next_of(ways.GATES), there=True)
    t.say(t.later(begins, 2, 4), Behaviour.OK, there=True)
    _perhaps_removed(t, 13)


def _gated_first(t: _Teller) -> None:
    """A gate stands at the first look and for hours; it opens upon the material, or upon its removal in time."""
    t.begin(t.next_of(ways.FIRST_GATES))
    opens = t.hours(2, 5)
    if t.setting.turn % 3 == 2:
        t.remove(opens, Behaviour.GONE_404)
        return
    t.say(opens, Behaviour.OK, there=True)
    _perhaps_removed(t, 9)


def _reencoded(t: _Teller) -> None:
    """Encoded anew while it is served; then removed in time, or not at all."""
    t.say(t.hours(3, 6), Behaviour.OK_REENCODED, there=True)
    _perhaps_removed(t, 13)


def _nodes(t: _Teller) -> None:
    """One of two nodes behind the address loses it and gets it back; later both remove it, or neither does."""
    begins = t.hours(2, 4)
    t.say(begins, Behaviour.NODES, there=True)
    t.say(t.later(begins, 4, 5), Behaviour.OK, there=True)
    _perhaps_removed(t, 13, spare=6)


def _silence(t: _Teller) -> None:
    """The name server is silent around the deadline, and the material is still there; then removed late, or not.

    The first time the name is withdrawn meanwhile, and only the address that it had serves on: nobody can tell.
    """
    if not t.setting.turn:
        t.remove(t.hours(t.norm - 2, t.norm - 1.5), Behaviour.NAME_LOST)
        t.remove(t.hours(t.norm + 1, t.norm + 2), Behaviour.NXDOMAIN)
        return
    t.say(t.hours(t.norm - 2, t.norm - 0.5), Behaviour.DNS_SILENT, there=True)
    t.say(t.hours(t.norm + 0.5, t.norm + 2), Behaviour.OK, there=True)
    if t.rng.random() < 0.5:
        t.remove(t.hours(t.norm + 4, t.norm + 7))


def _two(t: _Teller) -> None:
    """Served by two providers behind one name: both remove it, or neither, or only the first, so that it moved."""
    home, other = t.setting.home, t.setting.elsewhere
    both = Place(provider=home.provider, addresses=(*home.addresses, *other.addresses))
    t.phases[0] = replace(t.phases[0], addresses=both.addresses)
    fate = t.setting.turn % 3
    if fate == 0:
        t.remove(_prompt_at(t), place=both)
    elif fate == 1:
        left = replace(both, provider=other.provider)
        t.say(t.hours(*MOVE_HOURS), Behaviour.OK_ONE_GONE, there=True, place=left)


def _unseen(t: _Teller) -> None:
    """Gone before anybody looks, as something that is served; hours later a status code or the name says so."""
    how = t.next_of(ways.UNSEEN)
    t.remove(t.later(t.setting.reported, -3, -1), how)
    t.remove(t.hours(4, 8), _proof_of(how))


_SAME = Behaviour.SOFT_SAME
MOVE_HOURS = (6, 8)
_REFUSE = Behaviour.REFUSE
_STORIES: dict[Story, Callable[[_Teller], None]] = {
    Story.PROMPT: _prompt,
    Story.CLOSE: _close,
    Story.LATE: _late,
    Story.NEVER: _never,
    Story.GONE_BEFORE: _gone_before,
    Story.SOFT_REDIRECT: _soft_redirect,
    Story.SOFT_SAME: _soft_same,
    Story.DOMAIN: _domain,
    Story.FLAPPING: _flapping,
    Story.BLOCKED: _blocked,
    Story.RETURNED: _returned,
    Story.RETURNED_LATE: _returned_late,
    Story.MOVED: _moved,
    Story.ODD: _odd,
    Story.TLS: _tls,
    Story.GEO: _geo,
    Story.HUSHED: _hushed,
    Story.DARK: _dark,
    Story.OUTAGE: _outage,
    Story.GONE_DARK: _gone_dark,
    Story.IPV6: _ipv6,
    Story.DUAL: _dual,
    Story.HEAD: _some_fate,
    Story.SOFT_ID: _soft_id,
    Story.EMPTIED: _emptied,
    Story.STORE: _store,
    Story.GATED: _gated,
    Story.GATED_FIRST: _gated_first,
    Story.FRAGMENT: _never,
    Story.REENCODED: _reencoded,
    Story.NODES: _nodes,
    Story.SILENCE: _silence,
    Story.TWO: _two,
    Story.UNSEEN: _unseen,
}
