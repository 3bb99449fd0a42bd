"""Which parts of a URL are varied, and with what (kind B)."""

import re

import pytest

from schemas.urls import canonical
from services.probing.look.handlers import handler_of, keeps_id, sibling_of

TOKEN = "0123456789abcdef"


def siblings(url: str) -> list[str]:
    """Write the siblings of a URL, without its origin."""
    parsed = canonical(url)
    count = max(len(handler_of(parsed).parts), 1)
    origin = parsed.href[: parsed.href.index("/", 8)]
    return [sibling_of(parsed, n, TOKEN).href.removeprefix(origin) for n in range(count)]


@pytest.mark.parametrize(
    ("target", "patterns"),
    [
        ("/", [r"/[0-9a-f]{16}"]),
        ("/a.jpg", [r"/[0-9a-f]{16}\.jpg"]),
        ("/img/holiday.jpg", [r"/img/[0-9a-f]{16}\.jpg"]),
        ("/view.php?id=4711", [r"/view\.php\?id=\d{10}"]),
        ("/index.php?page=photo&id=4711", [r"/.*page=photo&id=\d{10}", r"/.*page=\w+&id=4711"]),
        ("/?p=4711", [r"/\?p=\d{10}"]),
        ("/photo/4711/", [r"/photo/\d{10}/"]),
        ("/photo/4711/full", [r"/photo/4711/[0-9a-f]{16}", r"/photo/\d{10}/full"]),
        ("/g/1234/p/5678.jpg", [r"/g/1234/p/\d{10}\.jpg", r"/g/\d{10}/p/5678\.jpg"]),
        ("/img/a7f3.jpg?utm_source=m", [r"/img/\w{8,16}\.jpg\?utm_source=m"]),
        ("/img/a7f3.jpg?w=600&h=400", [r"/img/\w{8,16}\.jpg\?w=600&h=400"]),
        ("/thumb.php?src=/files/9a.jpg&w=600", [r"/thumb\.php\?src=\w+\.jpg&w=600"]),
        ("/gallery/7?utm_source=s", [r"/gallery/\d{10}\?utm_source=s"]),
        ("/i/AbCdEf12", [r"/i/[A-Za-z0-9]{8}"]),
    ],
)
def test_each_variable_part_is_varied_in_turn(target: str, patterns: list[str]) -> None:
    """A value of the query, the segment of the id, the file's name: and no decoration."""
    found = siblings(f"http://pics.example{target}")
    assert len(found) == len(patterns)
    for text, pattern in zip(sorted(found), sorted(patterns), strict=True):
        assert any(re.fullmatch(one, text) for one in patterns), (text, pattern)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("4711", r"\d{10}"),
        ("123456789012", r"\d{12}"),
        ("0123abcd4567", r"[0-9a-f]{12}"),
        ("0123ABCD4567", r"[0-9A-F]{12}"),
        (
            "8c5b6f10-55aa-4b1e-9d3c-0123456789ab",
            r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a.{3}-.{12}",
        ),
        ("dQw4w9WgXcQ", r"[0-9A-Za-z]{11}"),
        ("holiday", r"[0-9a-f]{16}"),
    ],
)
def test_a_sibling_is_of_the_same_make(name: str, make: str) -> None:
    """A route that takes numbers, digests or short names takes the sibling's too, and keeps the ending."""
    (found,) = siblings(f"http://pics.example/i/{name}.jpg")
    assert re.fullmatch(rf"/i/{make}\.jpg", found)
    assert name not in found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("/img/a.jpg", "/img/b.jpg", True),
        ("/img/a.jpg", "/img/b.png", False),
        ("/img/a.jpg", "/pics/a.jpg", False),
        ("/photo/1/full", "/photo/2/full", True),
        ("/photo/1/full", "/photo/1/small", True),
        ("/view.php?id=1", "/view.php?id=2", True),
        ("/view.php?id=1", "/view.php?file=1", False),
        ("/view.php?id=1", "/show.php?id=1", False),
        ("/img/a.jpg?utm_source=m", "/img/b.jpg", True),
        ("/", "/a", False),
    ],
)
def test_what_was_learnt_holds_for_one_shape(one: str, other: str, same: bool) -> None:
    """URLs of one shape are answered by one handler; another folder, ending or name of a value is another one."""
    first, second = (handler_of(canonical(f"http://pics.example{t}")) for t in (one, other))
    assert (first == second) is same


def test_another_host_is_another_handler() -> None:
    """What is learnt of one host says nothing of its neighbour, nor of another port or scheme."""
    urls = (
        "http://a.example/x",
        "http://b.example/x",
        "https://a.example/x",
        "http://a.example:81/x",
    )
    assert len({handler_of(canonical(url)) for url in urls}) == 4


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("https://pics.example/img/a7f3.jpg", True),
        ("http://img3.pics.example/files/a7f3", True),
        ("http://pics.example/view/a7f3/large", True),
        ("http://pics.example/img/a7f3-large.jpg", False),
        ("http://pics.example/img/found-a7f3.jpg", False),
        ("http://pics.example/img/a7f34.jpg", False),
        ("http://pics.example/login?next=/img/a7f3.jpg", False),
        ("http://pics.example/", False),
        ("http://pics.example/removed.png", False),
    ],
)
def test_a_target_keeps_the_id_only_as_a_whole_segment(target: str, kept: bool) -> None:
    """A longer name that holds it names something else, and what repeats the whole URL in its query names nothing."""
    url = canonical("http://pics.example/img/a7f3.jpg")
    assert keeps_id(url, canonical(target)) is kept


@pytest.mark.parametrize(
    ("url", "target", "kept"),
    [
        ("/marker.jpg", "/files/marker.webp", True),
        ("/marker.jpg", "/found-marker.jpg", False),
        ("/marker.jpg", "/no_marker/0.jpg", False),
        ("/show?file=a7f3.jpg", "/files/a7f3.jpg", True),
        ("/show?file=a7f3.jpg", "/gone/a7f3-404.jpg", False),
        ("/my%20cat.jpg", "/img/my%20cat", True),
    ],
)
def test_a_word_names_an_object_only_alone(url: str, target: str, kept: bool) -> None:
    """The naive mending still finds the name of a file within the name of a placeholder."""
    one, other = (canonical(f"http://pics.example{path}") for path in (url, target))
    assert keeps_id(one, other) is kept


def test_each_id_has_to_be_kept() -> None:
    """A gallery's page is not the picture that it held."""
    url = canonical("http://pics.example/g/1234/5678.jpg")
    assert not keeps_id(url, canonical("http://pics.example/g/1234/"))
    assert keeps_id(url, canonical("http://pics.example/gallery/1234/image/5678"))
