"""`takedown import urlhaus` without servers: what it prints of a dump, and how it ends."""

import json
import os

import pytest

from tests.unit.reports.urlhaus_kit import as_json, published, row, saved

ROWS = (row(3), row(2, url="http://marker.example/a b"), row(1, url_status="maybe"))


@pytest.mark.usefixtures("keyring")
def test_a_dump_is_checked_without_a_server(run, tmp_path):
    """With --dry-run every row is read, nothing is sent, and the cut-off is printed."""
    result = run("import", "urlhaus", str(saved(tmp_path, published())), "--dry-run")
    assert result.exit_code == 0
    assert result.stdout == ("21 events checked\ncut-off of the dump: 2026-03-09T09:28:18+00:00\n")
    assert result.stderr == ""


@pytest.mark.usefixtures("keyring")
def test_refused_rows_are_shown_without_their_urls(run, tmp_path):
    """Each has its line and the reason; the sum says how many, and the status is 4."""
    result = run("import", "urlhaus", str(saved(tmp_path, published(ROWS))), "--dry-run")
    assert result.exit_code == 4
    first, second, total = result.stderr.splitlines()
    assert first.startswith("line 10: ")
    assert second.startswith("line 11: ")
    assert total == "2 of 3 rows refused; the others were checked"
    assert "marker" not in result.output


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("form", [published, as_json])
def test_a_program_gets_the_list_of_refused_rows(run, tmp_path, form):
    """With --json they stand on standard output, with line, reason and message."""
    path = str(saved(tmp_path, form(ROWS)))
    result = run("import", "urlhaus", path, "--dry-run", "--json")
    assert result.exit_code == 4
    told = json.loads(result.stdout)
    assert (told["rows"], told["events"], told["refused"]) == (3, 5, 2)
    assert (told["sent"], told["in_ledger"]) == (False, False)
    assert [one["reason"] for one in told["refusals"]] == ["bad_url", "status"]
    assert "marker" not in result.output


@pytest.mark.usefixtures("keyring")
def test_many_refused_rows_are_summed_up(run, tmp_path):
    """The terminal shows the first twenty and counts the rest."""
    rows = [row(number, url_status="?") for number in range(30)]
    result = run("import", "urlhaus", str(saved(tmp_path, published(rows))), "--dry-run")
    assert len(result.stderr.splitlines()) == 21
    assert "30 of 30 rows refused (10 more not shown)" in result.stderr


@pytest.mark.usefixtures("keyring")
@pytest.mark.parametrize("dump", ["", "<html>marker</html>", '{"error": "marker"}'])
def test_what_is_no_dump_is_one_line(run, tmp_path, dump):
    """It says what to give, with status 2 and no trace."""
    result = run("import", "urlhaus", str(saved(tmp_path, dump)), "--dry-run")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "give a dump of URLhaus as published" in result.stderr
    assert "marker" not in result.output


@pytest.mark.usefixtures("keyring")
def test_a_pipe_is_refused(run, tmp_path):
    """A dump is read more than once, and a pipe would be empty the second time."""
    os.mkfifo(tmp_path / "pipe")
    result = run("import", "urlhaus", str(tmp_path / "pipe"), "--dry-run")
    assert result.exit_code == 2
    assert "not a pipe" in result.stderr
