"""URLs: one parse, one name, one seal, and no way out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import BadSeal, BadUrl, ConfigError
from schemas.sealing import Keyring
from schemas.urls import canonical

KEYS = Keyring(naming=b"n" * 32, sealing={"k1": b"1" * 32, "k2": b"2" * 32}, active="k1")
URL = canonical("https://pics.example/a//b/./c?b=2&a=1#part")


@pytest.mark.parametrize(
    ("text", "href"),
    [
        ("hxxp://pics[.]example/x", "http://pics.example/x"),
        ("hxxps[:]//pics(.)example/x", "https://pics.example/x"),
        ("hxxp://pics[.]example/x[.]jpg", "http://pics.example/x.jpg"),
        ("http://pics.example/a(.)b[dot]c", "http://pics.example/a(.)b[dot]c"),
        ("http://pics.example/?u=hxxp://a[.]b", "http://pics.example/?u=hxxp://a[.]b"),
        ("http://0xc0.0x201/", "http://192.0.2.1/"),
        ("http://①⑨②.⓪.②.①/", "http://192.0.2.1/"),
        ("HTTP://PICS.example:80/A#frag", "http://pics.example/A"),
        ("http://pics.example/a//b/./c?b=2&a=1", "http://pics.example/a//b/c?b=2&a=1"),
        ("http://pics.example\\@evil.test/", "http://pics.example/@evil.test/"),
    ],
)
def test_one_canonical_form(text: str, href: str) -> None:
    """Refanged where the host was defanged, WHATWG-parsed, without fragment; order and slashes stay."""
    assert canonical(text).href == href


@pytest.mark.parametrize(
    "text",
    [
        *("", "pics.example/x", "http://a b/", "http://a\tb/", "mailto:x@y", "http://"),
        *("http://a.example/\udcff", "http://\udcff.example/", "\udcff", "http://a.example/\x00"),
    ],
)
def test_what_is_no_url_is_refused(text: str) -> None:
    """A text that no browser would open is refused, and not repeated in the message."""
    with pytest.raises(BadUrl) as caught:
        canonical(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ftp://a.example/", "scheme"),
        ("http://u:p@a.example/", "credentials"),
        ("http://a.onion/", "onion"),
    ],
)
def test_what_is_never_probed(text: str, reason: str) -> None:
    """Onion services, other schemes and credentials are counted and never looked at (G17)."""
    url = canonical(text)
    assert url.not_measurable == reason
    assert "u:p" not in url.href


def test_a_seal_opens_to_the_same_url() -> None:
    """What was sealed opens, under the case it belongs to."""
    assert KEYS.open(KEYS.seal(URL), KEYS.case_id(URL), purpose="look") == URL


def test_sealing_is_a_function_of_its_input() -> None:
    """The same URL seals to the same bytes, so that a replay gives the same ledger."""
    assert KEYS.seal(URL) == KEYS.seal(URL)
    assert KEYS.seal(URL) != KEYS.seal(canonical("https://pics.example/other"))


def test_a_seal_is_bound_to_its_case() -> None:
    """A seal that is moved to another case doesn't open."""
    with pytest.raises(BadSeal):
        KEYS.open(KEYS.seal(URL), "0" * 32, purpose="look")


def test_rotation_keeps_old_seals_readable() -> None:
    """A new active key seals differently, and what the old one sealed still opens."""
    newer = Keyring(naming=KEYS.naming, sealing=KEYS.sealing, active="k2")
    assert newer.seal(URL) != KEYS.seal(URL)
    assert newer.open(KEYS.seal(URL), KEYS.case_id(URL), purpose="look") == URL


@given(st.text(max_size=60))
def test_any_text_is_no_seal(text: str) -> None:
    """Whatever is given as a seal opens or raises `BadSeal`."""
    with pytest.raises(BadSeal):
        KEYS.open(text, KEYS.case_id(URL), purpose="look")


@given(st.integers(0, 60))
def test_a_damaged_seal_is_noticed(at: int) -> None:
    """Changing any character of a seal is noticed."""
    sealed = KEYS.seal(URL)
    at += len("s1.k1.")
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    with pytest.raises(BadSeal):
        KEYS.open(changed, KEYS.case_id(URL), purpose="look")


def test_nothing_prints_a_url_or_a_key() -> None:
    """The repr of a URL and of a keyring says nothing of what it holds."""
    assert "pics" not in repr(URL)
    assert "nnn" not in repr(KEYS)
    assert "111" not in repr(KEYS)


@pytest.mark.parametrize(
    "bad",
    [
        {"naming": b"short", "sealing": {"k": b"1" * 32}, "active": "k"},
        {"naming": b"n" * 32, "sealing": {"k": b"1" * 31}, "active": "k"},
        {"naming": b"n" * 32, "sealing": {"k": b"1" * 32}, "active": "x"},
    ],
)
def test_wrong_keys_are_refused(bad: dict[str, object]) -> None:
    """Keys of the wrong size or an absent active key are refused before anything is sealed."""
    with pytest.raises(ConfigError):
        Keyring(**bad)  # type: ignore[arg-type]
