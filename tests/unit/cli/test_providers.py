"""`takedown providers` without servers: check, lookup, list."""

import json
from pathlib import Path

import pytest

from tests.mmdb import write_mmdb

DATA = Path(__file__).parents[2] / "data" / "prefixes"
MAP = """
[[provider]]
id = "giant"
name = "Giant"
asn = [64500]
[[provider.prefix]]
cidr = "192.0.2.0/24"
valid_from = 2020-01-01T00:00:00Z
[[provider.reseller]]
id = "small"
accounts = ["c10-c19"]
[[provider.contact]]
address = "abuse@giant.example"
[[provider.tag]]
tag = "watch-list"
actor = "analyst"
reason = "warned"
valid_to = 2024-06-01T00:00:00Z
"""


@pytest.fixture
def map_file(tmp_path: Path) -> Path:
    path = tmp_path / "providers.toml"
    path.write_text(MAP)
    return path


def test_check_names_every_line_of_a_dirty_table(run) -> None:
    """The faults come as JSON with line and kind, and the exit status says that a check failed."""
    result = run("providers", "check", str(DATA / "dirty.csv"), "--json")
    assert result.exit_code == 5
    wanted = [json.loads(one) for one in (DATA / "dirty.expected.jsonl").read_text().splitlines()]
    keys = ("line", "kind", "with_line")
    assert [[row.get(key) for key in keys] for row in json.loads(result.stdout)] == [
        [row.get(key) for key in keys] for row in wanted
    ]


def test_check_writes_a_line_for_each_fault(run) -> None:
    """For people each fault is one line that an editor can jump to, and the counts come last."""
    result = run("providers", "check", str(DATA / "dirty.csv"))
    lines = result.stdout.splitlines()
    assert len(lines) == 15
    assert lines[0].startswith("dirty.csv:3: unknown: conflict: ")
    assert lines[0].endswith("(line 2)")
    assert "8 refused, 5 unknown, 2 note" in result.stderr


def test_check_names_contacts_that_nobody_reads(run, map_file: Path) -> None:
    """A placeholder of a registry is no contact, and no fault that takes anything away."""
    map_file.write_text(MAP.replace("abuse@giant.example", "abuse@ripe.net"))
    result = run("providers", "check", str(map_file), "--json")
    faults = {fault["kind"]: fault["severity"] for fault in json.loads(result.stdout)}
    assert (result.exit_code, faults["placeholder"]) == (0, "note")


def test_check_of_notes_alone_is_done(run, map_file: Path) -> None:
    """A tag that expired is worth a line, and no failure."""
    result = run("providers", "check", str(map_file))
    assert result.exit_code == 0
    assert "expired: provider giant: tag watch-list" in result.stdout


def test_check_of_no_map_is_an_invalid_argument(run, tmp_path: Path) -> None:
    """A file that is neither map nor table is said to be none."""
    path = tmp_path / "words.toml"
    path.write_text("words")
    assert run("providers", "check", str(path)).exit_code == 2


def test_check_config_reads_the_files(run, map_file: Path, tmp_path: Path) -> None:
    """Every entry of the map that can't be read, and a file of AS numbers that is none, are named at once."""
    map_file.write_text(MAP + '[[prefix]]\ncidr = "192.0.2.1/24"\n[[prefix]]\ncidr = "x"\n')
    (tmp_path / "as.mmdb").write_text("no database")
    files = {"TAKEDOWN_PROVIDER_MAP": map_file, "TAKEDOWN_ASN_DATABASE": tmp_path / "as.mmdb"}
    result = run("check-config", env={name: str(path) for name, path in files.items()})
    assert result.exit_code == 2
    for words in ("line 19: prefix 192.0.2.1/24: host bits", "line 21: prefix x", "as.mmdb"):
        assert words in result.stderr


def test_lookup_prints_evidence(run, map_file: Path, tmp_path: Path) -> None:
    """Provider, matched prefix, AS, method and date, from the map and then from the .mmdb."""
    rows = {"198.51.100.0/24": {"autonomous_system_number": 64500}}
    database = write_mmdb(tmp_path / "as.mmdb", rows)
    options = ("--map", str(map_file), "--asn-database", str(database), "--json")
    result = run("providers", "lookup", "192.0.2.7", "198.51.100.9", "203.0.113.1", *options)
    assert result.exit_code == 0
    by_map, by_file, silent = json.loads(result.stdout)
    assert (by_map["provider"], by_map["prefix"], by_map["since"]) == (
        "giant", "192.0.2.0/24", "2020-01-01T00:00:00Z",
    )  # fmt: skip
    assert (by_file["provider"], by_file["as"], by_file["method"]) == ("giant", "64500", "mmdb")
    assert (silent["provider"], silent["unknown"]) == (None, "silent")


def test_lookup_reads_addresses_from_standard_input(run, map_file: Path) -> None:
    """A text that is no address is named, and the exit status says so."""
    options = ("--map", str(map_file), "--at", "2019-01-01T00:00:00Z", "--json")
    result = run("providers", "lookup", "-", *options, input="192.0.2.7\n\nx\n")
    assert result.exit_code == 4
    assert [row["unknown"] for row in json.loads(result.stdout)] == ["silent", "no address"]


def test_lookup_names_the_reseller_of_an_account(run, map_file: Path) -> None:
    """Within one provider an account may be a reseller's."""
    options = ("--map", str(map_file), "--account", "c15", "--json")
    (row,) = json.loads(run("providers", "lookup", "192.0.2.7", *options).stdout)
    assert (row["provider"], row["reseller"]) == ("giant", "small")


def test_list_shows_what_holds_at_an_instant(run, map_file: Path) -> None:
    """Tags, contacts and numbers are those of the instant; a tag chooses."""
    options = ("--map", str(map_file), "--tag", "watch-list", "--json")
    (row,) = json.loads(run("providers", "list", "--at", "2024-01-01T00:00:00Z", *options).stdout)
    assert (row["as_numbers"], row["contacts"]) == ("64500", "abuse@giant.example")
    assert json.loads(run("providers", "list", *options).stdout) == []


def test_list_needs_a_map(run) -> None:
    """Without a map the command says how to name one."""
    result = run("providers", "list")
    assert result.exit_code == 2
    assert "TAKEDOWN_PROVIDER_MAP" in result.stderr


WHO = ("--accept", "--map-only", "--actor", "analyst", "--reason", "registry shows it")
TABLE = "prefix,asn\n198.51.100.0/24,64500\n198.51.100.0/25,64500\n192.0.2.0/25,64500\n203.0.113.0/24,64502\n"


@pytest.fixture
def bring(run, map_file: Path, tmp_path: Path):
    """Import the text of a file into the map."""

    def bring(text: str, *options: str, code: int = 0, name: str = "table.csv"):
        path = tmp_path / name
        path.write_text(text)
        result = run("providers", "import", str(path), "--map", str(map_file), *options, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return bring


def look_up(run, map_file: Path, at: str, *addresses: str) -> list[tuple[str | None, str | None]]:
    result = run("providers", "lookup", *addresses, "--map", str(map_file), "--at", at, "--json")
    return [(row["provider"], row["role"]) for row in json.loads(result.stdout)]


def test_import_shows_and_changes_nothing(bring, map_file: Path) -> None:
    """Without --accept the difference is shown, what the map says already is not, and the file stays."""
    result = bring(TABLE, "--from", "2024-01-01T00:00:00Z")
    assert [(one["sign"], one["subject"]) for one in result["difference"]] == [
        ("+", "198.51.100.0/24")
    ]
    assert (result["unlisted"], result["accepted"]) == (1, False)
    assert map_file.read_text() == MAP


def test_an_accepted_table_is_added_to_the_map(bring, run, map_file: Path) -> None:
    """Rows stand at the end with actor, reason and date; what stood there stays; again it adds nothing."""
    assert bring(TABLE, "--from", "2024-01-01T00:00:00Z", *WHO)["accepted"]
    text = map_file.read_text()
    assert text.startswith(MAP)
    assert text.count("[[prefix]]") == 1
    assert 'actor = "analyst"' in text
    assert look_up(run, map_file, "2024-06-01T00:00:00Z", "198.51.100.1") == [("giant", "hosting")]
    assert look_up(run, map_file, "2023-06-01T00:00:00Z", "198.51.100.1") == [(None, None)]
    assert bring(TABLE, *WHO)["difference"] == []
    assert map_file.read_text() == text


def test_ranges_of_a_proxy_are_dated_data(bring, run, map_file: Path) -> None:
    """A later list ends what it does not name, from its date on; before, history stays."""
    edge = ("--provider", "shield", "--role", "edge", "--complete", *WHO)
    bring("# edges\n198.51.100.0/25\n2001:db8::/48\n", *edge, "--from", "2024-01-01T00:00:00Z")
    bring("2001:db8::/48\n", *edge, "--from", "2024-03-01T00:00:00Z", name="later.txt")
    addresses = ("198.51.100.1", "2001:db8::1", "192.0.2.1")
    proxy, host = ("shield", "proxy"), ("giant", "hosting")
    found = [
        look_up(run, map_file, at, *addresses)
        for at in ("2024-02-01T00:00:00Z", "2024-04-01T00:00:00Z")
    ]
    assert found == [[proxy, proxy, host], [(None, None), proxy, host]]


def test_a_correction_of_the_same_date_wins_by_its_statement(bring, run, map_file: Path) -> None:
    """A table that contradicts a row of the same date is the later word, and no conflict."""
    bring("provider,prefix,valid_from\nother,192.0.2.0/24,2020-01-01T00:00:00Z\n", *WHO)
    assert look_up(run, map_file, "2024-01-01T00:00:00Z", "192.0.2.1") == [("other", "hosting")]
    assert run("providers", "check", str(map_file)).exit_code == 0


def test_a_whole_map_is_compared_and_takes_the_place(bring, map_file: Path) -> None:
    """A map in TOML is shown as a difference, entry by entry, and replaces the file."""
    new = MAP.replace('name = "Giant"', 'name = "Giant B.V."').replace("[64500]", "[64500, 64501]")
    result = bring(new, *WHO, name="new.toml")
    says = {(one["sign"], one["says"]) for one in result["difference"]}
    assert says == {("-", "name Giant"), ("+", "name Giant B.V."), ("+", "AS 64501")}
    assert map_file.read_text() == new


def test_import_refuses_lines_and_takes_the_others(bring) -> None:
    """Lines that can't be used are listed, and the exit status says so."""
    result = bring("198.51.100.1/24\n203.0.113.0/24\n", "--provider", "giant", code=4)
    assert [fault["kind"] for fault in result["faults"]] == ["host_bits"]
    assert [one["subject"] for one in result["difference"]] == ["203.0.113.0/24"]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("203.0.113.0/24\n", (), "--provider"),
        ("203.0.113.0/24\n", ("--provider", "giant", "--accept"), "--reason"),
        ("203.0.113.0/24\n", ("--provider", "A B"), "slug"),
        ('[[provider]]\nid = "a"\n', (), "name"),
    ],
)
def test_import_says_what_is_missing(
    run, map_file: Path, tmp_path: Path, text: str, options: tuple[str, ...], words: str
) -> None:
    """A list without a provider, an acceptance without a reason, a map that is none: each is an invalid argument."""
    path = tmp_path / "file"
    path.write_text(text)
    result = run("providers", "import", str(path), "--map", str(map_file), *options)
    assert result.exit_code == 2
    assert words in result.stderr
