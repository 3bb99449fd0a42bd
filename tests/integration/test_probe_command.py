"""`takedown probe`: one URL from standard input, everything that was seen, and never the URL."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from services.core.rules import RULES
from tests.integration.lab import Lab
from tests.integration.looksites import Asked, answer
from tests.integration.proxies import ScriptedProxy
from tests.servers import REPOSITORY


def environment(tmp_path: Path, lab: Lab, **more: str) -> dict[str, str]:
    """Settings of a simulation that asks the lab's name server, and nothing else."""
    return {
        "PATH": "/usr/bin:/bin",
        "TAKEDOWN_DATA_DIR": str(tmp_path),
        "TAKEDOWN_PROBE_MODE": "simulated",
        "TAKEDOWN_PROBE_NAMESERVERS": f"127.0.0.1:{lab.names.port}",
    } | more


async def probe(
    lab: Lab, tmp_path: Path, url: str | bytes, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, while the lab's sites go on here."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.cli", "probe", *arguments],
        input=(url.encode() if isinstance(url, str) else url) + b"\n",
        env=environment(tmp_path, lab, **more),
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        timeout=60,
    )
    out, err = done.stdout.decode(), done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, out, err)


async def test_it_says_what_was_seen_and_why(lab: Lab, tmp_path: Path) -> None:
    """Name, addresses, each request with its kept headers, the sibling, what HEAD is worth, the verdict, the rules."""
    lab.names.names["marker.example"] = ["127.0.0.1"]
    site = await lab.site()
    site.scripts["/marker"] = answer(302, location="/found/marker")
    site.scripts["/found/marker"] = answer(200, content_type="image/jpeg", content_length="4711")
    done = await probe(lab, tmp_path, f"http://marker.example:{site.port}/marker")
    assert done.returncode == 0, done.stderr
    for said in (
        "name: addresses, 0 aliases, TTL 60 s, resolved 0 s before",
        "addresses: 127.0.0.1",
        "request for the URL: GET 127.0.0.1: 302, sent to: same_host",
        "request for a sibling: HEAD 127.0.0.1: 404",
        "content_length 4711",
        "compared with a random sibling: differs, siblings asked just now, the redirect's target names the object",
        "HEAD: says little of URLs of this shape, known for 0 s; GET is asked at once",
        "verdict: online, layer content, reason served",
        "rule: 200, 203 or 206 at some address",
        f"used head_says_little: {RULES['head_says_little']}",
        f"used redirect_names_object: {RULES['redirect_names_object']}",
    ):
        assert said in done.stdout, done.stdout
    assert "marker" not in (done.stdout + done.stderr).lower()


async def test_it_says_when_nothing_can_be_told_apart(lab: Lab, tmp_path: Path) -> None:
    """What everything is answered with: siblings are alike, and nothing is known to have been served beside them."""
    site = await lab.site()
    site.missing = answer(200, content_type="text/html", content_length="512")
    done = await probe(lab, tmp_path, f"http://a.example:{site.port}/x")
    for said in (
        "same, siblings asked just now, siblings not known to be answered so while something was served",
        "reason never_seen_served",
    ):
        assert said in done.stdout, done.stdout


async def test_it_speaks_json(lab: Lab, tmp_path: Path) -> None:
    """With --json everything comes as one document, the look as its event would be."""
    site = await lab.site(x=answer(410))
    url = f"http://a.example:{site.port}/x"
    done = await probe(lab, tmp_path, url, "--json", "--confirming")
    said = json.loads(done.stdout)
    assert (said["look"]["verdict"], said["look"]["reason"]) == ("removed", "gone")
    asked = [(asked["method"], asked["neutral"]) for asked in said["asked"]]
    assert asked == [("GET", False), ("GET", True)]
    assert said["judged"] == [
        {
            "address": "127.0.0.1",
            "verdict": "removed",
            "reason": "gone",
            "sibling": "unasked",
            "baseline": "unknown",
            "fresh": None,
            "told_apart": None,
            "named": None,
        }
    ]
    assert said["rule"].startswith("410")
    assert said["rules"] == [{"name": "agent_agrees", "about": RULES["agent_agrees"]}]
    assert said["head_age_seconds"] is None
    assert said["look"]["resolution_age_seconds"] < 60
    assert "a.example" not in done.stdout


@pytest.mark.parametrize(
    ("url", "more", "status", "said"),
    [
        ("http://a.example/x", {"TAKEDOWN_PROBE_MODE": "off"}, 2, "TAKEDOWN_PROBE_MODE is off"),
        ("http://a.example/x", {"TAKEDOWN_PROBE_MODE": "public"}, 2, "TAKEDOWN_PROBE_OPERATOR"),
        ("marker without scheme", {}, 4, "standard input"),
        ("", {}, 4, "standard input"),
    ],
)
async def test_it_refuses_as_the_prober_does(
    lab: Lab, tmp_path: Path, url: str, more: dict[str, str], status: int, said: str
) -> None:
    """Off, public without anybody who answers for it, and what is no URL: refused, in one line, nothing repeated."""
    done = await probe(lab, tmp_path, url, **more)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "marker" not in done.stderr
    assert lab.names.asked == []


async def test_the_guard_holds_here_too(lab: Lab, tmp_path: Path) -> None:
    """A simulation asks nothing but loopback, also by hand; onion services are never asked."""
    done = await probe(lab, tmp_path, "http://93.184.216.34/x")
    assert "reason address_refused" in done.stdout
    done = await probe(lab, tmp_path, "http://marker.onion/x")
    assert "reason not_measurable" in done.stdout
    assert "marker" not in done.stdout


@pytest.mark.parametrize(
    ("url", "status", "said"),
    [
        ("http://us:marker@127.0.0.1:{}/x", 0, "reason not_measurable"),
        ("http://evil.example:80@127.0.0.1:{}/marker", 0, "reason not_measurable"),
        ("http://2130706433:22/marker", 0, "reason address_refused"),
        ("http://0177.0.0.1:22/marker", 0, "reason address_refused"),
        ("http://0x7f.1:22/marker", 0, "reason address_refused"),
        ("http://127.1:22/marker", 0, "reason address_refused"),
        ("http://0:22/marker", 0, "reason address_refused"),
        ("http://①②⑦.⓪.⓪.①:22/marker", 0, "reason address_refused"),
        ("http://[::ffff:7f00:1]:{}/marker", 0, "reason address_refused"),
        ("http://[::7f00:1]:{}/marker", 0, "reason address_refused"),
        ("http://[2002:7f00:1::]:{}/marker", 0, "reason address_refused"),
        ("http://[64:ff9b::7f00:1]:{}/marker", 0, "reason address_refused"),
        ("http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:{}/marker", 0, "reason address_refused"),
        ("http://169.254.169.254/marker", 0, "reason address_refused"),
        ("http://a.example:22/marker", 0, "reason address_refused"),
        ("http://a.example:{}/inward", 0, "reason redirect_other_domain"),
        ("http://a.example:{}/forbidden", 0, "reason redirect_refused"),
        ("http://bücher.example:{}/marker", 0, "reason nxdomain"),
        ("gopher://a.example/marker", 0, "reason not_measurable"),
        ("http://a.example:{}/x#marker", 0, "reason served"),
        ("hxxp://a[.]example:{}/x", 0, "reason served"),
        ("http://a.example:0{}/x", 0, "reason served"),
        ("http://a.example:{}/x\nhttp://marker.example/", 0, "reason served"),
        ("http://a.example:{}/marker\x00", 4, "control characters"),
        ("http://a.example:{}/mar ker", 4, "control characters"),
        ("http://a.example:{}/marker\t", 0, "reason not_found"),
        ("http://a.example\t:{}/marker", 4, "control characters"),
        ("http://127.0.0.1%00.marker.example/", 4, "not an absolute URL"),
        ("http://[fe80::1%25lo]:{}/marker", 4, "not an absolute URL"),
        ("http://a.example:99999/marker", 4, "not an absolute URL"),
        ("javascript:alert('marker')", 4, "without a host"),
        ("http://a.example/" + "marker" * 20_000, 4, "8192 characters"),
        (b"http://a.example/marker\xff", 4, "not UTF-8"),
        (b"\xff\xfemarker", 4, "not UTF-8"),
    ],
)
async def test_hostile_input_ends_in_one_clear_answer(
    lab: Lab, tmp_path: Path, url: str | bytes, status: int, said: str
) -> None:
    """Every spelling of a URL that is meant to harm: refused or judged, and repeated nowhere."""
    site = await lab.site(
        x=answer(200),
        inward=answer(302, location="http://127.0.0.1:22/marker"),
        forbidden=answer(302, location="//a.example:22/marker"),
    )
    written = url.replace("{}", str(site.port)) if isinstance(url, str) else url
    done = await probe(lab, tmp_path, written, TAKEDOWN_PROBE_PORTS=f"{site.port},80")
    assert done.returncode == status, done.stderr
    assert said in (done.stdout if status == 0 else done.stderr)
    assert (done.stdout == "") == (status != 0)
    everything = (done.stdout + done.stderr).lower()
    assert "marker" not in everything
    assert "a.example" not in everything
    assert "Traceback" not in done.stderr
    assert {asked.target for asked in site.asked if "marker" in asked.target} <= {"/marker"}


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_it_leaves_by_the_proxy_and_the_guard_stands_before_it(
    lab: Lab, tmp_path: Path, scheme: str
) -> None:
    """A proxy from the settings is given the address that we resolved, never a name and never a refused address."""
    proxy = await ScriptedProxy(scheme).start()
    site = await lab.site(x=answer(200))
    way = {"TAKEDOWN_PROBE_EGRESS_PROXY": f"{scheme}://127.0.0.1:{proxy.port}"}
    done = await probe(lab, tmp_path, f"http://a.example:{site.port}/x", **way)
    assert "reason served" in done.stdout, done.stderr
    assert set(proxy.asked) == {("127.0.0.1", site.port)}
    refused = await probe(lab, tmp_path, f"http://[::ffff:7f00:1]:{site.port}/x", **way)
    itself = await probe(lab, tmp_path, f"http://127.0.0.1:{proxy.port}/x", **way)
    assert "reason address_refused" in refused.stdout
    assert "reason address_refused" in itself.stdout
    assert set(proxy.asked) == {("127.0.0.1", site.port)}
    await proxy.stop()


async def test_it_leaves_from_the_bound_address(lab: Lab, tmp_path: Path) -> None:
    """The site sees the address that the settings name."""
    peers: set[str] = set()

    async def script(asked: Asked, writer: asyncio.StreamWriter) -> None:
        peers.add(writer.get_extra_info("peername")[0])
        await answer(200)(asked, writer)

    site = await lab.site(x=script)
    url = f"http://a.example:{site.port}/x"
    done = await probe(lab, tmp_path, url, TAKEDOWN_PROBE_BIND_ADDRESS="127.0.0.9")
    assert "reason served" in done.stdout, done.stderr
    assert peers == {"127.0.0.9"}
