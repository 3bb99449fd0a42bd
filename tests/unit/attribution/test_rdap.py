"""RDAP answers: ranges, entities, cards, contacts, and what is malformed in each."""

import json
from datetime import date
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.attribution.mailboxes import PlaceholderMailbox, Placeholders, shipped_placeholders
from services.attribution.rdap.abuse import abuse_contact, abuse_mailboxes
from services.attribution.rdap.fault import RdapFault
from services.attribution.rdap.jcard import read_card
from services.attribution.rdap.rdap_answer import read_rdap
from tests.unit.attribution.rdap_kit import entity, network

DAY = date(2026, 11, 1)
NOBODY = Placeholders()


def mailboxes(*entities: Any, **more: Any) -> list[str]:
    return list(abuse_mailboxes(read_rdap(network(*entities, **more))))


def publication(*entities: Any, placeholders: Placeholders = NOBODY, **more: Any) -> str:
    return abuse_contact(read_rdap(network(*entities, **more)), placeholders, DAY).publication


def prefixes(**more: Any) -> list[str] | None:
    addresses = read_rdap(network(**more)).addresses
    return None if addresses is None else [str(prefix) for prefix in addresses.prefixes]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, ["192.0.2.0/24"]),
        ({"endAddress": "192.0.2.191"}, ["192.0.2.0/25", "192.0.2.128/26"]),
        ({"startAddress": "192.0.2.0/32", "endAddress": "192.0.2.255/32"}, ["192.0.2.0/24"]),
        ({"startAddress": "192.000.002.000", "endAddress": "192.000.002.255"}, ["192.0.2.0/24"]),
        ({"startAddress": "192.0.2.0/24", "endAddress": None}, ["192.0.2.0/24"]),
        ({"startAddress": "2001:DB8::", "endAddress": "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"}, ["2001:db8::/32"]),
        ({"startAddress": None, "endAddress": None, "handle": "192.0.2.0 - 192.0.2.255"}, ["192.0.2.0/24"]),
        ({"startAddress": None, "endAddress": None, "handle": "2001:db8::/32"}, ["2001:db8::/32"]),
        ({"startAddress": None, "endAddress": None, "handle": "NET-192-0-2-0-1"}, None),
        (
            {"startAddress": None, "endAddress": None, "cidr0_cidrs": [
                {"v4prefix": "192.0.2.128", "length": 25}, {"v4prefix": "192.0.2.0", "length": 25}]},
            ["192.0.2.0/24"],
        ),
        (
            {"startAddress": None, "endAddress": None, "cidr0_cidrs": [
                {"v4prefix": "192.0.2.0", "length": 25}, {"v4prefix": "198.51.100.0", "length": 24}]},
            None,
        ),
        ({"parentHandle": "0.0.0.0 - 255.255.255.255"}, ["192.0.2.0/24"]),
        ({"startAddress": "::ffff:192.0.2.0", "endAddress": "::ffff:192.0.2.255"}, ["192.0.2.0/24"]),
        ({"startAddress": None, "endAddress": None, "handle": "192.0.2.0-192.0.2.255"}, ["192.0.2.0/24"]),
        ({"startAddress": None, "endAddress": None, "handle": "192.0.2/24"}, ["192.0.2.0/24"]),
    ],
)  # fmt: skip
def test_range(more: dict[str, Any], expected: list[str] | None) -> None:
    """A range is read in every form that registries write, and given as its prefixes."""
    assert prefixes(**more) == expected


@pytest.mark.parametrize(
    "more",
    [
        {"startAddress": "192.0.2.255", "endAddress": "192.0.2.0"},
        {"endAddress": "2001:db8::"},
        {"startAddress": "192.0.2.0", "endAddress": None},
        {"startAddress": "nowhere"},
        {"startAddress": 3221225984},
        {"endAddress": "192.0.2.0/33"},
        {"startAddress": "fe80::1%eth0", "endAddress": "fe80::2"},
    ],
)
def test_range_at_fault(more: dict[str, Any]) -> None:
    """A range that can't be one is an error, whatever else the answer says."""
    with pytest.raises(RdapFault):
        prefixes(**more)


@pytest.mark.parametrize("member", ["jscard", "jscard_0"])
@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ({"emails": {"1": {"address": "abuse@host.example"}}}, ["abuse@host.example"]),
        (
            {"emails": {"a": {"address": "b@host.example", "pref": 2},
                        "b": {"address": "a@host.example", "pref": 1}}},
            ["a@host.example", "b@host.example"],
        ),
        ({"emails": {"1": {"@type": "EmailAddress"}, "2": {"address": "a@host.example"}}}, ["a@host.example"]),
        ({"emails": ["a@host.example"], "organizations": {"1": {"name": 7}}}, []),
        ({"name": "Abuse desk"}, []),
        ([], []),
    ],
)  # fmt: skip
def test_contact_in_a_jscontact_card(member: str, card: Any, expected: list[str]) -> None:
    """A JSContact card says as much as a jCard; what is malformed in it is a fault, and the rest counts."""
    abuse = {**entity("abuse"), member: card}
    abuse.pop("vcardArray", None)
    assert mailboxes(abuse) == expected
    name = {"name": {"full": "Giant Hosting"}, "organizations": {"1": {"name": "Giant"}}}
    holder = {**entity("registrant"), member: name}
    holder.pop("vcardArray", None)
    assert read_rdap(network(holder)).holder == "Giant Hosting"


def test_both_cards_say_it_once() -> None:
    """A server that shows both kinds of card names each mailbox once."""
    abuse = entity("abuse", mail="abuse@host.example")
    abuse["jscard"] = {"emails": {"1": {"address": "abuse@host.example"}}}
    assert mailboxes(abuse) == ["abuse@host.example"]


def test_contact_in_a_nested_entity() -> None:
    """An entity for abuse counts at any depth, 300 levels down too."""
    inner = entity("abuse", mail="abuse@deep.example")
    for _ in range(300):
        inner = entity("registrant", entities=[inner])
    assert mailboxes(inner) == ["abuse@deep.example"]


def test_abuse_alone_wins() -> None:
    """The mailbox of an entity for abuse alone is the contact; a shared one counts where there is no other."""
    shared = entity("noc", "abuse", mail="noc@host.example")
    alone = entity("abuse", mail="abuse@host.example")
    assert mailboxes(shared, alone) == ["abuse@host.example"]
    assert mailboxes(shared) == ["noc@host.example"]
    assert mailboxes(shared, entity("abuse")) == ["noc@host.example"]


def test_removed_entity() -> None:
    """An entity that was removed is no contact; one that is merely validated is."""
    removed = entity("abuse", mail="old@host.example", status=["Removed"])
    kept = entity("abuse", mail="new@host.example", status=["validated"])
    assert mailboxes(removed, kept) == ["new@host.example"]
    assert mailboxes(removed) == []


def test_each_mailbox_once() -> None:
    """A mailbox that is printed twice, or in other letters, counts once."""
    one = entity("abuse", mail=["abuse@host.example", "Abuse@Host.example"])
    assert mailboxes(one, entity("abuse", mail="abuse@host.example")) == ["abuse@host.example"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["email", {"pref": "2"}, "text", "b@h.example"], ["email", {"pref": "1"}, "text", "a@h.example"]],
         ["a@h.example", "b@h.example"]),
        ([["email", {}, "text", "c@h.example"], ["EMAIL", {"PREF": [1]}, "text", "a@h.example"]],
         ["a@h.example", "c@h.example"]),
        ([["email", {}, "text", ["a@h.example", "b@h.example"]]], ["a@h.example", "b@h.example"]),
        ([["email", {}, "text", "a@h.example", "b@h.example"]], ["a@h.example", "b@h.example"]),
        ([["email", {}, "uri", "mailto:a@h.example?subject=x"]], ["a@h.example"]),
        ([["email", {}, "text", " <a@h.example>, b@h.example;"]], ["a@h.example", "b@h.example"]),
        ([["email", {"pref": "first"}, "text", "a@h.example"], ["email", {}, "text", "none"]], ["a@h.example"]),
        ([["email", {}, "text", "b@h.example"], ["email", {"type": ["work", "pref"]}, "text", "a@h.example"]],
         ["a@h.example", "b@h.example"]),
        ([["item1.EMAIL", [], "text", "a@h.example."]], ["a@h.example"]),
        ([["email", {}, "text", ""], ["email", {}, "text", None], ["email", {}, "text", 7]], []),
    ],
)  # fmt: skip
def test_mailboxes_of_a_card(values: list[Any], expected: list[str]) -> None:
    """Mailboxes come in the order of `pref`, from values alone, in lists, or joined in one text."""
    card = read_card(json.dumps(["vcard", values]).encode())
    assert card.mailboxes == expected


@pytest.mark.parametrize(
    "text",
    [
        "[]", '{"vcard": []}', '["vcardX", []]', '["vcard"]', '["vcard", false]',
        '["vcard", [["version", {}, "text"]]]',
        '["vcard", [[false, {}, "text", "4.0"]]]', '["vcard", [["version", false, "text", "4.0"]]]',
        '["vcard", [["version", {}, 42, "4.0"]]]', '["vcard", [["n", {}, "text", ["a", ["b", ["c"]]]]]]',
        '["vcard", [["version", {}, "text", "4.0"],', "",
    ],
)  # fmt: skip
def test_malformed_card(text: str) -> None:
    """A malformed card is one clear error."""
    with pytest.raises(RdapFault):
        read_card(text.encode())


def test_malformed_part_beside_good_ones() -> None:
    """A malformed entity, card or property is named, and what stands beside it counts."""
    bad = entity("technical", vcardArray=["vcard"])
    half = entity(
        "abuse", vcardArray=["vcard", [["kind"], ["email", {}, "text", "abuse@h.example"]]]
    )
    answer = read_rdap(network(bad, "no entity", half))
    assert abuse_mailboxes(answer) == ("abuse@h.example",)
    assert len(answer.faults) == 3


@pytest.mark.parametrize("value", ["text", {"a": 1}, 7])
def test_entities_that_are_no_list(value: Any) -> None:
    """`entities` that is no list is a fault, and holds nobody."""
    answer = read_rdap(network(**{"entities": value}))
    assert (answer.entities, len(answer.faults)) == ((), 1)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"a": ', b"[]", b"null", b"\xff\xfe", b'"text"']
)
def test_no_answer(body: bytes) -> None:
    """What is no RDAP answer at all is one clear error."""
    with pytest.raises(RdapFault):
        read_rdap(body)


def test_a_byte_order_mark_is_no_fault() -> None:
    """A server that writes one before its JSON is read (RFC 8259, section 8.1)."""
    assert read_rdap(b"\xef\xbb\xbf" + network()).addresses is not None


def test_depth_without_end() -> None:
    """An answer that nests deeper than the decoder goes is an error of ours, not the decoder's."""
    with pytest.raises(RdapFault):
        read_rdap(b'{"entities":' * 30_000 + b"1" + b"}" * 30_000)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_KEYS = (
    "entities", "vcardArray", "roles", "status", "remarks", "redacted", "startAddress", "endAddress", "cidr0_cidrs",
    "handle", "country", "errorCode", "arin_originas0_originautnums", "startAutnum", "endAutnum", "objectClassName",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(_KEYS), _json, max_size=6), _json)
def test_any_json(outer: dict[str, Any], inner: Any) -> None:
    """Whatever stands in an answer, it is read or refused with our own error."""
    answer = {"entities": [{"roles": ["abuse"], "vcardArray": inner} | outer], **outer}
    try:
        read = read_rdap(json.dumps(answer).encode())
    except RdapFault:
        return
    abuse_contact(read, NOBODY, DAY)


def _left_out(path: str, name: str, **more: str) -> dict[str, Any]:
    return {"redacted": [{"name": {"description": name}, "prePath": path, **more}]}


def test_redaction_is_not_silence() -> None:
    """A contact that the registry says it left out is `redacted`; one of another role, or none, is not."""
    abuse = _left_out("$.entities[?(@.roles[0]=='abuse')]", "Abuse Contact")
    everybody = _left_out("$.entities[*].vcardArray[1][?(@[0]=='email')]", "Email")
    other = _left_out(
        "$.entities[?(@.roles[0]=='registrant')].vcardArray[1][?(@[0]=='email')]",
        "Registrant Email",
    )
    remark = entity("abuse", remarks=[{"type": "object redacted due to authorization"}])
    assert publication(**abuse) == "redacted"
    assert publication(**everybody) == "redacted"
    assert publication(remark) == "redacted"
    assert publication(**other) == "none"
    assert publication() == "none"
    assert publication(entity("abuse", mail="abuse@h.example"), **abuse) == "published"


def test_error_answer() -> None:
    """An error answer is an answer: it says nothing of contacts, and is not "publishes none"."""
    body = json.dumps({"errorCode": 501, "title": "Not Implemented"}).encode()
    answer = read_rdap(body)
    assert (answer.error, answer.kind, abuse_mailboxes(answer)) == (501, None, ())
    assert abuse_contact(answer, NOBODY, DAY).publication == "refused"


def test_placeholder() -> None:
    """A placeholder is none from its date on, and a shared mailbox that is read comes before it."""
    listed = Placeholders(
        [PlaceholderMailbox(mailbox="@registry.example", since=date(2026, 1, 1), why="help desk")]
    )
    alone = entity("abuse", mail="helpdesk@registry.example")
    shared = entity("abuse", "technical", mail="noc@host.example")
    assert publication(alone, placeholders=listed) == "placeholder"
    contact = abuse_contact(read_rdap(network(alone, shared)), listed, DAY)
    assert (contact.publication, contact.mailboxes) == ("published", ("noc@host.example",))
    assert contact.placeholders == ("helpdesk@registry.example",)
    assert not listed.holds("helpdesk@registry.example", date(2025, 12, 31))


def test_shipped_placeholders() -> None:
    """The list that comes with the program is read, and takes no provider's mailbox."""
    assert shipped_placeholders().holds("abuse@localhost", DAY)
    assert not shipped_placeholders().holds("abuse@provider.example", DAY)


@pytest.mark.parametrize(
    ("address", "expected"),
    [("192.0.2.9", "192.0.2.0/24"), ("2001:db8::9", "2001:db8::/32"), ("203.0.113.9", None)],
)
def test_prefixes_that_are_no_one_range(address: str, expected: str | None) -> None:
    """Where a registry lists prefixes of both families or with gaps, the one that holds the address is meant."""
    listed = [{"v4prefix": "192.0.2.0", "length": 24}, {"v6prefix": "2001:db8::", "length": 32}]
    answer = read_rdap(network(startAddress=None, endAddress=None, cidr0_cidrs=listed))
    prefix = answer.prefix_of(ip_address(address))
    assert (None if prefix is None else str(prefix)) == expected


@pytest.mark.parametrize("status", ["reserved", "available"])
def test_a_range_that_was_given_to_nobody(status: str) -> None:
    """The registry's own name on its stock is no holder's."""
    assert read_rdap(network(status=[status])).is_unassigned
    assert not read_rdap(network(status=["active"])).is_unassigned


def test_holder_and_numbers() -> None:
    """The registrant's name, the country and the origin numbers are kept."""
    holder = entity("registrant", vcardArray=["vcard", [["fn", {}, "text", "Giant Hosting"]]])
    answer = read_rdap(
        network(holder, country="nl", arin_originas0_originautnums=[64500, "x", 64500, 0])
    )
    assert (answer.holder, answer.country, answer.asns) == ("Giant Hosting", "NL", (64500,))
