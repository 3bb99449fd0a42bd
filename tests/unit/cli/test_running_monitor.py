"""Commands that ask the monitor that runs: its settings and its keys, not those of the shell."""

import json

import msgspec

from schemas.methodology import shipped
from services.runtime import keyfile
from services.runtime.role_facts import RoleFacts, facts_of
from services.runtime.settings import load
from tests.unit.cli.role_window import window_of

PROBER = RoleFacts(
    roles=("prober",),
    methodology="nl-24h version 1",
    methodology_digest=shipped()["nl-24h"].digest,
    probing="public, vantage de-1 (primary)",
    provider_map="ab" * 32,
)


def doctor(run, address):
    result = run("doctor", "--json", "--ask", address)
    return result.exit_code, {f["check"]: f for f in json.loads(result.stdout)}


def test_doctor_says_what_the_running_prober_does(run):
    """Probing is off in this shell, and on in the process that runs: the latter counts."""
    with window_of(PROBER) as address:
        status, checks = doctor(run, address)
    assert status == 0
    assert checks["probing"]["state"] == "ok"
    assert checks["probing"]["said"] == "public, vantage de-1 (primary): 1 running"
    assert checks["provider map"]["state"] == "ok"
    assert checks[f"role {address}"]["state"] == "ok"


def test_doctor_says_that_nobody_looks(run):
    """A monitor without a prober is named as one, whatever this shell is set to."""
    ledger = msgspec.structs.replace(PROBER, roles=("ledger",), probing=None)
    with window_of(ledger) as address:
        _, checks = doctor(run, address)
    assert checks["probing"]["state"] == "note"
    assert "nothing is looked at" in checks["probing"]["said"]


def test_doctor_tells_two_definitions_apart(run):
    """Commands that count under another methodology than the monitor are told so."""
    other = msgspec.structs.replace(
        PROBER, methodology="own version 2", methodology_digest="cd" * 32
    )
    with window_of(other) as address:
        _, checks = doctor(run, address)
    assert "runs under own version 2 (cdcdcdcdcdcd)" in checks["methodology"]["said"]


def test_doctor_finds_a_role_that_lacks_a_key(run, keyring, tmp_path):
    """A key that was added after a role started can't be opened by it: a failure, with the remedy."""
    running = msgspec.structs.replace(PROBER, keys=("k-000000",))
    with window_of(running) as address:
        status, checks = doctor(run, address)
    assert status == 5
    assert "restart them" in checks["keys of the roles"]["said"]


def test_a_key_is_activated_once_every_role_knows_it(run, tmp_path):
    """`keys activate` asks the roles that run, and refuses a key that one of them can't open."""
    path = tmp_path / "keys.toml"
    keyfile.write_keys(path, keyfile.new_keys())
    before = keyfile.read_keys(path)
    old = msgspec.structs.replace(PROBER, keys=tuple(before.sealing))
    run("keys", "rotate")
    (added,) = set(keyfile.read_keys(path).sealing) - set(before.sealing)
    with window_of(old) as address:
        refused = run("keys", "activate", added, "--ask", address)
    assert refused.exit_code == 5
    assert f"{address} does not know {added}" in refused.stderr
    assert keyfile.read_keys(path).active == before.active
    with window_of(msgspec.structs.replace(old, keys=(*before.sealing, added))) as address:
        done = run("keys", "activate", added, "--ask", address)
    assert "every role that runs knows" in done.stderr
    assert keyfile.read_keys(path).active == added


def test_a_silent_monitor_is_named(run, tmp_path):
    """Where no role can be asked, the key is activated and the check that was not made is said."""
    keyfile.write_keys(tmp_path / "keys.toml", keyfile.new_keys())
    run("keys", "rotate")
    keys = keyfile.read_keys(tmp_path / "keys.toml")
    (added,) = set(keys.sealing) - {keys.active}
    assert "not checked" in run("keys", "activate", added).stderr


def test_facts_hold_no_secret(run, keyring, tmp_path):
    """What a process says of itself names keys and definitions, and holds neither key nor password."""
    settings = load()
    text = msgspec.json.encode(facts_of(settings, ["prober", "ledger"])).decode()
    keys = keyfile.read_keys(tmp_path / "keys.toml")
    assert keys.active in text
    assert not [key for key in (keys.naming, *keys.sealing.values()) if key in text]
