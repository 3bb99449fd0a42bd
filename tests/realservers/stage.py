"""A stage: real servers for one story, and the play of a life on them."""

import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from schemas.urls import canonical
from services.probing.http.exchange import target_of
from tests.integration.looksites import NameServer
from tests.realservers.daemons import HOST, KINDS, Daemon
from tests.realservers.play import (
    Act,
    Clock,
    Eyes,
    Life,
    falsehoods,
    outcome_of,
    play,
    shortened,
    told,
)

# Where a file is named here, each story adds to it what its servers sent; a spec for those who write rules.
_NOTES = os.environ.get("TAKEDOWN_STORY_NOTES")


class Stage:
    """Start servers, play one life before them, and compare what the fold says with the truth."""

    def __init__(self, folder: Path, tree: Path, names: NameServer, title: str) -> None:
        self.folder = folder
        self.tree = tree
        self.names = names
        self.title = title
        self.daemons: list[Daemon] = []
        self.eyes: list[Eyes] = []
        self.notes: list[str] = []

    def server(self, kind: str, rules: str = "", **parts: str) -> Any:
        """Start a server of a kind; it is stopped with the stage."""
        made = KINDS[kind](self.folder / f"{len(self.daemons)}-{kind}", self.tree, rules, **parts)
        self.daemons.append(made)
        return made

    async def close(self) -> None:
        """Stop every server."""
        for eyes in self.eyes:
            await eyes.close()
        for daemon in self.daemons:
            daemon.stop()

    async def plays(
        self,
        daemon: Daemon,
        acts: Mapping[float, Act] | None = None,
        *,
        gone: float | None = None,
        stays: list[tuple[float, float]] | None = None,
        outcome: str | None = None,
        path: str = "/a.jpg",
        beside: Mapping[str, tuple[float | None, str | None]] | None = None,
        scheme: str = "http",
        until: float = 60.0,
        quiet: bool = False,
        resolvers: Sequence[int] = (),
        abroad: bool = False,
    ) -> None:
        """Play a life on the URL that a server serves; fail where the fold says what is not true.

        Args:
            daemon: the server that is asked.
            acts: what is done at which hour after the notice.
            gone: the hour at which it went for good; None: never.
            stays: when it was there, in place of `gone`.
            outcome: what has to come out; None: nothing, but for that nothing be false.
            path: of the URL.
            beside: other URLs of the host that are watched too, by path: when gone, and what has to come out.
            scheme: of the URL.
            until: the hour at which the story ends.
            quiet: take no notes of what the server sends, because asking changes it.
            resolvers: ports of the name servers that are asked; none: a scripted one.
            abroad: there is a second vantage, which looks when it is wanted.

        """
        origin = f"{scheme}://{HOST}:{daemon.port}"
        lives = [Life(origin + path, stays or _until(gone))]
        wanted = [outcome]
        for number, (other, (end, said)) in enumerate((beside or {}).items(), start=1):
            lives.append(
                Life(origin + other, _until(end), f"{number * 0x21234567:08x}".ljust(32, "0"))
            )
            wanted.append(said)
        clock = Clock()
        ports, places = resolvers or [self.names.port], ("home", "abroad") if abroad else ("home",)
        eyes = [Eyes(ports, clock, place) for place in places]
        self.eyes += eyes
        noting = _NOTES is not None and not quiet
        if noting:
            self.note(lives[0].url, "at the notice")
        done = {at: self._noted(lives[0], at, act) for at, act in (acts or {}).items()}
        await play(lives, done if noting else acts or {}, eyes, clock, until)
        self._compare(lives, wanted)

    def _compare(self, lives: Sequence[Life], wanted: Sequence[str | None]) -> None:
        wrong = []
        for life, outcome in zip(lives, wanted, strict=True):
            false, said = falsehoods(life), outcome_of(life.case.spell)
            if _NOTES is not None:
                self._write(life, false, said, outcome)
            if false or outcome not in (None, said):
                report = told(life, self.tree / "versions")
                wrong.append(f"{life.url}: {false or f'{said}, not {outcome}'}{report}")
        assert not wrong, "\n".join(wrong)

    # -- notes -------------------------------------------------------------------------------------

    def _noted(self, life: Life, at: float, act: Act) -> Act:
        def noted() -> None:
            act()
            self.note(life.url, f"from hour {at}")

        return noted

    def note(self, url: str, when: str) -> None:
        """Take down what URL, sibling and front page are answered to HEAD and to GET."""
        found = canonical(url)
        path, _, query = target_of(found).partition("?")
        folder, _, name = path.rpartition("/")
        ending = name.rpartition(".")[2] if "." in name else ""
        other = f"{folder}/0123456789abcdef{'.' + ending if ending else ''}"
        targets = {"url": target_of(found), "sibling": other, "front": "/"}
        if query:
            targets["sibling?"] = f"{path}?{query.partition('=')[0]}=0123456789abcdef"
        self.notes.append(f"  {when}")
        for what, target in targets.items():
            for method in ("HEAD", "GET"):
                said = heads(found.scheme, found.host, found.port, method, target)
                self.notes.append(f"    {what:<8} {method:<4} {target}: {said}")

    def _write(self, life: Life, false: list[str], said: str, outcome: str | None) -> None:
        assert _NOTES is not None
        right = not false and outcome in (None, said)
        with Path(_NOTES).open("a") as file:
            print(f"{'ok   ' if right else 'WRONG'} {self.title}", file=file)
            truth = [(max(s, -1), "never" if e > 1e8 else e) for s, e in life.stays]
            wanted = outcome or "anything that is not false"
            print(f"  truth: there in {truth}; wanted {wanted}; came out: {said}", file=file)
            print(f"  false statements: {false or 'none'}", file=file)
            print(f"  looks: {'; '.join(shortened(life.looked))}", file=file)
            print("\n".join(self.notes), file=file)
        self.notes.clear()


def _until(end: float | None) -> list[tuple[float, float]]:
    return [(-1e9, 1e9 if end is None else end)]


def heads(scheme: str, host: str, port: int, method: str, target: str) -> str:
    """Give the header block that a request of the prober's form gets, in one line."""
    block = f"{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\n"
    block += "User-Agent: takedown-monitor\r\nAccept: */*\r\nAccept-Encoding: identity\r\n"
    block += "\r\n" if method == "HEAD" else "Range: bytes=0-0\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), 3) as plain:
            wire: socket.socket = plain
            if scheme == "https":
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                wire = context.wrap_socket(plain, server_hostname=host)
            with wire:
                wire.sendall(block.encode())
                data = b""
                while b"\r\n\r\n" not in data and (more := wire.recv(4096)):
                    data += more
    except OSError as error:
        return f"[{type(error).__name__}: {error}]"
    if not data:
        return "[closed without an answer]"
    lines = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return " | ".join(line for line in lines if not line.startswith(("Date:", "date:")))
