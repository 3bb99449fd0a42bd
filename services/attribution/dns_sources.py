"""The sources over DNS: Team Cymru for origins, Abusix for contacts.

They are told the digits of an address, and no more.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from services.attribution.abusix import contact_name, read_contact
from services.attribution.cymru import OriginFault, origin_name, read_origin
from services.attribution.lookup import Failure, Lookup, NoAnswer, SourceAnswer, SourceSilence
from services.attribution.mailboxes import Placeholders

Nameserver = tuple[str, int]
_MOST_TEXTS = 64


class NoTexts(Exception):
    """No name server gave an answer that counts."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class TextResolver:
    """Asks name servers in turn for TXT records, over UDP, and over TCP where an answer was cut."""

    def __init__(self, nameservers: Sequence[Nameserver], *, timeout_seconds: float) -> None:
        self._nameservers = tuple(nameservers)
        self._timeout_seconds = timeout_seconds

    def __repr__(self) -> str:
        return f"<TextResolver {len(self._nameservers)} name servers>"

    async def texts(self, name: str) -> list[str]:
        """Give the texts of a name, none where it has none; raises `NoTexts`."""
        failure: Failure = "timeout"
        for host, port in self._nameservers:
            try:
                answer = await self._ask(name, host, port)
            except (dns.exception.Timeout, TimeoutError):
                continue
            except (dns.exception.DNSException, OSError, EOFError):
                failure = "refused"
                continue
            if answer.rcode() == dns.rcode.NXDOMAIN:
                return []
            if answer.rcode() == dns.rcode.NOERROR:
                return _texts(answer)
            failure = "refused"
        raise NoTexts(failure)

    async def _ask(self, name: str, host: str, port: int) -> dns.message.Message:
        query = dns.message.make_query(name, dns.rdatatype.TXT, use_edns=0, payload=1232)
        seconds = self._timeout_seconds / max(len(self._nameservers), 1)
        answer, _ = await dns.asyncquery.udp_with_fallback(
            query, host, timeout=seconds, port=port, ignore_unexpected=True
        )
        return answer


def _texts(answer: dns.message.Message) -> list[str]:
    """Give the texts, whatever aliases lead to them; a text that was sent in pieces is joined."""
    sets = [rrset for rrset in answer.answer if rrset.rdtype == dns.rdatatype.TXT]
    records = [record for rrset in sets for record in rrset][:_MOST_TEXTS]
    return [b"".join(record.strings).decode("utf-8", "replace") for record in records]


class CymruSource:
    """Team Cymru's origins; `zone` is that of the service."""

    name = "cymru"

    def __init__(self, resolver: TextResolver, zone: str, clock: Callable[[], datetime]) -> None:
        self._resolver = resolver
        self._zone = zone
        self._clock = clock

    async def look_up(self, address: str) -> Lookup:
        """Ask who originates the prefix of an address."""
        try:
            texts = await self._resolver.texts(origin_name(address, self._zone))
            now = self._clock()
            if not texts:
                return SourceSilence(answered_at=now)
            origin = read_origin(texts, address)
            if origin is None:
                return SourceSilence(answered_at=now)
        except NoTexts as error:
            return NoAnswer(failure=error.failure)
        except OriginFault:
            return NoAnswer(failure="unreadable")
        return SourceAnswer(
            prefix=origin.prefix,
            as_numbers=origin.as_numbers,
            country=origin.country,
            answered_at=now,
        )


class AbusixSource:
    """Abusix's contacts; `zone` is that of the service."""

    name = "abusix"

    def __init__(
        self,
        resolver: TextResolver,
        zone: str,
        placeholders: Placeholders,
        clock: Callable[[], datetime],
    ) -> None:
        self._resolver = resolver
        self._zone = zone
        self._placeholders = placeholders
        self._clock = clock

    async def look_up(self, address: str) -> Lookup:
        """Ask whom to tell of abuse of an address."""
        try:
            texts = await self._resolver.texts(contact_name(address, self._zone))
        except NoTexts as error:
            return NoAnswer(failure=error.failure)
        now = self._clock()
        if not texts:
            return SourceSilence(answered_at=now)
        contact = read_contact(texts, self._placeholders, now.date())
        return SourceAnswer(prefix=None, contact=contact, answered_at=now)
