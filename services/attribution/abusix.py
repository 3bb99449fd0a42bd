"""Abusix's answers over DNS: the mailboxes for abuse of an address.

    2.2.0.192.abuse-contacts.abusix.zone. TXT "abuse@provider.example"

The answer names no prefix, so that it holds for the one address.
"""

from collections.abc import Iterable
from datetime import date

from services.attribution.mailboxes import Placeholders, each_once, mailboxes_in
from services.attribution.rdap.abuse import AbuseContact, Publication
from services.attribution.reverse_names import reverse_labels


def contact_name(address: str, zone: str) -> str:
    """Give the name to ask for TXT records of an address."""
    return f"{reverse_labels(address)}.{zone}"


def read_contact(texts: Iterable[str], placeholders: Placeholders, day: date) -> AbuseContact:
    """Read the TXT records of an answer; what is no mailbox is left out."""
    listed = each_once(box for text in texts for box in mailboxes_in(text))
    none = tuple(box for box in listed if placeholders.holds(box, day))
    mailboxes = tuple(box for box in listed if box not in none)
    publication: Publication = "published" if mailboxes else "placeholder" if none else "none"
    return AbuseContact(publication=publication, mailboxes=mailboxes, placeholders=none)
