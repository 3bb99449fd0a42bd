"""Whom to tell of abuse of an address: the sources in their order, the first that publishes a mailbox that is read."""

from collections.abc import Sequence

from msgspec import Struct

from services.attribution.lookup import NoAnswer, SourceAnswer
from services.attribution.rdap.abuse import AbuseContact
from services.attribution.source_guard import GuardedSource


class SourceContact(Struct, frozen=True, kw_only=True):
    """A contact, the source that gave it, and the prefix that it is of; `failure`: a source did not answer."""

    contact: AbuseContact
    source: str | None = None
    prefix: str | None = None
    failure: str | None = None


async def contact_of(address: str, sources: Sequence[GuardedSource]) -> SourceContact:
    """Ask for the contact of an address.

    Where nobody publishes one, why the first one does not; a source that does not answer ends the asking.
    """
    best: SourceContact | None = None
    for source in sources:
        answer = await source.look_up(address)
        if isinstance(answer, NoAnswer):
            none = AbuseContact(publication="none")
            return SourceContact(contact=none, source=source.name, failure=answer.failure)
        if not isinstance(answer, SourceAnswer) or answer.contact is None:
            continue
        one = SourceContact(contact=answer.contact, source=source.name, prefix=answer.prefix)
        if answer.contact.publication == "published":
            return one
        best = best or one
    return best or SourceContact(contact=AbuseContact(publication="none"))
