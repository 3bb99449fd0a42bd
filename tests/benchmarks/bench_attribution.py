"""Attributions per second, memory and start of the provider map and of an .mmdb, beside pytricia and py-radix.

Addresses are those of tests/data/prefixes/oracle.csv and, for the full public table, first addresses of its ranges. The
others run in a process of their own on the same rows and addresses, with packages that are installed for this run
alone; rounds alternate, medians count. What they do is less: no date, no provider, no evidence.
"""

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address, summarize_address_range
from pathlib import Path

from services.attribution.asn_database import AsnDatabase
from services.attribution.prefix_table import EVER, NEVER, PrefixRow, PrefixTable
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
from tests.benchmarks.figures import Figure, figure

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data" / "prefixes"
AT = datetime(2026, 6, 17, tzinfo=UTC)
ROUNDS = 5
EACH = 100_000
OTHERS = ("pytricia", "py-radix")
_THEIRS = """
import csv, json, sys, time
name, rows, addresses = sys.argv[1:]
pairs = [line for line in csv.reader(open(rows))][1:]
texts = open(addresses).read().split()
if name == "pytricia":
    import pytricia
    trees = {4: pytricia.PyTricia(32), 6: pytricia.PyTricia(128)}
    for prefix, number in pairs:
        trees[6 if ":" in prefix else 4][prefix] = int(number)
    def find(text):
        return trees[6 if ":" in text else 4].get(text)
else:
    import radix
    tree = radix.Radix()
    for prefix, number in pairs:
        tree.add(prefix).data["asn"] = int(number)
    def find(text):
        node = tree.search_best(text)
        return None if node is None else node.data["asn"]
for _ in sys.stdin:
    before = time.process_time()
    found = [find(text) for text in texts]
    print(json.dumps([len(texts) / (time.process_time() - before), found]), flush=True)
"""


def resident() -> int:
    """Give the resident memory of this process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _oracle() -> tuple[list[str], list[int | None]]:
    with (DATA / "oracle.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    repeated = rows * (EACH // len(rows) + 1)
    texts = [row["address"] for row in repeated[:EACH]]
    return texts, [int(row["asn"]) if row["asn"] else None for row in repeated[:EACH]]


def _rate(find: Callable[[str], object], texts: Sequence[str]) -> float:
    before = time.process_time()
    for text in texts:
        find(text)
    return len(texts) / (time.process_time() - before)


def _first_time(table: ProviderMap, texts: Sequence[str]) -> float:
    """Give the rate of addresses that the map was not asked before; otherwise it remembers them."""
    before, passes = time.process_time(), EACH // len(texts)
    for _ in range(passes):
        table._remembered.clear()
        for text in texts:
            table.provider_at(text, AT)
    return passes * len(texts) / (time.process_time() - before)


class _Other:
    """Another library in a process of its own."""

    def __init__(self, name: str, packages: Path, addresses: Path) -> None:
        command = [sys.executable, "-c", _THEIRS, name, str(DATA / "prefixes.csv"), str(addresses)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(packages)},
        )

    def round(self) -> tuple[float, list[int | None]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        rate, found = json.loads(self._process.stdout.readline())
        return rate, found

    def close(self) -> None:
        self._process.communicate()


def _beside(folder: Path, texts: list[str], expected: list[int | None]) -> dict[str, list[float]]:
    """Measure in turn; refuses a figure of who answers otherwise than the oracle."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--target", str(folder / "packages"), *OTHERS], check=True)
    (folder / "addresses").write_text("\n".join(texts))
    others = {name: _Other(name, folder / "packages", folder / "addresses") for name in OTHERS}
    table = ProviderMap.load(DATA / "prefixes.csv")
    facts = [table.provider_at(text, AT) for text in texts]
    if [fact and fact.as_number for fact in facts] != expected:
        raise RuntimeError("the map disagrees with the oracle")
    rates: dict[str, list[float]] = {name: [] for name in ("map", "first", *others)}
    different = list(dict.fromkeys(texts))
    for _ in range(ROUNDS):
        rates["first"].append(_first_time(table, different))
        rates["map"].append(_rate(lambda text: table.provider_at(text, AT), texts))
        for name, other in others.items():
            rate, found = other.round()
            if found != expected:
                raise RuntimeError(f"{name} disagrees with the oracle")
            rates[name].append(rate)
    for other in others.values():
        other.close()
    return rates


def _full_table() -> Path:
    """Have the full public table in the cache."""
    command = [str(ROOT / "scripts" / "asn-table"), sys.executable]
    return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())


def _ranges(folder: Path) -> Iterator[tuple[str, str, int]]:
    for name in ("asn-ipv4.csv", "asn-ipv6.csv"):
        with (folder / name).open(newline="") as lines:
            yield from ((first, last, int(number)) for first, last, number, _ in csv.reader(lines))


def _rows(folder: Path) -> Iterator[PrefixRow[int]]:
    for first, last, number in _ranges(folder):
        for net in summarize_address_range(ip_address(first), ip_address(last)):
            address = int(net.network_address)
            yield PrefixRow(net.version, address, net.prefixlen, EVER, NEVER, number)


_ALONE = """
import sys, time
from pathlib import Path
from tests.benchmarks.bench_attribution import AT, DATA, resident
from services.attribution.asn_database import AsnDatabase
from services.attribution.provider_book import ProviderBook
from services.attribution.providermap import ProviderMap
texts = Path(sys.argv[2]).read_text().split()
held, begun = resident(), time.perf_counter()
book = ProviderBook(ProviderMap.load(DATA / "prefixes.csv"), AsnDatabase.open(Path(sys.argv[1])))
started = time.perf_counter() - begun
for text in texts:
    book.attribute(text, AT)
print(started, resident() - held)
"""


def _alone(database: Path, addresses: Path) -> tuple[float, float]:
    """Start in a process that has done nothing else, and attribute; seconds of the start, and megabytes."""
    command = [sys.executable, "-c", _ALONE, str(database), str(addresses)]
    output = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    started, held = map(float, output.split())
    return started, held / 1e6


def run() -> list[Figure]:
    """Measure; eight rows."""
    texts, expected = _oracle()
    folder = _full_table()
    firsts = [first for first, _, _ in _ranges(folder)]
    spread = firsts[:: max(len(firsts) // EACH, 1)][:EACH]
    with tempfile.TemporaryDirectory() as scratch:
        rates = {
            k: statistics.median(v) for k, v in _beside(Path(scratch), texts, expected).items()
        }
        mixed = Path(scratch) / "mixed"
        mixed.write_text("\n".join(texts[: EACH // 2] + spread[: EACH // 2]))
        started, held = _alone(folder / "asn.mmdb", mixed)
    book = ProviderBook(
        ProviderMap.load(DATA / "prefixes.csv"), AsnDatabase.open(folder / "asn.mmdb")
    )
    by_file = statistics.median(
        _rate(lambda text: book.attribute(text, AT), spread) for _ in range(ROUNDS)
    )
    whole = PrefixTable(_rows(folder))
    in_whole = statistics.median(
        _rate(lambda t: whole.lookup(t, AT), spread) for _ in range(ROUNDS)
    )
    return [
        *(
            figure(f"attributed by map, {what}, beside {other}", rates[which], "/cpu-s",
                   baseline=rates[other], at_least=100_000)
            for what, which in (("first time", "first"), ("remembered", "map")) for other in OTHERS
        ),
        figure("attributed by map and full .mmdb", by_file, "/cpu-s", at_least=100_000),
        figure("start of map and .mmdb", started, "s", at_most=0.5),
        figure("memory of map and full .mmdb", held, "MB", at_most=30),
        figure(f"full table ({len(whole):,}) as a table", in_whole, "look-ups/cpu-s", at_least=100_000),
    ]  # fmt: skip
