"""What a look makes of what is known: the baseline, walls around a host, shared redirects, hosts that are dark."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from msgspec import structs

from schemas.events import Fingerprint
from schemas.urls import canonical
from services.core.rules import RULES
from services.probing.look.darkness import DarknessLimits
from services.probing.look.looker import Deferred, Target
from tests.as_configured import look_limits
from tests.integration.lab import FAST, RUDE, Lab
from tests.integration.looksites import Script, answer, reset, silent

IMAGE = {"content_type": "image/jpeg", "content_length": "48213", "etag": '"5e"'}
PAGE = {"content_type": "text/html", "content_length": "512"}
FRONT = answer(200, content_type="text/html", content_length="40000")
BASELINE = Fingerprint(status=200, content_type="image/jpeg", content_length=48_213)
DARK_AT_ONCE = look_limits(
    total_seconds=2.0,
    exchange_seconds=0.6,
    connect_seconds=0.4,
    darkness=DarknessLimits(seconds=0.0, looks=3),
)


def to(location: str):
    return answer(302, location=location)


# -- baseline --------------------------------------------------------------------------------------


async def test_a_page_in_the_place_of_an_image_is_not_online(lab: Lab) -> None:
    """What the first looks saw as an image and is a page now was replaced: neither online nor gone."""
    site = await lab.site(x=answer(200, **PAGE))
    url = f"http://a.example:{site.port}/x"
    made = await lab.look(url, known_online=True, baseline=BASELINE)
    assert (made.verdict, made.reason) == ("undetermined", "suspected_replaced")
    assert (await lab.look(url)).verdict == "online"


async def test_another_file_of_the_same_class_is_not_online(lab: Lab) -> None:
    """A placeholder image of another length is not what was reported; another ETag alone is nothing."""
    small = IMAGE | {"content_length": "900"}
    site = await lab.site(x=answer(200, **small), y=answer(200, **(IMAGE | {"etag": '"77"'})))
    known = {"known_online": True, "baseline": BASELINE}
    replaced = await lab.look(f"http://a.example:{site.port}/x", **known)
    assert replaced.reason == "suspected_replaced"
    assert (await lab.look(f"http://a.example:{site.port}/y", **known)).verdict == "online"


async def test_what_the_entry_knows_survives_a_restart(lab: Lab) -> None:
    """A URL that leads to the front page alone is gone where it was seen served, also for a new prober."""
    site = await lab.site(x=answer(200))
    looker, url = lab.looker(), f"http://a.example:{site.port}/x"
    assert (await lab.look(url, looker)).verdict == "online"
    site.scripts["/x"] = to("/")
    for prober, known, reason in (
        (looker, False, "soft_404_root"),
        (lab.looker(), False, "redirect_to_root"),
        (lab.looker(), True, "soft_404_root"),
    ):
        assert (await lab.look(url, prober, known_online=known)).reason == reason


# -- walls and soft 404 ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "front", [answer(200, **PAGE), FRONT, answer(503)], ids=["wall", "served", "503"]
)
async def test_a_wall_around_the_whole_host_is_no_removal(lab: Lab, front: Script) -> None:
    """Served before, and now as a sibling is: maintenance, a login, anything; another front page proves nothing."""
    site = await lab.site()
    site.missing, site.scripts["/"] = answer(200, **PAGE), front
    made = await lab.look(f"http://a.example:{site.port}/x", known_online=True, baseline=BASELINE)
    assert (made.verdict, made.reason) == ("undetermined", "suspected_wall")


async def test_a_store_that_forbids_what_it_does_not_have(lab: Lab) -> None:
    """403 is a removal where siblings had it already when the baseline was taken, and the front page has it not."""
    site = await lab.site()
    site.missing, site.scripts["/"] = answer(403), FRONT
    url = f"http://a.example:{site.port}/x"
    then = structs.replace(BASELINE, sibling="403")
    made = await lab.look(url, known_online=True, baseline=then)
    assert (made.verdict, made.reason) == ("removed", "forbidden_as_missing")
    other = structs.replace(BASELINE, sibling="404")
    for known in ({"baseline": then}, {"known_online": True, "baseline": other}):
        assert (await lab.look(url, lab.looker(), **known)).reason == "blocked_forbidden"


@pytest.mark.parametrize("silence", [reset, answer(503)], ids=["reset", "503"])
async def test_a_front_page_that_said_nothing_is_asked_again(lab: Lab, silence: Script) -> None:
    """Its silence proves nothing, and holds a removal up for minutes, not for the hour that an answer is kept."""
    site = await lab.site()
    site.missing, site.scripts["/"] = answer(403), silence
    looker, url = lab.looker(), f"http://a.example:{site.port}/x"
    known = {"known_online": True, "baseline": structs.replace(BASELINE, sibling="403")}
    assert (await lab.look(url, looker, **known)).reason == "blocked_forbidden"
    begun = looker._gate.now
    looker._gate.now = lambda: begun() + look_limits().control_retry_seconds
    site.scripts["/"] = FRONT
    assert (await lab.look(url, looker, **known)).reason == "forbidden_as_missing"


async def test_a_sorry_page_by_another_name(lab: Lab) -> None:
    """A page that everything unknown is sent to is never online; gone, where that was so while URLs were served."""
    site = await lab.site(sorry=answer(200, **PAGE), x=to("/sorry"), y=answer(200, **IMAGE))
    site.missing = to("/sorry")
    url = f"http://a.example:{site.port}"
    assert (await lab.look(f"{url}/y")).verdict == "online"
    assert (await lab.look(f"{url}/x")).reason == "soft_404_redirect"
    site.scripts["/y"] = to("/sorry")
    made = await lab.look(f"{url}/y")
    assert (made.verdict, made.reason) == ("removed", "soft_404_redirect")


async def test_many_urls_sent_to_one_place_are_not_online(lab: Lab) -> None:
    """A file of the promised type is what one URL may be sent to; the second that is sent there shows a placeholder."""
    site = await lab.site()
    site.scripts |= {"/hub.jpg": answer(200, **IMAGE)} | {
        f"/x{n}.jpg": to("/hub.jpg") for n in range(3)
    }
    looks = [
        await lab.look(f"http://a.example:{site.port}/x{n}.jpg", case_id=f"{n + 1:x}" * 32)
        for n in range(3)
    ]
    assert [look.verdict for look in looks] == ["online", "undetermined", "undetermined"]
    assert {look.reason for look in looks[1:]} == {"redirect_unproven"}


async def test_one_url_asked_often_shares_with_nobody(lab: Lab) -> None:
    """Cases are counted, not looks."""
    site = await lab.site()
    site.scripts |= {"/hub.jpg": answer(200, **IMAGE), "/x.jpg": to("/hub.jpg")}
    for _ in range(5):
        assert (await lab.look(f"http://a.example:{site.port}/x.jpg")).verdict == "online"


@pytest.mark.parametrize("place", ["/login?next=x", "/age-gate/", "/user/sign-in", "/captcha.php"])
async def test_a_login_is_a_block(lab: Lab, place: str) -> None:
    """A redirect that asks who we are is a block, and is not followed where its path names no object."""
    site = await lab.site(x=to(place))
    made = await lab.look(f"http://a.example:{site.port}/x", known_online=True)
    assert (made.verdict, made.reason) == ("undetermined", "blocked_login")
    assert [asked.target for asked in site.asked] == ["/x", "/x"]


@pytest.mark.parametrize(("headers", "reason"), [(IMAGE, "served"), (PAGE, "blocked_login")])
async def test_a_login_that_names_the_object_is_followed(
    lab: Lab, headers: dict[str, str], reason: str
) -> None:
    """A spelling is no login: media that lie there are the object, and a page is a form."""
    site = await lab.site()
    site.scripts |= {"/x.jpg": to("/consent/x.jpg"), "/consent/x.jpg": answer(200, **headers)}
    made = await lab.look(f"http://a.example:{site.port}/x.jpg", known_online=True)
    assert made.reason == reason


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"cf_mitigated": "challenge"}),
        (403, {"cf_mitigated": "challenge"}),
        (404, {"cf_mitigated": "challenge"}),
        (202, {"x_amzn_waf_action": "challenge"}),
        (405, {"x_amzn_waf_action": "captcha"}),
        (429, {"x_vercel_mitigated": "challenge"}),
        (404, {"x_vercel_mitigated": "deny"}),
        (403, {"x_datadome": "protected"}),
        (503, {"x_sucuri_block": "1"}),
    ],
)
async def test_challenges(lab: Lab, status: int, headers: dict[str, str]) -> None:
    """What says in a header that it kept a machine out is a block, whatever the status, and is not asked again."""
    site = await lab.site(x=answer(status, **headers))
    made = await lab.look(f"http://a.example:{site.port}/x", known_online=True)
    assert (made.verdict, made.reason) == ("undetermined", "blocked_challenge")
    assert site.methods("/x") == ["HEAD"]


async def test_a_protector_that_lets_pass_is_no_block(lab: Lab) -> None:
    """Some headers of protectors are in every answer: beside a plain status they mean nothing."""
    site = await lab.site(
        x=answer(200, x_datadome="protected"),
        y=answer(404, x_datadome="protected", cf_mitigated="none"),
    )
    assert (await lab.look(f"http://a.example:{site.port}/x")).verdict == "online"
    assert (await lab.look(f"http://a.example:{site.port}/y")).verdict == "removed"


# -- dark hosts ------------------------------------------------------------------------------------


async def test_a_host_is_dark_only_after_a_while(lab: Lab) -> None:
    """The first looks at a dead host keep their own reason; then it counts as dark, layer host."""
    site = await lab.site()
    await site.stop()
    looker = lab.looker(limits=DARK_AT_ONCE)
    url = f"http://a.example:{site.port}/x"
    looks = [await lab.look(url, looker) for _ in range(3)]
    assert [look.reason for look in looks] == ["connect_refused", "connect_refused", "host_dark"]
    assert (looks[-1].verdict, looks[-1].layer) == ("removed", "host")


async def test_hours_have_to_pass(lab: Lab) -> None:
    """By default no number of looks in a minute makes a host dark."""
    site = await lab.site()
    await site.stop()
    looks = [await lab.look(f"http://a.example:{site.port}/x") for _ in range(6)]
    assert {look.reason for look in looks} == {"connect_refused"}


async def test_a_second_vantage_says_so_at_once(lab: Lab) -> None:
    """Where the entry says that another vantage finds it dark, this one need not wait; nor if the host answers."""
    site = await lab.site(y=answer(200))
    port = site.port
    assert (await lab.look(f"http://a.example:{port}/y", host_dark=True)).verdict == "online"
    await site.stop()
    made = await lab.look(f"http://a.example:{port}/x", host_dark=True)
    assert (made.verdict, made.reason) == ("removed", "host_dark")


async def test_one_broken_page_is_no_dark_host(lab: Lab) -> None:
    """A 5xx counts only where the front page gives one too."""
    site = await lab.site(x=answer(500))
    site.scripts["/"] = answer(200)
    looker = lab.looker(limits=DARK_AT_ONCE)
    url = f"http://a.example:{site.port}/x"
    for _ in range(5):
        assert (await lab.look(url, looker, host_dark=True)).reason == "server_error"
    other = await lab.site()
    other.missing = answer(502)
    url = f"http://a.example:{other.port}/x"
    assert (await lab.look(url, lab.looker(), host_dark=True)).reason == "host_dark"


async def test_a_host_that_says_503_for_everything_is_no_dark_host(lab: Lab) -> None:
    """It may be a limit that is meant for us alone, and its wish to be left alone holds (V)."""
    site = await lab.site(x=answer(503))
    site.scripts["/"] = answer(503)
    looker = lab.looker(politeness=replace(RUDE, backoff_seconds=60.0))
    made = await lab.look(f"http://a.example:{site.port}/x", looker, host_dark=True)
    assert (made.verdict, made.reason) == ("undetermined", "blocked_unavailable")
    with pytest.raises(Deferred):
        await lab.look(f"http://a.example:{site.port}/x", looker)


async def test_one_page_that_hangs_is_no_dark_host(lab: Lab) -> None:
    """It counts only where the front page hangs as well, which has time of its own to answer."""
    site = await lab.site("127.0.0.1", x=silent)
    site.scripts["/"] = answer(200)
    url = f"http://a.example:{site.port}/x"
    looker = lab.looker(limits=DARK_AT_ONCE)
    assert (await lab.look(url, looker, host_dark=True)).reason == "response_timeout"
    short = replace(DARK_AT_ONCE, total_seconds=0.6)
    assert (await lab.look(url, lab.looker(limits=short), host_dark=True)).reason == (
        "response_timeout"
    )
    site.scripts["/"] = silent
    assert (await lab.look(url, lab.looker(), host_dark=True)).reason == "host_dark"


async def test_an_address_that_was_not_asked_in_time_is_not_dark(lab: Lab) -> None:
    """Of three addresses that hang, a look has time for two: the third may serve."""
    addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    site = await lab.site(*addresses)
    site.missing = silent
    lab.names.names["b.example"] = addresses
    limits = replace(DARK_AT_ONCE, total_seconds=2.0)
    made = await lab.look(
        f"http://b.example:{site.port}/x", lab.looker(limits=limits), host_dark=True
    )
    assert (made.verdict, made.reason) == ("undetermined", "response_timeout")
    assert len(made.served) == 2


async def test_an_answer_ends_the_dark(lab: Lab) -> None:
    """Any answer of the host begins the waiting anew, one that says gone as well."""
    site = await lab.site(x=answer(403), z=answer(404))
    site.missing = answer(502)
    looker = lab.looker(limits=DARK_AT_ONCE)
    url = f"http://a.example:{site.port}"
    for _ in range(2):
        assert (await lab.look(f"{url}/y", looker)).reason == "server_error"
    for path, reason in (("x", "blocked_forbidden"), ("z", "not_found")):
        assert (await lab.look(f"{url}/{path}", looker)).reason == reason
        for _ in range(2):
            assert (await lab.look(f"{url}/y", looker)).reason == "server_error"


@pytest.mark.parametrize(
    "script", [reset, answer(503, retry_after="0"), answer(403)], ids=["reset", "503", "403"]
)
async def test_what_may_be_meant_for_us_alone_is_no_dark(lab: Lab, script: Script) -> None:
    """A reset, a block, or a 503 that names a time never makes a host dark, though its front page says so too."""
    site = await lab.site()
    site.missing = script
    looker = lab.looker(limits=DARK_AT_ONCE)
    for _ in range(4):
        made = await lab.look(f"http://a.example:{site.port}/x", looker, host_dark=True)
        assert made.verdict == "undetermined"


@pytest.mark.parametrize(
    "script",
    [answer(530), answer(421)],
    ids=["530", "421"],
)
async def test_a_balancer_without_a_server_is_dark_where_its_front_page_is(
    lab: Lab, script: Script
) -> None:
    """No server for the name: 530 or 421, by the front page too."""
    site = await lab.site()
    site.missing, site.scripts["/"] = script, FRONT
    url = f"http://a.example:{site.port}/x"
    assert (await lab.look(url, host_dark=True)).verdict == "undetermined"
    site.scripts["/"] = script
    made = await lab.look(url, lab.looker(), host_dark=True)
    assert (made.verdict, made.reason, made.layer) == ("removed", "host_dark", "host")


# -- share of the day ------------------------------------------------------------------------------


async def test_a_url_has_its_share_of_the_day(lab: Lab) -> None:
    """The cap of a URL ends in `Deferred`, which is recorded as missed; another URL is still looked at."""
    site = await lab.site(x=answer(200), y=answer(200))
    looker = lab.looker(politeness=replace(RUDE, looks_per_day=2))
    for _ in range(2):
        await lab.look(f"http://a.example:{site.port}/x", looker)
    with pytest.raises(Deferred):
        await lab.look(f"http://a.example:{site.port}/x", looker)
    assert (
        await lab.look(f"http://a.example:{site.port}/y", looker, case_id="f" * 32)
    ).verdict == "online"


async def test_a_look_that_was_put_off_has_not_been_made(lab: Lab) -> None:
    """While a host wants to be left alone a URL of it keeps its share of the day, however often its look is put off."""
    site = await lab.site(x=answer(200), y=answer(429, retry_after="1"))
    looker = lab.looker(politeness=replace(RUDE, looks_per_day=1, max_wait_seconds=0.05))
    origin = f"http://a.example:{site.port}"
    assert (await lab.look(f"{origin}/y", looker, case_id="f" * 32)).reason[:7] == "blocked"
    for _ in range(3):
        with pytest.raises(Deferred):
            await lab.look(f"{origin}/x", looker)
    await asyncio.sleep(1.05)
    assert (await lab.look(f"{origin}/x", looker)).verdict == "online"


async def test_everything_a_look_did_can_be_told(lab: Lab) -> None:
    """`explain` takes down each request, what it was for, and the evidence that the verdict rests on."""
    site = await lab.site(x=to("/y"), y=answer(404))
    looker = lab.looker(limits=FAST)
    target = Target("0" * 32, canonical(f"http://a.example:{site.port}/x"))
    made = await looker.explain(target, datetime.now(UTC))
    assert [(s.purpose, s.reply.method, s.redirect) for s in made.steps] == [
        ("url", "HEAD", None),
        ("url", "GET", "same_host"),
        ("sibling", "GET", None),
        ("url", "GET", None),
        ("url", "GET", None),
    ]
    assert made.rules == [
        "head_says_little",
        "redirect_followed",
        "head_known_to_say_little",
        "agent_agrees",
    ]
    assert made.look.reason == "not_found"
    assert made.evidence.answers[0].status == 404


@pytest.mark.parametrize(
    ("script", "rules"),
    [
        (answer(200, **IMAGE), []),
        (answer(200, head=405), ["head_says_little"]),
        (answer(503, retry_after="60"), ["head_pushed_back"]),
        (answer(410), ["head_says_little", "agent_agrees"]),
        (to("/a/x"), ["head_says_little", "redirect_names_object"]),
    ],
    ids=["served", "405", "503", "410", "302"],
)
async def test_the_rules_that_were_used_have_names(
    lab: Lab, script: Script, rules: list[str]
) -> None:
    """Each rule that a look used on its way is named, in order."""
    site = await lab.site(x=script)
    site.scripts["/a/x"] = answer(200, **IMAGE)
    target = Target("0" * 32, canonical(f"http://a.example:{site.port}/x"))
    explained = await lab.looker().explain(target, datetime.now(UTC))
    assert explained.rules == rules
    assert set(rules) <= set(RULES)
