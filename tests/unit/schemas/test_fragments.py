"""Which fragments are part of the address, and which are a place in a page."""

import random
import string

import pytest

from schemas.fragments import is_part_of_address
from schemas.sealing import Keyring
from schemas.urls import canonical

KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"1" * 32}, active="k1")

ADDRESSES = [
    *("!AAAAAAAA!k1", "!/photo/17", "F!id!key", "P!x", "/", "/album/1", "/album/2?x=y", "?id=7"),
    *("%21id!key", "%2Falbum%2F1", "&gid=1&pid=3", "id=17", "v=abc&t=10", "photo=3;page=2"),
    *("k9XQ2vLr-0aZ_4tYw7", "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPBdG"),
    *("5f2b7c9e1d3a4860b1c2d3e4f5a69788", "550e8400-e29b-41d4-a716-446655440000"),
]
PLACES = [
    *("", "top", "part", "section-2", "k1", "comment-1234567890", "issuecomment-1234567890"),
    *(
        "Frequently_asked_questions",
        "howToUseTheInterfaceOfToday",
        "cite_note-FOOTNOTESmith2001-12",
    ),
    *("L10-L20", "toc-1-2-3", "Hello!", "Yahoo!_history", "%D0%9F%D1%80%D0%B8%D0%B2%D0%B5%D1%82"),
    *("page=2", "page=2&zoom=150", "t=10,20", "xywh=1,2,3,4", ":~:text=a!b,c%20d", "utm_source=x"),
    *("top:~:text=a=b", "12345678901234567890", "h.p_abc123XyZ987qRs456", "what%20is%20new?"),
]


@pytest.mark.parametrize("fragment", ADDRESSES)
def test_what_a_script_reads_is_part_of_the_address(fragment: str) -> None:
    """Routes, values and keys: never probed, and never one case with another or with the page."""
    url = canonical(f"https://cloud.example/x#{fragment}")
    assert is_part_of_address(fragment)
    assert url.not_measurable == "fragment"
    assert url.href == f"https://cloud.example/x#{fragment}"
    assert canonical(url.href) == url
    assert KEYS.case_id(url) != KEYS.case_id(canonical("https://cloud.example/x"))
    assert KEYS.open(KEYS.seal(url), KEYS.case_id(url), purpose="look") == url


@pytest.mark.parametrize("fragment", PLACES)
def test_a_place_in_a_page_is_dropped(fragment: str) -> None:
    """Sections, comments, pages, times and tags of campaigns: the case is that of the page, as it always was."""
    url = canonical(f"https://pics.example/x#{fragment}")
    assert not is_part_of_address(fragment)
    assert (url.href, url.not_measurable) == ("https://pics.example/x", None)


def test_addresses_that_differ_in_the_fragment_are_different_cases() -> None:
    """Each of them, and the page without one."""
    urls = [canonical(f"https://cloud.example/#{fragment}") for fragment in ADDRESSES]
    names = {KEYS.case_id(url) for url in [*urls, canonical("https://cloud.example/")]}
    assert len(names) == len(ADDRESSES) + 1


@pytest.mark.parametrize(
    ("alphabet", "length"),
    [
        (string.ascii_letters + string.digits + "-_", 22),
        (string.ascii_letters + string.digits + "-_", 43),
        (string.ascii_letters + string.digits, 44),
        ("0123456789abcdef", 32),
    ],
)
def test_keys_are_told_from_words(alphabet: str, length: int) -> None:
    """Of random keys of the usual lengths one in a hundred may be taken for words, and no more."""
    chance = random.Random(7)
    keys = ["".join(chance.choices(alphabet, k=length)) for _ in range(2_000)]
    assert sum(not is_part_of_address(key) for key in keys) <= 20


def test_other_reasons_come_first() -> None:
    """What is not probed for its scheme or its host keeps that reason, and its fragment."""
    url = canonical("http://a.onion/#!id!key")
    assert (url.not_measurable, url.href) == ("onion", "http://a.onion/#!id!key")
    assert canonical("http://u:p@a.example/#/x").not_measurable == "credentials"


@pytest.mark.parametrize("fragment", ["/a#", "/a##", "id=1#", "!x#"])
def test_a_hash_at_the_end_of_a_fragment_belongs_to_it(fragment: str) -> None:
    """It is another address than the one without, and its canonical form is its own canonical form."""
    url = canonical(f"https://cloud.example/#{fragment}")
    assert url.href.endswith(f"#{fragment}")
    assert canonical(url.href) == canonical(f"https://cloud.example/#{fragment}")
    assert KEYS.open(KEYS.seal(url), KEYS.case_id(url), purpose="look").href == url.href
