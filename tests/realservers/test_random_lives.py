"""Random lives on nginx: what is missing, what HEAD says and which wall stands change; nothing false is said."""

import random
from functools import partial

import pytest

from tests.realservers.daemons import Daemon
from tests.realservers.stage import Stage

LIVES = 60
PAGE = b"<!doctype html><title>soon</title>" + b"m" * 1466
NOPE = b"<!doctype html><title>nope</title>" + b"n" * 2345

MISSING = {
    "404": "",
    "410": "error_page 404 =410 /nope.html;",
    "403": "error_page 404 =403 /nope.html;",
    "page": "error_page 404 =200 /nope.html;",
    "application": "location / { try_files $uri /index.html; }",
    "front page": "error_page 404 = @front; location @front { return 302 /; }",
    "picture": r"location ~ \.jpg$ { try_files $uri /nope.png; }",
}
HEADS = {
    "as GET": "",
    "405": "if ($request_method = HEAD) { return 405; }",
    "403": "if ($request_method = HEAD) { return 403; }",
    "nothing": 'if ($request_method = HEAD) { return 200 ""; }',
    "front page": "if ($request_method = HEAD) { return 302 /; }",
    "closes": "if ($request_method = HEAD) { return 444; }",
}
WALLS = {
    "none": "",
    "403": "return 403;",
    "401": "return 401;",
    "429": "return 429;",
    "502": "return 502;",
    "503": "return 503;",
    "page": "rewrite ^ /soon.html break;",
    "login": "if ($uri != /login) { return 302 /login; }",
    "front page": "location = / { } if ($request_uri != /) { return 302 /; }",
    "closes": "return 444;",
    "abroad": "return 302 http://other.test/;",
}


class Fate:
    """A random life: an instant for each change, and how long the file was really there."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.missing = self.chance.choice(list(MISSING))
        self.head = self.chance.choice(["as GET", self.chance.choice(list(HEADS))])
        self.wall = self.chance.choice(["none", "none", self.some_wall()])
        self.there = self.chance.random() < 0.85
        self.since = -1e9
        self.stays: list[tuple[float, float]] = []

    def some_wall(self) -> str:
        """Draw a wall; one that answers as what is missing always was can't be told from a removal by anybody."""
        return self.chance.choice([wall for wall in WALLS if wall != self.missing])

    def rules(self) -> str:
        """Write nginx's rules of the moment."""
        return f"{HEADS[self.head]} {WALLS[self.wall]} {MISSING[self.missing]}"

    def instants(self) -> list[float]:
        """Draw when something changes."""
        return sorted(
            round(self.chance.uniform(0.3, 50.0), 2) for _ in range(self.chance.randint(1, 6))
        )

    def change(self, at: float, origin: Daemon) -> partial:
        """Draw what changes at an instant, note it, and give the act."""
        kind = self.chance.choice(["file", "file", "wall", "wall", "head"])
        if kind == "file":
            self.there = not self.there
            if self.there:
                self.since = at
                return partial(origin.put, "a.jpg")
            self.stays.append((self.since, at))
            return partial(origin.remove, "a.jpg")
        if kind == "wall":
            self.wall = "none" if self.wall != "none" else self.some_wall()
        else:
            self.head = self.chance.choice(list(HEADS))
        return partial(origin.configure, self.rules())

    def live(self, origin: Daemon) -> dict[float, partial]:
        """Set the server up for the beginning, and give the acts."""
        origin.put("soon.html", PAGE)
        origin.put("nope.html", NOPE)
        origin.put("nope.png", bytes(503))
        if not self.there:
            origin.remove()
            self.stays.append((-1e9, -1.0))
        origin.configure(self.rules())
        acts = {at: self.change(at, origin) for at in self.instants()}
        if self.there:
            self.stays.append((self.since, 1e9))
        return acts


@pytest.mark.parametrize("seed", range(LIVES))
async def test_a_random_life(stage: Stage, seed: int) -> None:
    """Whatever the server does, nothing is said of the file that is not so."""
    origin = stage.server("nginx")
    fate = Fate(seed)
    acts = fate.live(origin)
    await stage.plays(origin, acts, stays=fate.stays)
