"""Random hosts, and the life of one URL at them, played through the look, the verdict and the fold.

A life is drawn from a seed: which code of the host answers the URL, what its HEAD is worth, how it answers what it does
not have and what it removed, where it redirects to, which walls stand for hours, and when the URL is served. `play`
makes the looks that probers at one or two vantages would make, without a socket or a clock, and tells what was said
that is not true. Nodes behind the address may take turns of which one lacks the object, the name may change its address
or be kept from us by a resolver, and politeness may forbid what the neutral agent would ask.

Left out, because one vantage can't tell it from something else, whatever it asks:

- a wall that answers as the host has always answered what it does not have (redirect, page, 404 to every agent);
- a wall around what exists alone: for us, each such URL went as a removed one does;
- what a host puts in the place of the object (a picture, a page of its own) before anybody saw the object there, and
  a page of about the same length in the place of a page;
- a cache that serves, to HEAD or to all, what its origin removed: it is served;
- nodes that lack the object for as long as a removal takes to confirm, or in turns that the looks fall in with;
- a fault of the host that hides from the watch the turn of the node that has it, where the next look meets a lack;
- from one vantage, what answers 404 to its addresses alone; from two, where the other meets a node that lacks it at
  the one look for which it is asked.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Literal, NamedTuple
from urllib.parse import quote
from zlib import crc32

from msgspec import structs

from schemas import events as ev
from schemas import ids
from schemas.events import Event, LookMade, Served
from schemas.methodology import Methodology, shipped
from schemas.urls import canonical
from services.core.bounds import standing
from services.core.cadence import next_look
from services.core.case import Case
from services.core.fold import extend, fold
from services.core.machines import Clock, Presence
from services.core.watch_entry import entry_of
from services.probing.http.exchange import Reply
from services.probing.limits.gate import CONFIRMING, DEADLINE, REST, Deferred
from services.probing.schedule.profiles import baseline_of, content_of
from tests.unit.probing.look import script
from tests.unit.probing.look.script import Played, Request, Script

METHODOLOGY = shipped()["nl-24h"]
TWO_VANTAGES = structs.replace(
    METHODOLOGY, confirmation=structs.replace(METHODOLOGY.confirmation, vantages=2)
)
START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = 3600.0
WATCHED_HOURS = 60
_SOON = 2 * HOUR


class Layout(NamedTuple):
    """Which code of a host answers a URL: `key` takes from a path and a query what chooses the object, or None.

    `keys` are those of one URL, the outer one first.
    """

    name: str
    target: str
    keys: tuple[str, ...]
    key: Callable[[str, dict[str, str]], tuple[str, ...] | None]


def _pieces(shape: str) -> Callable[[str, dict[str, str]], tuple[str, ...] | None]:
    """Make a reader of paths of a shape: `*` stands for what chooses the object."""
    wanted = shape.split("/")

    def read(path: str, _: dict[str, str]) -> tuple[str, ...] | None:
        pieces = path.split("/")
        if len(pieces) != len(wanted):
            return None
        pairs = list(zip(wanted, pieces, strict=True))
        if any(want not in ("*", piece) for want, piece in pairs):
            return None
        return tuple(piece for want, piece in pairs if want == "*")

    return read


def _value(wanted: str, name: str, **fixed: str) -> Callable[..., tuple[str, ...] | None]:
    """Make a reader of a value of the query of one path; other values choose the program."""

    def read(path: str, query: dict[str, str]) -> tuple[str, ...] | None:
        if path != wanted or any(query.get(n) != value for n, value in fixed.items()):
            return None
        return (query[name],) if name in query else None

    return read


def _layouts(random: Random, extension: str) -> tuple[Layout, ...]:
    number, other = str(random.randint(100, 9_999_999)), str(random.randint(10, 99_999))
    hexa, name = f"{random.getrandbits(64):016x}", random.choice(("holiday", "IMG_2231", "a"))
    file, slug = f"{hexa}.{extension}", f"{name}.{extension}"
    return (
        Layout("file", f"/img/{file}", (file,), _pieces("/img/*")),
        Layout("slug", f"/photos/{slug}", (slug,), _pieces("/photos/*")),
        Layout("bare", f"/{slug}", (slug,), _pieces("/*")),
        Layout("hash", f"/i/{hexa[:8]}", (hexa[:8],), _pieces("/i/*")),
        Layout("decorated", f"/img/{file}?utm_source=m&v=3", (file,), _pieces("/img/*")),
        Layout("query", f"/view.php?id={number}", (number,), _value("/view.php", "id")),
        Layout(
            "query beside",
            f"/index.php?page=photo&id={number}",
            (number,),
            _value("/index.php", "id", page="photo"),
        ),
        Layout("front query", f"/?p={number}", (number,), _value("/", "p")),
        Layout(
            "thumb",
            f"/thumb.php?src=/files/{file}&w=600&h=400",
            (f"/files/{file}",),
            _value("/thumb.php", "src"),
        ),
        Layout("segment", f"/photo/{number}/full", (number,), _pieces("/photo/*/full")),
        Layout("folder", f"/photo/{number}/", (number,), _pieces("/photo/*/")),
        Layout(
            "several",
            f"/g/{other}/p/{number}.{extension}",
            (other, f"{number}.{extension}"),
            _pieces("/g/*/p/*"),
        ),
        Layout("album", f"/album/{hexa}/{slug}", (hexa, slug), _pieces("/album/*/*")),
    )


class Wall(NamedTuple):
    """What everybody but the object's public meets for a time, in seconds."""

    since: float
    until: float
    kind: str


class Nodes(NamedTuple):
    """Two nodes behind the address take turns, in seconds, from `since` to `until`; the one that `lacks` it begins."""

    since: float
    until: float
    lacks: float
    has: float

    def lack(self, at: float) -> bool:
        """Tell whether the node whose turn it is lacks the object."""
        turn = (at - self.since) % (self.lacks + self.has)
        return self.since <= at < self.until and turn < self.lacks


class Life(NamedTuple):
    """One URL at one host. `served` are the stretches of seconds in which it is; the notice goes out at `notice`.

    A neighbour that is always served is looked at so many seconds before each look. `hidden`: for so long it is 404 for
    the addresses of the first vantage alone. `deferral` is the share of the neutral agent's requests that politeness
    forbids. `names` are the times at which a resolver says something of the name that is not so. `dead` are further
    addresses of the name that never answer, with the fault that each gives. `barred`: so long the first vantage alone
    is kept out.
    """

    seed: int
    layout: Layout
    url: str
    media: str
    length: int
    head: str
    ranged: bool
    outer: str
    absent: str
    foreign: str
    gone: str
    redirect: str
    redirects_all: bool
    walls: tuple[Wall, ...]
    optimised_at: float | None
    restart_at: float | None
    served: tuple[tuple[float, float], ...]
    notice: float
    neighbour: Layout | None
    neighbour_before: float
    vantages: int
    nodes: Nodes | None
    hidden: tuple[float, float] | None
    deferral: float
    names: tuple[Wall, ...]
    renumbered_at: float | None
    dead: tuple[tuple[str, str], ...]
    barred: tuple[float, float] | None

    @property
    def methodology(self) -> Methodology:
        """The methodology that its looks are folded under."""
        return METHODOLOGY if self.vantages == 1 else TWO_VANTAGES

    def addresses(self, at: float) -> tuple[str, ...] | str:
        """Say what the name resolves to: the address that it has then, or a resolver's status."""
        said = next((one.kind for one in self.names if one.since <= at < one.until), None)
        if said is not None:
            return said
        if self.gone == "nxdomain" and not self.is_served(at):
            return "nxdomain"
        return (self.address(at), *(address for address, _ in self.dead))

    def address(self, at: float) -> str:
        """Give the address that serves the host at an instant."""
        moved = self.renumbered_at is not None and at >= self.renumbered_at
        return OTHER_ADDRESS if moved else script.ADDRESS

    def is_served(self, at: float) -> bool:
        """Tell the truth."""
        return any(since <= at < until for since, until in self.served)

    def wall(self, at: float) -> str | None:
        """Name the wall that stands at an instant."""
        return next((wall.kind for wall in self.walls if wall.since <= at < wall.until), None)

    @property
    def is_decidable(self) -> bool:
        """Tell whether what is true of the norm can be seen: no wall, no optimiser, and a plain end or none.

        A plain end lies hours from the deadline, and is answered by 404 or 410, or as what never was, in a way that
        siblings tell apart.
        """
        if self.walls or self.optimised_at is not None or len(self.served) > 1:
            return False
        if self.nodes or self.hidden or self.deferral or self.names or self.dead or self.barred:
            return False
        ends, deadline = self.served[0][1], self.notice + 24 * HOUR
        if self.redirect == "opaque" or abs(ends - deadline) <= 4 * HOUR:
            return False
        seen = ends > HOUR and self.absent in _TELLING
        lasts = ends > deadline and self.absent not in ("unmeasured page", "varied page", "empty")
        return (
            lasts or self.gone in ("404", "410", "nxdomain") or (seen and self.gone == self.absent)
        )


_TELLING = frozenset({"404", "410", "403", "page", "front", "sorry", "sorry path"})


# -- drawing a life --------------------------------------------------------------------------------

FOR_EVER = 1e9
_REFUSALS = (400, 401, 402, 403, 404, 405, 409, 411, 415, 418, 421, 422, 429, 451, 500, 501, 502)
_HEADS = (
    *(["right"] * 8),
    *("refused", "refused", "always 200", "always 200 empty", "always 200 typed", "no length"),
    *("no length", "zero", "front", "closes", "hangs", "untyped"),
)
_MISSING = (
    *(["404"] * 6),
    *("410", "page", "page", "varied page", "unmeasured page", "front", "sorry", "sorry path"),
    *("403", "empty", "placeholder"),
)
_WALLS = ("page", "unmeasured page", "login", "front", "maintenance", "403", "503", "503 later")
_UNSAID = ("filtered", "unproven", "timeout", "servfail", "nodata", "disagree", "refused")
OTHER_ADDRESS = "127.0.0.2"
DEAD_ADDRESSES = ("127.0.0.3", "127.0.0.4", "127.0.0.5")
_DEAD = ("connect_refused", "connect_timeout", "response_timeout")
_MORE_WALLS = ("challenge", "reset", "hotlink", "agent 404", "empty", "429", "500")


def draw(seed: int) -> Life:
    """Draw a life; the same one for a seed."""
    random = Random(seed)
    media = random.choice(("image/jpeg", "image/jpeg", "image/png", "video/mp4", "text/html"))
    extension = {"image/png": "png", "video/mp4": "mp4", "text/html": "html"}.get(media, "jpg")
    layouts = _layouts(random, extension)
    number = random.randrange(len(layouts))
    layout = layouts[number]
    absent = random.choice(_MISSING)
    served = _stretches(random)
    redirect = random.choice(("", "", "", "", "https", "mirror", "canonical", "opaque"))
    host = "pics.example" if random.random() < 0.8 else "www.pics.co.uk"
    life = Life(
        seed=seed,
        layout=layout,
        url=f"http://{host}{layout.target}",
        media=media,
        # A placeholder of about the object's length is an optimiser's work to headers: those here have 4.3 kB.
        length=int(2 ** random.uniform(14.3, 22)),
        head=_head(random),
        ranged=random.random() < 0.7,
        outer=random.choice((absent, "404", "front")),
        absent=absent,
        foreign=random.choice((absent, "404")),
        gone=_gone(random, media, absent, served),
        redirect=redirect,
        redirects_all=random.random() < 0.5,
        walls=_walls(random, absent),
        optimised_at=random.uniform(0, 70) * HOUR if random.random() < 0.1 else None,
        restart_at=random.uniform(0, 60) * HOUR if random.random() < 0.2 else None,
        served=served,
        notice=random.choice((0.0, 0.2, 1.5)) * HOUR,
        neighbour=_layouts(random, extension)[number] if random.random() < 0.4 else None,
        neighbour_before=random.choice((2.0, 60.0, 290.0, 1_000.0)),
        vantages=1,
        nodes=None,
        hidden=None,
        deferral=0.0,
        names=(),
        renumbered_at=None,
        dead=(),
        barred=None,
    )
    return _with_more(_with_trouble(life, random), random)


def _with_trouble(life: Life, random: Random) -> Life:
    """Draw what else stands between the host and a prober; most lives have none of it."""
    vantages = 2 if random.random() < 0.25 else 1
    nodes = _nodes(random, life.served[0][1]) if random.random() < 0.08 else None
    hides = vantages == 2 and nodes is None and random.random() < 0.3
    name = random.random()
    return life._replace(
        vantages=vantages,
        hidden=_span(random) if hides else None,
        nodes=nodes,
        deferral=random.choice((0.3, 0.7, 1.0)) if random.random() < 0.2 else 0.0,
        names=(Wall(*_span(random), random.choice(_UNSAID)),) if name < 0.1 else (),
        renumbered_at=_half_minute(random) if 0.1 < name < 0.2 else None,
        gone="nxdomain" if name > 0.95 else life.gone,
    )


def _with_more(life: Life, random: Random) -> Life:
    """Draw what is rare: dead addresses beside the living one, a wall of the length of the object, a bar and nodes."""
    dead, twin, bar = (random.random() for _ in range(3))
    ways = [(address, random.choice(_DEAD)) for address in DEAD_ADDRESSES]
    barred = bar < (0.7 if life.vantages == 2 and life.nodes is not None else 0.05)
    return life._replace(
        dead=tuple(ways[: random.randint(1, 3)]) if dead < 0.05 else (),
        walls=(*life.walls, Wall(*_span(random), "twin")) if twin < 0.05 else life.walls,
        barred=_bar(random, life.nodes) if barred and life.vantages == 2 else None,
    )


def _bar(random: Random, nodes: Nodes | None) -> tuple[float, float]:
    """Draw for how long a vantage is kept out: where nodes take turns, from some instant of theirs on."""
    if nodes is None:
        return _span(random)
    since = random.uniform(nodes.since, nodes.until)
    return since, since + random.choice((0.5, 1, 3, 10)) * HOUR


def _half_minute(random: Random) -> float:
    """Draw an instant between looks."""
    return random.randint(3, 3_500) * 60.0 + 30.5


def _span(random: Random) -> tuple[float, float]:
    since = _half_minute(random) - 10 * HOUR
    return since, since + random.choice((1, 3, 10, 40)) * HOUR


def _nodes(random: Random, ends: float) -> Nodes | None:
    """Draw nodes whose turns are shorter than a removal takes, and end hours before it goes from both.

    What begins as one node's lack and goes on as a removal is dated by the lack.
    """
    since = _half_minute(random) - 2 * HOUR
    until = min(since + random.choice((3, 10, 40)) * HOUR, ends - 3 * HOUR)
    lacks, has = random.randint(10, 40), random.randint(50, 120)
    return Nodes(since, until, lacks * 60.0, has * 60.0) if until > since else None


def _head(random: Random) -> str:
    head = random.choice(_HEADS)
    return f"{random.choice(_REFUSALS)}" if head == "refused" else head


def _stretches(random: Random) -> tuple[tuple[float, float], ...]:
    """Draw when it is served; changes lie between looks, on half minutes."""
    kind = random.random()
    end = random.randint(3, 4000) * 60.0 + 30.5
    if kind < 0.2:
        return ((-FOR_EVER, FOR_EVER),)
    if kind < 0.35:
        return ((-FOR_EVER, -random.randint(1, 100) * 60.0),)
    if kind < 0.9:
        return ((-FOR_EVER, end),)
    return ((-FOR_EVER, end), (end + random.randint(1, 1200) * 60.0, FOR_EVER))


def _gone(random: Random, media: str, absent: str, served: tuple[tuple[float, float], ...]) -> str:
    """Draw how what was removed is answered: as what never was, in most cases."""
    choices = [*([absent] * 10), "404", "410", "451", "403", "empty", "front", "removed"]
    if served[0][1] > HOUR:
        choices += ["placeholder"] if media == "text/html" else ["placeholder", "notice page"]
    return random.choice(choices)


def _walls(random: Random, absent: str) -> tuple[Wall, ...]:
    if random.random() < 0.5:
        return ()
    kinds = [k for k in (*_WALLS, *_MORE_WALLS) if k not in _alike_walls(absent)]
    found = []
    for _ in range(random.randint(1, 2)):
        since = random.uniform(-10, 70) * HOUR
        found.append(
            Wall(since, since + random.choice((1, 3, 10, 40)) * HOUR, random.choice(kinds))
        )
    return tuple(found)


def _alike_walls(absent: str) -> tuple[str, ...]:
    """Name the walls that answer as a host does what it does not have."""
    return {
        "front": ("front",),
        "empty": ("empty",),
        "unmeasured page": ("unmeasured page",),
    }.get(absent, ())


# -- the host --------------------------------------------------------------------------------------


def _within(span: tuple[float, float], at: float) -> bool:
    return span[0] <= at < span[1]


class Site:
    """The host of a life: a function of a request. `abroad`: as the second vantage sees it, whose agent is neutral."""

    def __init__(self, life: Life, *, abroad: bool = False) -> None:
        self._life = life
        self._abroad = abroad
        self._outer = {one.keys[0] for one in (life.layout, life.neighbour) if one is not None}

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        life = self._life
        if request.neutral and life.deferral and self._is_deferred(request):
            raise Deferred(60.0)
        fault = dict(life.dead).get(request.address)
        if fault is not None:
            return script.fault(request, fault)
        if life.barred is not None and not self._abroad and _within(life.barred, request.at):
            return script.reply(request, 403, content_type="text/html", content_length=200)
        if request.address != life.address(request.at):
            return script.missing(request)
        wall = life.wall(request.at)
        if wall is not None:
            walled = self._walled(wall, request)
            if walled is not None:
                return walled
        got = self._got(request._replace(method="GET"))
        return got if request.method == "GET" else self._headed(got, request)

    def _is_deferred(self, request: Request) -> bool:
        return crc32(f"{request.at} {request.target}".encode()) % 100 < 100 * self._life.deferral

    def _headed(self, got: Reply, request: Request) -> Reply:
        """Make of what GET gives what this host says to HEAD."""
        head, served = self._life.head, got.status in (200, 206)
        fields: dict[str, Any] = {
            "content_type": got.content_type,
            "content_length": got.content_length,
            "location": got.location,
        }
        status = 200 if served else got.status or 200
        if head.isdigit():
            return script.reply(request, int(head))
        if head == "always 200":
            return script.reply(request, 200, content_type="text/html", content_length=1_234)
        if head == "always 200 empty":
            return script.reply(request, 200, content_length=0)
        if head == "always 200 typed":
            return script.reply(request, 200, content_type=self._life.media)
        if head == "front":
            return script.sent(request, "/")
        if head in ("closes", "hangs"):
            return script.fault(request, "disconnected" if head == "closes" else "response_timeout")
        if head == "no length" or (head == "untyped" and served):
            fields["content_length"] = None
        if head == "untyped":
            fields["content_type"] = None
        if head == "zero" and served:
            fields["content_length"] = 0
        return script.reply(request, status, **fields)

    # -- by GET --

    def _got(self, request: Request) -> Reply:
        life = self._life
        path, _, text = request.target.partition("?")
        query = dict(piece.partition("=")[::2] for piece in text.split("&"))
        fixed = self._fixed(path, text, request)
        if fixed is not None:
            return fixed
        keys = life.layout.key(path, query)
        if path.startswith("/o/"):
            keys = life.layout.keys if path == f"/o/{self._opaque()}" else None
        served = self._serves(request.at)
        onward = self._onward(request, keys, served)
        if onward is not None:
            return onward
        if keys is None:
            return self._absent(life.foreign, request)
        if life.neighbour is not None and keys == life.neighbour.keys != life.layout.keys:
            return script.picture(request, 77_777, content_type=life.media)
        if keys != life.layout.keys:
            outer = len(keys) > 1 and keys[0] not in self._outer
            return self._absent(life.outer if outer else life.absent, request)
        if served:
            return self._object(request)
        # Whoever lacks it, or hides it, says that there is nothing.
        lacks = life.is_served(request.at) or life.gone == "nxdomain"
        return script.missing(request) if lacks else self._absent(life.gone, request)

    def _serves(self, at: float) -> bool:
        """Tell whether it is served to this vantage, by the node whose turn it is."""
        life = self._life
        if life.hidden is not None and not self._abroad and life.hidden[0] <= at < life.hidden[1]:
            return False
        return life.is_served(at) and not (life.nodes is not None and life.nodes.lack(at))

    def _fixed(self, path: str, query: str, request: Request) -> Reply | None:
        """Answer what every host has."""
        if path == "/" and not query:
            return script.page(request, 9_000 + int(request.at) % 300)
        if path == "/sorry":
            return script.page(request, 3_000 + len(query))
        if path == "/removed.png":
            return script.reply(request, 200, content_type="image/png", content_length=1_503)
        return script.page(request, 2_000) if path in ("/login", "/maintenance") else None

    def _onward(self, request: Request, keys: tuple[str, ...] | None, served: bool) -> Reply | None:
        """Redirect to where the object lives."""
        life, url = self._life, request.url
        own = keys == life.layout.keys
        if not (own and served) and not life.redirects_all:
            return None
        if life.redirect == "https" and url.scheme == "http":
            return script.sent(request, "https" + url.href[4:])
        if life.redirect == "mirror" and not url.host.startswith("img3."):
            domain = url.host.removeprefix("www.")
            return script.sent(request, f"http://img3.{domain}{request.target}")
        if life.redirect == "canonical" and "utm_source" in request.target:
            return script.sent(request, request.target.partition("?")[0])
        if life.redirect == "opaque" and own and not url.href.partition("/o/")[1]:
            return script.sent(request, f"/o/{self._opaque()}")
        return None

    def _opaque(self) -> str:
        return f"{crc32(self._life.url.encode()):08x}"

    def _object(self, request: Request) -> Reply:
        life = self._life
        length: int | None = life.length
        if life.media == "text/html":
            length = int(life.length * (1 + 0.05 * (crc32(f"{request.at}".encode()) % 100) / 100))
        elif life.optimised_at is not None and request.at >= life.optimised_at:
            length = int(life.length * 0.7)
        status = 206 if life.ranged else 200
        return Reply(method="GET", status=status, content_type=life.media, content_length=length)

    def _absent(self, kind: str, request: Request) -> Reply:
        """Answer what there is not (any more)."""
        if kind.isdigit():
            return script.reply(request, int(kind), content_type="text/html", content_length=150)
        match kind:
            case "page":
                return script.page(request, 5_120)
            case "varied page":
                return script.page(request, 5_120 + crc32(request.url.href.encode()) % 400)
            case "unmeasured page":
                return script.page(request, None)
            case "notice page":
                return script.page(request, 4_444)
            case "front":
                return script.sent(request, "/")
            case "sorry":
                return script.sent(request, "/sorry")
            case "sorry path":
                return script.sent(request, f"/sorry?from={quote(request.target, safe='')}")
            case "removed":
                return script.sent(request, "/removed.png")
            case "empty":
                return script.page(request, 0)
        return script.reply(request, 200, content_type="image/png", content_length=1_777)

    # -- walls --

    def _walled(self, kind: str, request: Request) -> Reply | None:
        """Answer as a wall does; None where it lets this request through."""
        if kind.isdigit():
            return script.reply(request, int(kind), content_type="text/html", content_length=200)
        front = request.target == "/"
        match kind:
            case "page":
                return script.page(request, 2_222)
            case "unmeasured page":
                return script.page(request, None)
            case "empty":
                return script.page(request, 0)
            case "twin":
                media, length = self._life.media, self._life.length
                return script.reply(request, 200, content_type=media, content_length=length)
            case "503 later":
                return script.reply(request, 503, retry_after="600", content_length=0)
            case "challenge":
                return script.reply(request, 403, challenge=True, content_length=900)
            case "reset":
                return script.fault(request, "blocked_reset")
            case "login":
                back = f"/login?next={quote(request.target, safe='')}"
                return None if request.target.startswith("/login") else script.sent(request, back)
            case "maintenance":
                there = request.target == "/maintenance"
                return None if there else script.sent(request, "/maintenance")
            case "front":
                return None if front else script.sent(request, "/")
            case "agent 404":
                return None if request.neutral or self._abroad else script.missing(request)
        if front:
            return None
        return script.reply(request, 200, content_type="image/png", content_length=4_321)


# -- playing it ------------------------------------------------------------------------------------

CASE = "0123456789abcdef" * 2
NEIGHBOUR = "fedcba9876543210" * 2
_LONG = timedelta(hours=WATCHED_HOURS)


class Course(NamedTuple):
    """What a life came to: `false` statements, the standing of its spell, and every look."""

    life: Life
    false: tuple[str, ...]
    standing: str
    looks: tuple[tuple[float, Played], ...]
    case: Case

    def told(self) -> str:
        """Tell the life step by step."""
        lines = [f"life {self.life.seed}: {self.life._replace(layout=self.life.layout.name)}"]
        lines += [f"  FALSE: {text}" for text in self.false]
        for at, look in self.looks:
            truth = "served" if self.life.is_served(at) else "gone"
            asked = ", ".join(
                f"{r.method}{'~' if r.neutral else ''} {r.target}" for r in look.requests
            )
            wall = self.life.wall(at)
            lines.append(f"  {at / HOUR:7.3f} h {truth:6} wall={wall} {look.said}: {asked}")
        lines.append(f"  {self.case.spell}")
        return "\n".join(lines)


def play(life: Life) -> Course:
    """Play a life from its report to the end of the watch."""
    game = _Game(life)
    game.run()
    return Course(
        life,
        tuple(game.false()),
        standing(game.case, game.case.spell, life.methodology, START + _LONG),
        tuple(game.looks),
        game.case,
    )


def _instant(at: float) -> datetime:
    return START + timedelta(seconds=at)


def _seconds(instant: datetime) -> float:
    return (instant - START).total_seconds()


class _Game:
    def __init__(self, life: Life) -> None:
        self.life = life
        self.url = canonical(life.url)
        self.method = life.methodology
        self.script = Script(Site(life), seed=life.seed)
        self.abroad = Script(Site(life, abroad=True), seed=life.seed + 2)
        self.beside: ev.Fingerprint | None = None
        self.looks: list[tuple[float, Played]] = []
        self.events: list[Event] = [
            self._event(0.0, ev.ReportFiled(reporter="hotline", sealed_url="sealed"))
        ]
        self.notice: Event | None = self._event(
            life.notice, ev.NoticeSent(notice_id="n", provider="giant")
        )
        self.unproven: list[str] = []
        self.case = fold(self.events, self.method)[0]

    def _event(self, at: float, data: ev.Payload) -> Event:
        name = ids.look_id(CASE, type(data).__name__, START, _instant(at))
        return Event(id=name, time=_instant(at), source="test", case_id=CASE, data=data)

    def run(self) -> None:
        """Make each look that the cadence asks for."""
        after = START - timedelta(seconds=1)
        while True:
            entry = entry_of(self.case, self.method)
            tick = entry and next_look(entry, CASE, self.method, after)
            if self.notice is not None and (tick is None or self.notice.time <= tick):
                self._send_notice()
                continue
            if entry is None or tick is None or tick > START + _LONG:
                return
            self._look(entry, tick)
            after = tick

    def _send_notice(self) -> None:
        assert self.notice is not None
        self.events.append(self.notice)
        self.notice = None
        self.case = fold(self.events, self.method)[0]

    def _look(self, entry: ev.WatchEntry, tick: datetime) -> None:
        at = _seconds(tick) + 1.0
        if self.life.restart_at is not None and self.script.now < self.life.restart_at <= at:
            self.script = Script(Site(self.life), seed=self.life.seed + 1)
        self._look_at_neighbour(at)
        self.script.now = max(self.script.now, at)
        self._take(self.script, "home", entry, tick)
        if self.life.vantages == 2:
            again = entry_of(self.case, self.method)
            if again is not None and again.second_vantage:
                self.abroad.now = max(self.abroad.now, self.script.now)
                self._take(self.abroad, "abroad", again, tick)

    def _take(self, from_: Script, vantage: str, entry: ev.WatchEntry, tick: datetime) -> None:
        """Make one look from a vantage, unless politeness puts it off."""
        begun, base = from_.now, entry.baseline
        from_.names = self._names(begun)
        try:
            played = from_.look(
                self.url,
                case=CASE,
                known_online=entry.known_online,
                baseline=baseline_of(content_of(base), base and base.content_length),
                confirming=entry.suspected_at is not None,
                host_dark=entry.host_dark,
                priority=_priority(entry, tick),
            )
        except Deferred:
            return
        self.looks.append((begun, played))
        made = self._record(tick, begun, from_.now, vantage, played)
        event = self._event(from_.now, made)
        self.events.append(event)
        moved = extend(self.case, event, self.method)
        if any(one.after == Presence.REMOVED for one in moved):
            self._hold_to_proof(_seconds(self.case.spell.removals[-1].upper))

    def _names(self, at: float) -> dict[str, tuple[str, ...] | str]:
        """Say what the name of the host, and of its mirror, resolves to."""
        mirror = "img3." + self.url.host.removeprefix("www.")
        return {self.url.host: self.life.addresses(at), mirror: (self.life.address(at),)}

    def _look_at_neighbour(self, at: float) -> None:
        neighbour = self.life.neighbour
        if neighbour is None or neighbour.target == self.life.layout.target:
            return
        self.script.now = max(self.script.now, at - self.life.neighbour_before)
        host = self.url.href[: -len(self.life.layout.target)]
        self.script.names = self._names(self.script.now)
        try:
            look = self.script.look(host + neighbour.target, case=NEIGHBOUR, baseline=self.beside)
        except Deferred:
            return
        if self.beside is None and look.verdict == "online":
            self.beside = look.fingerprint

    def _record(
        self, tick: datetime, begun: float, ended: float, vantage: str, played: Played
    ) -> LookMade:
        served = tuple(
            Served(address=a, provider="giant", online=said == "online", gone=said == "removed")
            for a, said in played.verdicts.items()
        )
        return LookMade(
            vantage=vantage,
            tick=tick,
            started_at=_instant(begun),
            finished_at=_instant(ended),
            verdict=played.judgement.verdict,
            reason=played.reason,
            layer=played.judgement.layer,
            served=served,
            fingerprint=played.fingerprint,
            canary_at=_instant(begun),
            resolution_age_seconds=0.0,
            providers_left_out=(),
        )

    def _hold_to_proof(self, upper: float) -> None:
        """Note a removal that one vantage began, was kept out of, and another confirmed in less than the whole span."""
        since = _instant(upper)
        made = [e.data for e in self.events if isinstance(e.data, LookMade)]
        run = [look for look in made if look.finished_at >= since]
        first = run[0].vantage
        others = [o.finished_at for o in run if o.vantage != first and o.verdict == "removed"]
        barred = any(o.vantage == first and o.reason.startswith("blocked_") for o in run)
        if barred and others and max(others) - min(others) < self.method.confirmation_span:
            self.unproven.append(f"removed by {upper / HOUR:.3f} h, and nobody could see it since")

    # -- against the truth --

    def _false_sightings(self) -> list[str]:
        return [
            f"online at {at / HOUR:.3f} h, and it was gone"
            for at, look in self.looks
            if look.verdict == "online" and not self._may_be_served(at)
        ]

    def _passes(self, at: float) -> bool:
        """Tell whether a wall of the object's length passes for it: for a day at the most (docs/verdicts.md)."""
        wall = next((one for one in self.life.walls if one.since <= at < one.until), None)
        return wall is not None and wall.kind == "twin" and at < wall.since + 24 * HOUR

    def _may_be_served(self, at: float) -> bool:
        return self.life.is_served(at) or self._passes(at)

    def _seen_served(self) -> bool:
        return any(look.verdict == "online" and self.life.is_served(at) for at, look in self.looks)

    def false(self) -> list[str]:
        """Tell every statement that is not true."""
        truth, spell = self.life.is_served, self.case.spell
        if self.life.gone in ("placeholder", "notice page") and not self._seen_served():
            return []
        found = [*self.unproven, *self._false_sightings()]
        for removal in spell.removals:
            upper = _seconds(removal.upper)
            if truth(upper):
                found.append(f"removed by {upper / HOUR:.3f} h ({removal.reason}), and was served")
            elif removal.lower is not None and not self._may_be_served(_seconds(removal.lower)):
                found.append(f"removed after {removal.lower}, and was gone before")
        if spell.gone_before_notice and truth(self.life.notice + 15 * 60):
            found.append("gone before the notice, and was served after it")
        if spell.breached_at is not None and not truth(_seconds(spell.breached_at)):
            found.append("a breach, and was gone")
        if spell.clock is Clock.WITHIN and truth(_seconds(spell.removals[-1].upper)):
            found.append("within the norm, and was served")
        return found


def _priority(entry: ev.WatchEntry, tick: datetime) -> Literal[0, 1, 2]:
    if entry.deadline is not None and abs((entry.deadline - tick).total_seconds()) <= _SOON:
        return DEADLINE
    return CONFIRMING if entry.suspected_at is not None else REST
