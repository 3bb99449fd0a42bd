"""`takedown keys`: make and rotate the keys that name cases and seal URLs."""

from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.errors import TakedownError
from services.cli.lazy_group import LazyGroup
from services.cli.support import json_option, print_json, run_async
from services.reports.evidence_seal import fingerprint, public_pem
from services.runtime.keyfile import activated, keys_path, new_keys, read_keys, rotated, write_keys
from services.runtime.role_facts import addresses, ask_all, without_key
from services.runtime.settings import load
from services.runtime.signing import load_signing_key, make_signing_key, signing_path


class UnknownToRoles(TakedownError):
    """A role that runs does not know the key: it would refuse what is sealed with it."""

    exit_code = 5


_HERE = "services.cli.keys_command"
COMMANDS = {
    "new": (f"{_HERE}:new", "Create a key file that only its owner can read."),
    "rotate": (f"{_HERE}:rotate", "Add a sealing key, to be activated when all roles have it."),
    "activate": (f"{_HERE}:activate", "Use a key for sealing from now on."),
    # The only one that needs the servers, and what it takes to reach them.
    "retire": (
        "services.cli.keys_retire:retire",
        "Remove a sealing key with which nothing is sealed any more.",
    ),
    "show": (f"{_HERE}:show", "Show the ids of the keys, never the keys."),
    "signing": (f"{_HERE}:signing", "Show the public key that verifies evidence packs."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def command() -> None:
    """Create and rotate the keys that name cases and seal URLs."""


_file = click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="Key file. Default: the one that is configured.",
)


@click.command()
@_file
def new(path: Path | None) -> None:
    """Create a key file that only its owner can read; an existing one is never overwritten."""
    path = path or keys_path(load())
    write_keys(path, new_keys())
    click.echo(f"created {path}")
    click.echo(
        "Back it up now, apart from the data: without it no case can be named and no sealed URL "
        "opened again.",
        err=True,
    )


@click.command()
@_file
def rotate(path: Path | None) -> None:
    """Add a sealing key, to be activated when all roles have it.

    First step of two: a role without a key refuses URLs that are sealed with it.
    """
    path = path or keys_path(load())
    before = read_keys(path)
    after = rotated(before)
    write_keys(path, after, replace=True)
    (added,) = set(after.sealing) - set(before.sealing)
    click.echo(
        f"added {added} to {path}; back the file up, bring it to every machine, restart the roles, "
        f"then run: takedown keys activate {added}"
    )


@click.command()
@click.argument("key_id")
@_file
@click.option(
    "--ask",
    multiple=True,
    metavar="HOST:PORT",
    help="Also ask a role that `takedown run` started, at its metrics address; repeatable.",
)
@click.option("--force", is_flag=True, help="Do it although a role does not know the key.")
def activate(key_id: str, path: Path | None, ask: tuple[str, ...], force: bool) -> None:
    """Use this key for sealing from now on; URLs sealed with other keys can still be opened.

    The roles that run are asked first: one that does not know the key would refuse what is sealed with it
    (exit status 5).
    """
    path = path or keys_path(load())
    keys = activated(read_keys(path), key_id)
    roles = _roles_that_know(key_id, ask, force)
    write_keys(path, keys, replace=True)
    click.echo(f"{key_id} is active in {path}; back the file up and restart the roles")
    click.echo(roles, err=True)


def _roles_that_know(key_id: str, ask: tuple[str, ...], force: bool) -> str:
    """Ask the roles that run; raises `UnknownToRoles`."""
    facts = run_async(lambda: ask_all(addresses(load(), ask)))
    lacking = without_key(facts, key_id)
    if lacking and not force:
        raise UnknownToRoles(
            f"{', '.join(lacking)} does not know {key_id}: restart the roles with this key file first; "
            "nothing was changed (--force activates it all the same)"
        )
    silent = [name for name, answer in facts.items() if answer is None]
    if silent or not facts:
        who = ", ".join(silent) or "no role"
        return f"not checked: {who} could be asked; make sure that every role knows {key_id}"
    return f"every role that runs knows {key_id}" if not lacking else "forced"


@click.command()
@_file
@json_option
def show(path: Path | None, as_json: bool) -> None:
    """Show the ids of the keys, never the keys."""
    path = path or keys_path(load())
    keys = read_keys(path)
    if as_json:
        print_json({"file": str(path), "active": keys.active, "sealing": sorted(keys.sealing)})
        return
    for name in sorted(keys.sealing):
        click.echo(f"{name}{'  active' if name == keys.active else ''}")


@click.command()
@_file
@json_option
def signing(path: Path | None, as_json: bool) -> None:
    """Show the public key that verifies evidence packs; create the signing key if there is none.

    Give the public key to providers separately from the packs, or publish it.
    """
    path = path or signing_path(load())
    public = (load_signing_key(path) if path.exists() else _create_signing_key(path)).public_key()
    if as_json:
        print_json({"fingerprint": fingerprint(public), "public_key": public_pem(public)})
        return
    click.echo(public_pem(public), nl=False)
    click.echo(f"fingerprint {fingerprint(public)}", err=True)


def _create_signing_key(path: Path) -> Ed25519PrivateKey:
    key = make_signing_key(path)
    click.echo(f"created {path}; back it up, apart from the data", err=True)
    return key
