"""The HTML report in a real browser: it renders, asks nothing of the network, and prints."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from services.core.fold import fold
from services.reports import html
from services.reports.figures import Warning
from services.reports.table import Choice, build
from tests.servers import REPOSITORY, unavailable
from tests.strategies import START
from tests.unit.reports.test_report_table import CUTOFF, HOUR, LOGS, NL

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    # Any name that is asked for anyway goes nowhere.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
Browser = Callable[..., str]


@pytest.fixture(scope="module")
def chromium() -> str:
    script = REPOSITORY / "scripts" / "browser"
    found = subprocess.run([script, "--cached"], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        unavailable("Chromium", found.stderr.strip())
    return found.stdout.strip()


@pytest.fixture
def browse(chromium: str, tmp_path: Path) -> Browser:
    """Run the browser once on a page and give what it printed."""

    def run(*flags: str, page: Path) -> str:
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [chromium, *FLAGS, profile, *flags, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
        return done.stdout

    return run


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cases = [fold(events, NL)[0] for events in LOGS]
    warned = Warning(provider="giant", warned_at=START + 240 * HOUR, grace_ends=START + 480 * HOUR)
    choice = Choice(curves=True, watch=("refuser",), warnings=(warned,))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.page(build(cases, NL, CUTOFF, choice)), "utf-8")
    return path


def measured(page: Path) -> Path:
    """Give a copy whose script writes into the page what the browser made of it.

    The page itself runs no script: its policy forbids it, so the copy goes without the policy.
    """
    script = """
      addEventListener('load', () => {
        const boxes = [...document.querySelectorAll('svg')].map(s => s.getBoundingClientRect());
        const table = document.querySelector('table').getBoundingClientRect();
        const out = document.createElement('pre');
        out.id = 'measured';
        out.textContent = JSON.stringify({
          drawings: boxes.length,
          smallest: Math.min(...boxes.map(b => Math.min(b.width, b.height))),
          widest: Math.max(...boxes.map(b => b.right), table.right),
          window: innerWidth,
          scroll: document.documentElement.scrollWidth,
          requests: performance.getEntriesByType('resource').length,
          font: getComputedStyle(document.querySelector('svg .tick')).fontSize,
          cells: Math.max(...[...document.querySelectorAll('table:not(.heat) td')]
            .map(cell => cell.getBoundingClientRect().right)),
          label: getComputedStyle(document.querySelector('table:not(.heat) td'), '::before').content,
          bar: getComputedStyle(document.querySelector('svg .bounds')).fill,
        });
        document.body.append(out);
      });"""
    made = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text("utf-8"))
    copy = page.with_name("measured.html")
    copy.write_text(made.replace("</body>", f"<script>{script}</script></body>"), "utf-8")
    return copy


def test_the_browser_lays_the_page_out(page: Path, browse: Browser) -> None:
    """Every drawing has a size, nothing sticks out of the window, styles apply, nothing was fetched."""
    dom = browse("--window-size=1100,900", "--dump-dom", page=measured(page))
    found = json.loads(re.search(r'<pre id="measured">(.*?)</pre>', dom)[1])  # type: ignore[index]
    assert found["drawings"] == 6
    assert found["smallest"] > 80
    assert found["widest"] <= found["window"]
    assert found["scroll"] <= found["window"]
    assert found["requests"] == 0
    assert found["font"] == "11px"
    assert found["bar"] == "rgb(31, 95, 153)"


def test_a_telephone_loses_no_column(page: Path, browse: Browser) -> None:
    """On a telephone the page keeps its width, and a row is a block of pairs: every cell is in sight, with its head."""
    dom = browse("--window-size=500,900", "--dump-dom", page=measured(page))
    found = json.loads(re.search(r'<pre id="measured">(.*?)</pre>', dom)[1])  # type: ignore[index]
    assert found["scroll"] <= found["window"]
    assert found["cells"] <= found["window"]
    assert found["label"] == '"n"'


def test_the_policy_of_the_page_runs_no_script(page: Path, browse: Browser) -> None:
    """A script in the page does not run: the page's own policy forbids it."""
    copy = page.with_name("script.html")
    script = "<script>document.title = 'ran'</script></body>"
    copy.write_text(page.read_text("utf-8").replace("</body>", script), "utf-8")
    dom = browse("--dump-dom", page=copy)
    assert "<title>ran</title>" not in dom
    assert "<title>Gone within 24h" in dom


def test_a_picture_shows_ink_and_blue_bars(page: Path, browse: Browser, tmp_path: Path) -> None:
    """The screenshot is no blank sheet: it is big, and differs from that of an empty page."""
    picture, blank = tmp_path / "page.png", tmp_path / "blank.png"
    empty = tmp_path / "empty.html"
    empty.write_text("<!DOCTYPE html><title>empty</title>")
    for target, source in ((picture, page), (blank, empty)):
        browse("--window-size=1100,2000", f"--screenshot={target}", page=source)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 10 * blank.stat().st_size


def test_it_prints(page: Path, browse: Browser, tmp_path: Path) -> None:
    """Printed it is a few landscape A4 pages, not one cut off and not dozens."""
    target = tmp_path / "report.pdf"
    browse("--no-pdf-header-footer", f"--print-to-pdf={target}", page=page)
    made = target.read_bytes()
    assert made.startswith(b"%PDF")
    sizes = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", made)
    assert sizes
    assert all(float(width) > float(height) for width, height in sizes)
    assert 2 <= len(re.findall(rb"/Type /Page\b", made)) <= 8
