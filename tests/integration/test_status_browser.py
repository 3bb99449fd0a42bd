"""The status page in a real browser: accessible, in both colour schemes, at any width, without a script."""

import json
import re
import subprocess
from html import escape
from pathlib import Path

import pytest

from services.exporter.status import status_of
from services.exporter.status_page import page
from services.exporter.status_public import published
from tests.integration.test_report_browser import Browser, browse, chromium
from tests.servers import REPOSITORY, unavailable
from tests.unit.exporter.status_kit import AT, NL, notices, reading

__all__ = ["browse", "chromium"]

# 320 is a small telephone, and a window of 640 at 200 % zoom.
WIDTHS = (320, 640, 1280)
SCHEMES = {"dark": 0, "light": 1}
MEASURE = """
  addEventListener('load', () => {
    const out = {};
    for (const frame of document.querySelectorAll('iframe')) {
      const body = frame.contentDocument;
      const cells = [...body.querySelectorAll('td, tbody th, .key li, .trust, footer')];
      out[frame.width] = {
        scroll: body.documentElement.scrollWidth,
        right: Math.max(...cells.map(cell => cell.getBoundingClientRect().right)),
        least: Math.min(...cells.map(cell => cell.getBoundingClientRect().height)),
        label: frame.contentWindow.getComputedStyle(body.querySelector('td'), '::before').content,
      };
    }
    const pre = document.createElement('pre');
    pre.id = 'measured';
    pre.textContent = JSON.stringify(out);
    document.body.append(pre);
  });"""
CHECK = """
  addEventListener('load', () => axe.run().then(result => {
    const pre = document.createElement('pre');
    pre.id = 'measured';
    pre.textContent = JSON.stringify({
      violations: result.violations.map(v => [v.id, v.nodes.map(n => n.html)]),
      incomplete: result.incomplete.map(v => v.id),
      passes: result.passes.length,
      ground: getComputedStyle(document.body).backgroundColor,
    });
    document.body.append(pre);
  }));"""


@pytest.fixture(scope="module")
def axe() -> str:
    """Give the text of axe-core, the accessibility checker."""
    done = subprocess.run(
        [REPOSITORY / "scripts" / "axe-core"], capture_output=True, text=True, check=False
    )
    if not done.stdout.strip():
        unavailable("axe-core", done.stderr.strip())
    return Path(done.stdout.strip()).read_text("utf-8")


def text_of(public: bool) -> str:
    status = status_of(reading(), notices(), NL, AT)
    return page(published(status) if public else status)


def lenient(text: str) -> str:
    """Take the policy out, which forbids every script, ours of the test included."""
    return re.sub(r'<meta http-equiv="[^"]*"[^>]*>', "", text)


def measured(browse: Browser, path: Path, text: str, *flags: str) -> dict[str, dict[str, object]]:
    path.write_text(text, "utf-8")
    dom = browse("--virtual-time-budget=20000", *flags, "--dump-dom", page=path)
    found: dict[str, dict[str, object]] = json.loads(
        re.search(r'<pre id="measured">(.*?)</pre>', dom)[1]  # type: ignore[index]
    )
    return found


@pytest.mark.parametrize(("scheme", "public"), [("dark", True), ("light", False)])
def test_axe_finds_nothing(
    browse: Browser, axe: str, tmp_path: Path, scheme: str, public: bool
) -> None:
    """Contrast, names, headings, tables and landmarks hold in both colour schemes, exact and public."""
    script = f"<script>{axe}</script><script>{CHECK}</script></body>"
    text = lenient(text_of(public)).replace("</body>", script)
    flag = f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}"
    found = measured(browse, tmp_path / "axe.html", text, flag)
    assert found["violations"] == []
    assert found["incomplete"] == []
    assert found["passes"] > 15  # type: ignore[operator]
    assert found["ground"] == {"dark": "rgb(18, 24, 30)", "light": "rgb(255, 255, 255)"}[scheme]


def test_no_width_loses_a_column(browse: Browser, tmp_path: Path) -> None:
    """On a telephone, at 200 % zoom and on a desk every cell is in sight, and the page does not scroll sideways."""
    inner = escape(lenient(text_of(public=False)), quote=True)
    frames = "".join(f'<iframe width="{w}" height="900" srcdoc="{inner}"></iframe>' for w in WIDTHS)
    found = measured(
        browse,
        tmp_path / "widths.html",
        f"<!DOCTYPE html><body>{frames}<script>{MEASURE}</script></body>",
        "--window-size=1400,900",
    )
    for width in WIDTHS:
        window = found[str(width)]
        assert window["scroll"] <= width, width
        assert window["right"] <= width, width
        assert window["least"] > 10, width
    assert found["320"]["label"] == found["640"]["label"] == '"overdue"'
    assert found["1280"]["label"] == "none"


def test_it_works_without_a_script(browse: Browser, tmp_path: Path) -> None:
    """The page's own policy runs no script, and everything is there all the same."""
    path = tmp_path / "script.html"
    script = "<script>document.title = 'ran'</script></body>"
    path.write_text(text_of(public=False).replace("</body>", script), "utf-8")
    dom = browse("--dump-dom", page=path)
    assert "<title>ran</title>" not in dom
    assert "Can the monitor be trusted now: yes." in dom
