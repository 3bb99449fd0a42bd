"""`takedown probe`: one URL from standard input, everything that was seen, and never the URL."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.lab import Lab
from tests.integration.looksites import answer
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
    lab: Lab, tmp_path: Path, url: str, *arguments: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, while the lab's sites go on here."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "services.cli", "probe", *arguments],
        input=url + "\n",
        env=environment(tmp_path, lab, **more),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


async def test_it_says_what_was_seen_and_why(lab: Lab, tmp_path: Path) -> None:
    """Name, addresses, each request with its kept headers, the control, the verdict and the rule."""
    lab.names.names["marker.example"] = ["127.0.0.1"]
    site = await lab.site()
    site.scripts["/marker"] = answer(302, location="/found-marker")
    site.scripts["/found-marker"] = answer(200, content_type="image/jpeg", content_length="4711")
    done = await probe(lab, tmp_path, f"http://marker.example:{site.port}/marker")
    assert done.returncode == 0, done.stderr
    for said in (
        "name: addresses, 0 aliases",
        "addresses: 127.0.0.1",
        "asked for the URL: HEAD 127.0.0.1: 302, sent to: same_host",
        "asked for a path that can't exist: HEAD 127.0.0.1: 404",
        "content_length 4711",
        "compared with a random sibling: differs",
        "verdict: online, layer content, reason served",
        "rule: 200, 203 or 206 at some address",
    ):
        assert said in done.stdout, done.stdout
    assert "marker" not in (done.stdout + done.stderr).lower()


async def test_it_speaks_json(lab: Lab, tmp_path: Path) -> None:
    """With --json everything comes as one document, the look as its event would be."""
    site = await lab.site(x=answer(410))
    url = f"http://a.example:{site.port}/x"
    done = await probe(lab, tmp_path, url, "--json", "--confirming")
    said = json.loads(done.stdout)
    assert (said["look"]["verdict"], said["look"]["reason"]) == ("removed", "gone")
    assert [asked["method"] for asked in said["asked"]] == ["HEAD", "GET"]
    assert said["judged"] == [
        {
            "address": "127.0.0.1",
            "verdict": "removed",
            "reason": "gone",
            "sibling": "unasked",
            "baseline": "unknown",
        }
    ]
    assert said["rule"].startswith("410")
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
