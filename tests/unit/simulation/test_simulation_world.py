"""A world is a function of its arguments, and its truth follows from its plans."""

import re
import tomllib
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from itertools import groupby

import pytest

from schemas.errors import ConfigError
from schemas.sealing import Keyring
from schemas.urls import canonical
from services.simulation import internet
from services.simulation.behaviours import (
    DARK,
    FIRST_GATES,
    GATES,
    NATURE,
    Behaviour,
    HeadManner,
    Shows,
)
from services.simulation.builder import apportion, build
from services.simulation.plan import Phase, UrlPlan
from services.simulation.scenarios import APART, Story, demo, gauntlet
from services.simulation.world import NETWORK, World

START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = Keyring(naming=b"n" * 32, sealing={"k": b"s" * 32}, active="k")


@pytest.fixture(scope="module")
def world() -> World:
    return build(demo(), seed=1, start=START, port=18080, keyring=KEYS)


def of_story(world: World, story: Story) -> list[int]:
    return [case.index for case in world.cases if case.story is story]


def test_same_arguments_give_the_same_world(world):
    """Two processes that build a world from the same arguments hold the same truth."""
    again = build(demo(), seed=1, start=START, port=18080, keyring=KEYS)
    assert world.cases == again.cases
    assert world.truths() == again.truths()
    assert world.addresses == again.addresses


def test_names_do_not_change_what_happens(world):
    """A process without keys serves the same world: the plans do not depend on the keyring."""
    nameless = build(demo(), seed=1, start=START, port=18080)
    assert [case.plan for case in world.cases] == [case.plan for case in nameless.cases]
    assert [case.url for case in world.cases] == [case.url for case in nameless.cases]


def test_another_seed_gives_another_world(world):
    """The seed matters."""
    other = build(demo(), seed=2, start=START, port=18080, keyring=KEYS)
    assert [case.plan for case in world.cases] != [case.plan for case in other.cases]


def test_truth_moves_with_the_start(world):
    """Offsets are fixed; the start shifts every instant of the truth."""
    later = build(demo(), seed=1, start=START + timedelta(hours=1), port=18080, keyring=KEYS)
    shift = later.truth(0).reported_at - world.truth(0).reported_at
    assert shift == timedelta(hours=1)


def test_giant_holds_94_percent(world):
    """The article's skew: 94 % of all cases at one provider."""
    counts = Counter(case.provider for case in world.cases)
    assert counts["giant"] == 376
    assert sum(counts.values()) == 400


def test_every_story_is_told(world):
    """Each kind of fate of its providers happens in the default world, and every one in the gauntlet."""
    told = {story for script in world.scenario.providers for story in script.mix}
    assert {case.story for case in world.cases} == told
    hard = build(gauntlet(), seed=1, start=START, port=18080)
    assert {case.story for case in hard.cases} == set(Story)


def test_gauntlet_runs_through_nearly_every_behaviour():
    """At least 80 of the behaviours of hosts stand in the plans of the gauntlet, and nothing comes after its end."""
    hard = build(gauntlet(), seed=1, start=START, port=18080)
    phases = [phase for case in hard.cases for phase in case.plan.phases]
    assert len({phase.behaviour for phase in phases}) >= 80
    assert max(phase.offset for phase in phases) < hard.offset(hard.end)


def test_what_proves_nothing_shows_later():
    """A removal that nobody can tell from outside shows when a status code or the name says so, in time."""
    hard = build(gauntlet(), seed=1, start=START, port=18080)
    for index in of_story(hard, Story.HUSHED) + of_story(hard, Story.DARK):
        (spell,) = hard.truth(index).spells
        (removed,) = spell.removals
        assert removed < spell.shows_at(removed)
        if spell.deadline is not None:
            assert spell.shows_at(removed) < spell.deadline


def test_a_dark_host_shows_after_its_time():
    """A host that goes dark for good shows that it is gone when it has been dark for long; an outage is no removal."""
    hard = build(gauntlet(), seed=1, start=START, port=18080)
    lasts = timedelta(seconds=hard.scenario.seconds(hard.scenario.dark_hours))
    for index in of_story(hard, Story.GONE_DARK):
        (spell,) = hard.truth(index).spells
        (removed,) = spell.removals
        assert spell.shows_at(removed) == removed + lasts
    for index in of_story(hard, Story.OUTAGE):
        (night,) = [p for p in hard.cases[index].plan.phases if p.behaviour in DARK]
        assert night.there
        assert len(hard.truth(index).spells[0].stays) == 1


def test_what_happens_to_an_address_happens_to_nobody_else():
    """Hosts that close, silence or change their whole address have it to themselves."""
    hard = build(gauntlet(), seed=1, start=START, port=18080)
    apart = [case for case in hard.cases if case.story in APART]
    owned = [address for case in apart for address in case.plan.addresses()]
    others = {a for c in hard.cases if c.story not in APART for a in c.plan.addresses()}
    assert len(owned) == len(set(owned)) == len(apart) > 20
    assert not others & set(owned)
    assert {b for at in hard.door_changes() for b in hard.doors(at).values()} == {
        *(Behaviour.REFUSE, Behaviour.TLS_STALL, Behaviour.TLS_RENEGOTIATE),
        *(Behaviour.TLS_UNKNOWN, Behaviour.OK_TLS_ASKS),
    }


def test_both_families_belong_to_their_provider():
    """Hosts of IPv6 alone and of both families are the largest provider's, as its map says."""
    hard = build(gauntlet(), seed=1, start=START, port=18080)
    (giant,) = [
        p for p in tomllib.loads(hard.provider_map_toml())["provider"] if p["id"] == "giant"
    ]
    assert "::1/128" in [prefix["cidr"] for prefix in giant["prefix"]]
    assert "::1" in hard.addresses
    families = {
        story: {":" in a for i in of_story(hard, story) for a in hard.cases[i].plan.addresses()}
        for story in (Story.IPV6, Story.DUAL)
    }
    assert families == {Story.IPV6: {True}, Story.DUAL: {True, False}}


def test_a_machine_without_ipv6_is_told_so(monkeypatch):
    """The gauntlet is refused where loopback has no IPv6, with what to do; the demo never asks for it."""
    monkeypatch.setattr(internet, "_can_bind", lambda address, port: ":" not in address)
    assert internet.free_port(demo()) > 0
    with pytest.raises(ConfigError, match="disable_ipv6"):
        internet.free_port(gauntlet())


def test_every_way_to_answer_head_has_its_turn():
    """Each manner stands at some host of its own in the gauntlet, and nowhere else."""
    hard = build(gauntlet(cases=400), seed=1, start=START, port=18080)
    manners = [case.head for case in hard.cases if case.story is Story.HEAD]
    assert set(manners) == set(HeadManner)
    assert {case.head for case in hard.cases if case.story is not Story.HEAD} == {None}


def test_every_gate_has_its_turn():
    """A gate hides what is there: the stay goes on behind it."""
    hard = build(gauntlet(cases=400), seed=1, start=START, port=18080)
    gated = of_story(hard, Story.GATED)
    assert {hard.cases[i].plan.phases[1].behaviour for i in gated} == set(GATES)
    assert all(len(hard.truth(i).spells[0].stays) == 1 for i in gated)


def test_a_gate_may_stand_at_the_first_look():
    """It stands from before the report, each kind in its turn; behind some of them the material goes in time."""
    hard = build(gauntlet(cases=400), seed=1, start=START, port=18080)
    gated = of_story(hard, Story.GATED_FIRST)
    assert {hard.cases[i].plan.phases[0].behaviour for i in gated} == set(FIRST_GATES)
    ends = {hard.cases[i].plan.phases[1].behaviour for i in gated}
    assert ends == {Behaviour.OK, Behaviour.GONE_404}
    assert all(NATURE[hard.cases[i].plan.phases[0].behaviour].shows is Shows.HIDDEN for i in gated)


def test_an_address_in_the_fragment_is_not_measurable():
    """Its host has a front page that is served, which is not the material: the truth says that nobody can tell."""
    hard = build(gauntlet(cases=400), seed=1, start=START, port=18080)
    cases = [hard.cases[index] for index in of_story(hard, Story.FRAGMENT)]
    assert cases
    for case in cases:
        (address,) = case.plan.phases[0].addresses
        assert case.url.not_measurable == "fragment"
        assert hard.answer(case.url.host, "/", address, case.reported).behaviour is Behaviour.OK
    measurable = {truth.index for truth in hard.truths() if truth.measurable}
    assert measurable == set(range(400)) - {case.index for case in cases}


def test_what_is_withdrawn_while_its_name_server_is_silent_shows_with_the_name():
    """The address that the name had serves on, the name leads nowhere, and nobody can tell until the zone says so."""
    hard = build(gauntlet(cases=400), seed=1, start=START, port=18080)
    (case,) = [
        c for c in hard.cases if any(p.behaviour is Behaviour.NAME_LOST for p in c.plan.phases)
    ]
    lost = next(p for p in case.plan.phases if p.behaviour is Behaviour.NAME_LOST)
    assert hard.resolve(case.url.host, lost.offset).outcome == "silent"
    answer = hard.answer(case.url.host, case.target, lost.addresses[0], lost.offset)
    assert answer.behaviour is Behaviour.OK
    (spell,) = hard.truth(case.index).spells
    (removed,) = spell.removals
    assert removed < spell.deadline < spell.shows_at(removed)


def test_only_the_program_of_an_id_says_sorry():
    """Beside a URL with an id, other ids are answered as what is removed; every other path is plainly missing."""
    hard = build(gauntlet(cases=400), seed=1, start=START, port=18080)
    targets = set()
    for case in (hard.cases[index] for index in of_story(hard, Story.SOFT_ID)):
        missing, (address,) = case.plan.phases[1].behaviour, case.plan.phases[0].addresses
        assert case.shape is not None
        answers = [
            hard.answer(case.url.host, target, address, case.reported).behaviour
            for target in (case.target, case.shape.target("0123456789"), "/i/0123456789.jpg")
        ]
        assert answers == [Behaviour.OK, missing, Behaviour.GONE_404]
        targets.add(case.target.replace(case.target[13:23], "") if "?" in case.target else "path")
    assert targets == {"/view.php?id=", "path"}


def test_nodes_take_turns_shorter_than_a_removal():
    """No turn of the node that lacks it lasts as long as the looks of a removal have to."""
    hard = build(gauntlet(), seed=1, start=START, port=18080)
    case = hard.cases[of_story(hard, Story.NODES)[0]]
    begins, ends = (phase.offset for phase in case.plan.phases[1:3])
    (address,) = case.plan.phases[1].addresses
    steps = [begins + n / 10 for n in range(int((ends - begins) * 10))]
    row = [hard.answer(case.url.host, case.target, address, at).behaviour for at in steps]
    assert set(row) == {Behaviour.OK, Behaviour.GONE_404}
    longest = max(len(list(run)) for kind, run in groupby(row) if kind is Behaviour.GONE_404)
    assert longest / 10 < 3


def test_two_providers_behind_one_name_are_no_move_until_one_is_left():
    """What both serve is charged to the first; when that one stops, it moved."""
    hard = build(gauntlet(cases=400), seed=1, start=START, port=18080)
    spells = [hard.truth(index).spells for index in of_story(hard, Story.TWO)]
    assert {len(of_one) for of_one in spells} == {1, 2}
    moved = next(of_one for of_one in spells if len(of_one) == 2)
    assert moved[0].provider == "giant" != moved[1].provider
    assert (moved[0].removals, moved[0].moved_at) == ((), moved[1].stays[0].since)


def test_what_was_gone_before_anybody_looked_shows_hours_later():
    """A page that is served in the place of what nobody saw proves nothing; a status code does."""
    hard = build(gauntlet(cases=400), seed=1, start=START, port=18080)
    for index in of_story(hard, Story.UNSEEN):
        truth = hard.truth(index)
        (spell,) = truth.spells
        (removed,) = spell.removals
        assert removed < truth.reported_at < spell.shows_at(removed)


def test_a_story_can_be_left_out():
    """A story left out is told nowhere, and the number of cases stays."""
    without = build(demo(without=frozenset({Story.MOVED})), seed=1, start=START, port=18080)
    assert len(without.cases) == 400
    assert Story.MOVED not in {case.story for case in without.cases}


def test_case_ids_are_those_of_the_keyring(world):
    """A case is named as the ledger names it, and no two cases share a URL."""
    names = {case.case_id for case in world.cases}
    assert len(names) == len(world.cases)
    assert all(case.case_id == KEYS.case_id(canonical(case.url.href)) for case in world.cases)


def test_addresses_are_few_and_inside_one_loopback_network(world):
    """Servers bind a bounded number of addresses, none of them outside 127.16.0.0/12."""
    assert len(world.addresses) <= 60
    assert all(ip_address(address) in ip_network(NETWORK) for address in world.addresses)


def test_hosts_are_fictional(world):
    """Every name ends in .example."""
    assert all(name.endswith(".example") for name in world.hosts)


def test_addresses_belong_to_the_provider_by_longest_prefix(world):
    """The provider map attributes every phase of every plan to the provider that the plan names."""
    prefixes = [
        (ip_network(prefix["cidr"]), provider["id"])
        for provider in tomllib.loads(world.provider_map_toml())["provider"]
        for prefix in provider["prefix"]
    ]
    for phase in (phase for case in world.cases for phase in case.plan.phases):
        for address in phase.addresses:
            fit = [found for found in prefixes if ip_address(address) in found[0]]
            assert max(fit, key=lambda found: found[0].prefixlen)[1] == phase.provider


def test_nothing_is_planned_after_the_end(world):
    """The demo ends: reports, notices and changes lie before the end of the watch."""
    end = world.offset(world.end)
    assert max(phase.offset for case in world.cases for phase in case.plan.phases) < end
    assert max(notice.sent for case in world.cases for notice in case.notices) < end


def test_refuser_blocks_mail_and_its_form_bounds_notices(world):
    """Mail is blocked every time; no window of the form takes more than five addresses."""
    notices = [n for c in world.cases if c.provider == "refuser" for n in c.notices]
    assert {n.failure for n in notices if n.channel == "email"} == {"blocked"}
    assert {"rate_limited", "refused"} <= {n.failure for n in notices}
    window = world.scenario.seconds(world.scenario.form_window_hours)
    taken = Counter(n.sent // window for n in notices if n.channel == "form" and n.arrives)
    assert max(taken.values()) <= 5


def test_notice_that_never_arrived_starts_no_clock(world):
    """Without an arrived notice the truth has neither clock nor deadline."""
    mute = [c for c in world.cases if not any(n.arrives for n in c.notices)]
    assert mute
    for case in mute:
        (spell,) = world.truth(case.index).spells
        assert (spell.clock_started_at, spell.deadline, spell.within) == (None, None, None)


def test_failed_notice_does_not_start_the_clock_but_the_next_does(world):
    """The clock's start is the first notice that arrived."""
    case = next(c for c in world.cases if c.notices[-1].arrives and not c.notices[0].arrives)
    (spell,) = world.truth(case.index).spells
    assert spell.clock_started_at == world.instant(case.notices[-1].sent)


def test_gone_before_notice_is_so_in_truth(world):
    """Gone before the report means gone before the notice."""
    for index in of_story(world, Story.GONE_BEFORE):
        (spell,) = world.truth(index).spells
        assert spell.gone_before_notice
        assert spell.first_removed_at < world.truth(index).reported_at


def test_late_and_never_are_breaches(world):
    """What is still there at the deadline is not within the norm."""
    for index in of_story(world, Story.LATE) + of_story(world, Story.NEVER):
        assert world.truth(index).spells[0].within in (False, None)


def test_move_ends_a_spell_without_a_removal(world):
    """A move is no removal: the first spell ends as the second begins, at another provider."""
    for index in of_story(world, Story.MOVED):
        old, new = world.truth(index).spells
        assert old.provider != new.provider
        assert old.removals == ()
        assert old.moved_at == new.stays[0].since
        assert new.clock_started_at > old.moved_at


def test_return_opens_a_second_stay(world):
    """A return is a second stay at the same provider, after a removal."""
    for index in of_story(world, Story.RETURNED) + of_story(world, Story.RETURNED_LATE):
        (spell,) = world.truth(index).spells
        assert len(spell.stays) == 2
        assert spell.removals[0] < spell.stays[1].since == spell.back_at(spell.removals[0])


def test_outage_is_no_removal(world):
    """Faults and blocks with the material behind them leave one unbroken stay."""
    for index in of_story(world, Story.FLAPPING) + of_story(world, Story.BLOCKED):
        shown = {NATURE[p.behaviour].shows for p in world.cases[index].plan.phases}
        assert Shows.HIDDEN in shown
        assert len(world.truth(index).spells[0].stays) == 1


def test_trouble_stays_at_its_own_addresses(world):
    """No host that blocks, stalls or fails shares an address with one that does not."""
    troubled = of_story(world, Story.FLAPPING) + of_story(world, Story.BLOCKED)
    theirs = {a for index in troubled for a in world.cases[index].plan.addresses()}
    quiet = [c for c in world.cases if c.index not in troubled]
    assert not theirs & {address for case in quiet for address in case.plan.addresses()}


def test_hold_moves_the_deadline_by_its_length(world):
    """The deadline moves by the time that the clock stood still."""
    (case,) = [case for case in world.cases if case.hold is not None]
    (spell,) = world.truth(case.index).spells
    held = world.instant(case.hold.lifted) - world.instant(case.hold.placed)
    assert spell.deadline - spell.clock_started_at == world.norm + held


def test_phase_refuses_a_contradiction():
    """A 404 with the material there, or a 200 without it, is no plan."""
    with pytest.raises(ValueError, match="contradict"):
        Phase(0.0, Behaviour.GONE_404, "p", ("127.16.0.1",), there=True)
    with pytest.raises(ValueError, match="contradict"):
        Phase(0.0, Behaviour.OK, "p", ("127.16.0.1",), there=False)


def test_plan_changes_exactly_at_its_offset():
    """A phase holds from its offset on, to the microsecond."""
    plan = UrlPlan(
        (
            Phase(0.0, Behaviour.OK, "p", ("127.16.0.1",), there=True),
            Phase(5.000001, Behaviour.GONE_404, "p", ("127.16.0.1",), there=False),
        )
    )
    assert plan.at(5.0).behaviour is Behaviour.OK
    assert plan.at(5.000001).behaviour is Behaviour.GONE_404


def test_apportion_adds_up_and_gives_rare_things_their_turn():
    """Largest remainders: the counts add up to the total and follow the weights."""
    counts = apportion(10, {"a": 0.85, "b": 0.09, "c": 0.06})
    assert sum(counts.values()) == 10
    assert counts == {"a": 8, "b": 1, "c": 1}


def test_world_does_not_print_its_urls(world):
    """A world in a log names no URL."""
    assert not re.search(r"http|\.example", repr(world))


def test_shares_must_add_up():
    """A scenario whose shares do not add up is refused with what to do."""
    with pytest.raises(ConfigError, match="add up"):
        replace(demo(), providers=demo().providers[:1])
