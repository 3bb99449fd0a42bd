"""What an answer of a name server may be believed of, record by record."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest

from services.probing.dns.answers import QueryAnswer, message_of, read_answer

NAME = "www.pics.example"
SOA = "ns.test. admin.test. 1 3600 600 86400 60"


def reply(
    rcode: dns.rcode.Rcode = dns.rcode.NXDOMAIN,
    *,
    zones: tuple[str, ...] = (),
    section: str = "authority",
    records: tuple[str, ...] = (),
    codes: tuple[int, ...] = (),
    recursion: bool = True,
) -> QueryAnswer:
    """Read an answer to the question for `NAME` that is put together so."""
    query = dns.message.make_query(NAME, "A", use_edns=0)
    message = dns.message.make_response(query, recursion_available=recursion)
    message.set_rcode(rcode)
    for zone in zones:
        getattr(message, section).append(dns.rrset.from_text(zone, 60, "IN", "SOA", SOA))
    for record in records:
        owner, kind, text = record.split()
        message.answer.append(dns.rrset.from_text(owner, 60, "IN", kind, text))
    if codes:
        options = [dns.edns.EDEOption(dns.edns.EDECode.make(code), "x") for code in codes]
        message.use_edns(0, options=options)
    return read_answer(message_of(message.to_wire()), NAME)[0]


@pytest.mark.parametrize("zone", ["pics.example.", "example.", ".", "PICS.example."])
def test_a_zone_above_proves_that_a_name_does_not_exist(zone: str) -> None:
    """Whether the name, its domain or its whole suffix is missing, some zone above it says so."""
    assert reply(zones=(zone,)).status == "nxdomain"


@pytest.mark.parametrize(
    "zone", [f"{NAME}.", f"a.{NAME}.", "other.example.", "ample.", "filter.test."]
)
def test_no_other_zone_proves_it(zone: str) -> None:
    """A zone of the name itself exists with its name; some filters write one so, for caches to hold their answer."""
    assert reply(zones=(zone,)).status == "unproven"


def test_without_a_zone_or_recursion_nothing_is_proven() -> None:
    """Nor by a zone beside the statement, as policy zones are told; one zone of several is enough."""
    assert reply().status == "unproven"
    assert reply(zones=("example.",), section="additional").status == "unproven"
    assert reply(zones=("example.",), recursion=False).status == "unproven"
    assert reply(zones=("filter.test.", "example.")).status == "nxdomain"


@pytest.mark.parametrize(
    ("zone", "status"),
    [("cdn.test.", "nxdomain"), ("test.", "nxdomain"), ("example.", "unproven")],
)
def test_at_the_end_of_a_chain_the_zone_of_its_end_counts(zone: str, status: str) -> None:
    """It is the target that does not exist, and its zone that says so."""
    answer = reply(zones=(zone,), records=(f"{NAME}. CNAME x.cdn.test.",))
    assert (answer.status, answer.chain) == (status, ("x.cdn.test",))


def test_a_renamed_tree_is_a_chain() -> None:
    """A DNAME comes with the alias that follows from it (RFC 6672), and the zone of its target counts."""
    records = ("example. DNAME moved.test.", f"{NAME}. CNAME www.pics.moved.test.")
    assert reply(zones=("moved.test.",), records=records).status == "nxdomain"
    assert reply(zones=("example.",), records=records).status == "unproven"


@pytest.mark.parametrize("code", [4, 15, 16, 17, 18])
def test_what_a_filter_says_of_itself_is_heard(code: int) -> None:
    """Whatever it gives beside: a proven statement, no data, its own page's address, or a failure."""
    filtered = [
        reply(zones=("example.",), codes=(code,)),
        reply(dns.rcode.NOERROR, zones=("example.",), codes=(code,)),
        reply(dns.rcode.NOERROR, records=(f"{NAME}. A 192.0.2.7",), codes=(code,)),
        reply(dns.rcode.SERVFAIL, codes=(code,)),
        reply(dns.rcode.NOERROR, records=(f"{NAME}. A 192.0.2.7",), codes=(3, code)),
    ]
    assert {answer.status for answer in filtered} == {"filtered"}
    assert {answer.values for answer in filtered} == {()}
    assert filtered[-1].error_codes == (3, code)


@pytest.mark.parametrize("code", [0, 3, 6, 9, 19, 22, 23])
def test_other_errors_are_no_filter(code: int) -> None:
    """A stale answer, a fault of DNSSEC or servers out of reach say nothing against a name."""
    assert reply(zones=("example.",), codes=(code,)).status == "nxdomain"
    served = reply(dns.rcode.NOERROR, records=(f"{NAME}. A 192.0.2.7",), codes=(code,))
    assert (served.status, served.error_codes) == ("addresses", (code,))
    assert reply(dns.rcode.SERVFAIL, codes=(code,)).status == "servfail"


def test_a_refusal_to_us_is_no_filter_of_the_name() -> None:
    """A resolver that serves us nothing at all is a fault of the settings."""
    assert reply(dns.rcode.REFUSED, codes=(18,)).status == "refused"
    assert reply(dns.rcode.REFUSED, codes=(20,)).status == "refused"


@pytest.mark.parametrize("code", [4, 15, 16, 17])
def test_a_refusal_of_the_name_is_a_filter(code: int) -> None:
    """Filters may refuse what they keep from us: that is said of the name, and no fault of the network."""
    assert reply(dns.rcode.REFUSED, codes=(code,)).status == "filtered"


ODD_OPTIONS = {
    "text that is no UTF-8": ((15, b"\x00\x03gesperrt f\xfcr Sie"), (3,)),
    "text of a filter that is no UTF-8": ((15, b"\x00\x0fgesperrt f\xfcr Sie"), (15,)),
    "text with a NUL": ((15, b"\x00\x03old\x00"), (3,)),
    "error without a code": ((15, b"\x00"), ()),
    "subnet with bits beyond its prefix": ((8, b"\x00\x01\x14\x18\xc0\x00\x2f"), ()),
    "subnet of no family": ((8, b"\x00\x00\x00\x00"), ()),
    "cookie of no length": ((10, b"abc"), ()),
    "what looks like the record itself": ((65001, b"\x00\x00\x29\x00\x00"), ()),
}


@pytest.mark.parametrize(("option", "codes"), ODD_OPTIONS.values(), ids=ODD_OPTIONS.keys())
def test_odd_options_spoil_no_answer(option: tuple[int, bytes], codes: tuple[int, ...]) -> None:
    """The addresses hold, whatever stands in an option; of errors the code counts."""
    query = dns.message.make_query(NAME, "A", use_edns=0)
    message = dns.message.make_response(query, recursion_available=True)
    message.answer.append(dns.rrset.from_text(f"{NAME}.", 60, "IN", "A", "192.0.2.7"))
    options = [dns.edns.GenericOption(3, b"here"), dns.edns.GenericOption(*option)]
    message.use_edns(0, options=options)
    answer, _ = read_answer(message_of(message.to_wire()), NAME)
    status, values = ("filtered", ()) if 15 in codes else ("addresses", ("192.0.2.7",))
    assert (answer.status, answer.values, answer.error_codes) == (status, values, codes)
