"""Whom to tell of abuse, by one RDAP answer.

Entities at any depth count, those that were `removed` do not. Where one is for abuse alone, its mailboxes are the
contact; those of entities that have other roles too are a network's technicians, and count where there is no other.
Each mailbox counts once.
"""

from datetime import date
from typing import Literal

from msgspec import Struct

from services.attribution.mailboxes import Placeholders, each_once
from services.attribution.rdap.rdap_answer import RdapAnswer, RdapEntity, Redaction

Publication = Literal["published", "placeholder", "redacted", "none", "refused"]
"""What the registry shows: a contact, one that nobody reads, one that it keeps to itself, none, or an error."""


class AbuseContact(Struct, frozen=True, kw_only=True):
    """The contact of a range: `mailboxes` in the order of preference, placeholders kept apart."""

    publication: Publication
    mailboxes: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()


def abuse_entities(answer: RdapAnswer) -> list[RdapEntity]:
    """Give the entities for abuse, those that were removed left out."""
    return [one for one in answer.entities if "abuse" in one.roles and not one.is_removed]


def abuse_mailboxes(answer: RdapAnswer) -> tuple[str, ...]:
    """Give the mailboxes that the registry prints for abuse, placeholders included."""
    alone, shared = _by_roles(answer)
    return alone or shared


def abuse_contact(answer: RdapAnswer, placeholders: Placeholders, day: date) -> AbuseContact:
    """Say whom to tell of abuse, and if nobody, why."""
    groups = _by_roles(answer)
    none = each_once(box for group in groups for box in group if placeholders.holds(box, day))
    real = (tuple(box for box in group if box not in none) for group in groups)
    mailboxes = next(filter(None, real), ())
    publication = _publication(answer, bool(mailboxes), bool(none))
    return AbuseContact(publication=publication, mailboxes=mailboxes, placeholders=none)


def _by_roles(answer: RdapAnswer) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give the mailboxes of entities for abuse alone, and of those with other roles too."""
    entities = abuse_entities(answer)
    alone = each_once(b for one in entities if _is_alone(one) for b in one.card.mailboxes)
    shared = each_once(b for one in entities if not _is_alone(one) for b in one.card.mailboxes)
    return alone, shared


def _is_alone(entity: RdapEntity) -> bool:
    return set(entity.roles) == {"abuse"}


def _publication(answer: RdapAnswer, real: bool, placeholder: bool) -> Publication:
    if real:
        return "published"
    if answer.error is not None:
        return "refused"
    if _is_redacted(answer):
        return "redacted"
    return "placeholder" if placeholder else "none"


def _is_redacted(answer: RdapAnswer) -> bool:
    """Tell whether the registry says that it left out the contact for abuse, or every mailbox."""
    if any(one.withheld for one in abuse_entities(answer)):
        return True
    return any(_hides_abuse(one) for one in answer.redactions)


def _hides_abuse(redaction: Redaction) -> bool:
    words = " ".join((redaction.name, *redaction.paths)).casefold()
    if "abuse" in words:
        return True
    # A path that names no role is one of all entities.
    return "email" in words and "roles" not in words and not _names_a_role(redaction.name)


def _names_a_role(name: str) -> bool:
    roles = ("registrant", "technical", "tech", "admin", "billing", "registrar", "noc")
    return any(role in name.casefold() for role in roles)
