"""The plain parser of the hot path says what dnspython says, or nothing at all."""

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.probing.dns.answers import read_answer
from services.probing.dns.messages import answers, query_of, question_of, read_plain, truncated

NAMES = ["a.example", "b.a.example", "WWW.A.example", "x-1.example", "_s.example", "c.test"]
names = st.sampled_from(NAMES)
records = st.one_of(
    st.tuples(
        names, st.just("A"), st.sampled_from(["127.0.0.1", "127.0.0.2", "8.8.8.8", "0.0.0.0"])
    ),
    st.tuples(names, st.just("AAAA"), st.sampled_from(["::1", "2001:db8::7", "::ffff:1.2.3.4"])),
    st.tuples(names, st.just("CNAME"), names.map(lambda name: f"{name}.")),
    st.tuples(names, st.just("TXT"), st.just('"x"')),
)
ttls = st.sampled_from([0, 1, 60, 2**31 - 1])
messages = st.tuples(
    names, st.sampled_from(["A", "AAAA"]), st.lists(st.tuples(records, ttls), max_size=6)
)


def answered(
    host: str, kind: str, found: list[tuple[tuple[str, str, str], int]], rcode: int = 0
) -> tuple[bytes, bytes]:
    """Write an answer as a name server would, with compression; gives the question and the message."""
    question = question_of(host, kind)
    answer = dns.message.make_response(dns.message.from_wire(query_of(7, question)))
    answer.set_rcode(rcode)
    for (name, rtype, text), ttl in found:
        rrset = dns.rrset.from_text(name + ".", ttl, "IN", rtype, text)
        try:
            known = answer.find_rrset(answer.answer, rrset.name, 1, rrset.rdtype)
            known.update(rrset)
        except KeyError:
            answer.answer.append(rrset)
    return question, answer.to_wire()


def same_as_dnspython(data: bytes, host: str, question: bytes) -> bool:
    """Compare both readings; tells whether the plain parser said anything."""
    plain = read_plain(data, host, question)
    if plain is None:
        return False
    reply, end = read_answer(dns.message.from_wire(data), host)
    assert (reply.status, reply.values, reply.chain) == ("addresses", plain.values, plain.chain)
    assert (reply.ttl, end) == (plain.ttl, plain.end)
    return True


@given(messages)
@example(("a.example", "A", [(("a.example", "A", "127.0.0.1"), 60)]))
@example(("a.example", "A", [(("a.example", "CNAME", "a.example."), 60)]))
@example(("a.example", "A", [(("a.example", "CNAME", "."), 60), (("", "A", "127.0.0.1"), 60)]))
def test_answers_are_read_as_dnspython_reads_them(message) -> None:
    """Whatever a name server writes, the plain parser agrees with dnspython or leaves it alone."""
    host, kind, found = message
    question, data = answered(host, kind, found)
    same_as_dnspython(data, host.lower(), question)


@given(messages, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4))
def test_damaged_answers_are_read_as_dnspython_reads_them(message, damage) -> None:
    """Bytes changed anywhere behind the question: still the same, or left alone, and never an exception."""
    host, kind, found = message
    question, data = answered(host, kind, found)
    spoilt = bytearray(data)
    for at, value in damage:
        if 12 + len(question) + at < len(spoilt):
            spoilt[12 + len(question) + at] = value
    same_as_dnspython(bytes(spoilt), host.lower(), question)


@given(st.binary(max_size=300))
def test_no_bytes_raise(tail: bytes) -> None:
    """Whatever an attacker sends ends in an answer or in nothing."""
    question = question_of("a.example", "A")
    data = query_of(7, question)[: 12 + len(question)]
    spoilt = data[:2] + b"\x80\x00" + data[4:6] + b"\x00\x03\x00\x00\x00\x00" + data[12:] + tail
    try:
        same_as_dnspython(spoilt, "a.example", question)
    except dns.exception.DNSException as error:
        pytest.fail(f"dnspython refuses what the plain parser took: {type(error).__name__}")


def test_the_usual_answer_is_plain() -> None:
    """One address, many, and a chain are read without dnspython: else the benchmark would mean nothing."""
    one = [(("a.example", "A", "127.0.0.1"), 60)]
    chain = [(("b.a.example", "CNAME", "a.example."), 30), *one]
    for host, found in (("a.example", one), ("b.a.example", chain)):
        question, data = answered(host, "A", found)
        assert same_as_dnspython(data, host, question)
    plain = read_plain(data, "b.a.example", question)
    assert plain == (("127.0.0.1",), ("a.example",), 30.0, "a.example")


@pytest.mark.parametrize("rcode", [1, 2, 3, 5])
def test_negative_answers_are_left_to_dnspython(rcode: int) -> None:
    """NXDOMAIN, SERVFAIL, refusals and answers without addresses are never plain."""
    question, data = answered("a.example", "A", [], rcode)
    assert read_plain(data, "a.example", question) is None
    question, data = answered("a.example", "A", [(("a.example", "A", "127.0.0.1"), 60)], rcode)
    assert read_plain(data, "a.example", question) is None


def test_only_the_answer_to_the_question_counts() -> None:
    """Another id, another name, another type, a query: none of them answers."""
    question, data = answered("a.example", "A", [(("a.example", "A", "127.0.0.1"), 60)])
    assert answers(data, 7, question)
    assert not answers(data, 8, question)
    assert not answers(data, 7, question_of("b.example", "A"))
    assert not answers(data, 7, question_of("a.example", "AAAA"))
    assert not answers(query_of(7, question), 7, question)
    assert not answers(data[:20], 7, question)
    assert not truncated(data)


@pytest.mark.parametrize(
    "host",
    ["a.example", "a.example.", "xn--bcher-kva.example", "a_b.example", "x" * 63 + ".example"],
)
def test_questions_are_those_of_dnspython(host: str) -> None:
    """The name is written as dnspython writes it, and the query is one that it reads."""
    question = question_of(host, "AAAA")
    assert question[:-4] == dns.name.from_text(host).to_wire()
    query = dns.message.from_wire(query_of(9, question))
    assert (query.id, query.edns, query.flags) == (9, 0, dns.flags.RD)


@pytest.mark.parametrize(
    "host", ["x" * 64 + ".example", ".".join(["x" * 60] * 5), "a..example", ".example"]
)
def test_what_is_no_name_is_refused(host: str) -> None:
    """Labels above 63 and names above 253 characters, and empty labels, are no question (RFC 1035)."""
    with pytest.raises(dns.exception.DNSException):
        question_of(host, "A")
