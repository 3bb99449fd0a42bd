"""What the parts of a mail hold: the server's words, its fields, and the head of the mail that came back."""

from msgspec import Struct

from services.notices.delivery_status import Group, groups, has_groups
from services.notices.mail_structure import MailPart, decoded, fields, header_fields, parameter
from services.notices.reported_text import before_returned

_STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_FEEDBACK = "message/feedback-report"
_DISPOSITION = frozenset(
    {"message/disposition-notification", "message/global-disposition-notification"}
)
_RETURNED = frozenset(
    {"message/rfc822", "message/global", "text/rfc822-headers", "text/rfc822-header", "text/rfc822",
     "message/rfc822-headers", "message/global-headers", "message/partial", "message/delivery-report"}
)  # fmt: skip

Fields = dict[str, list[str]]


class Material(Struct):
    """The parts of a mail by what they are for; `status` holds the outermost level alone.

    `about` is what a delivery status says of the mail as a whole.
    """

    head: Fields
    report: str = ""
    status: list[Group] = []
    status_part: bool = False
    about: Fields = {}
    feedback: Fields | None = None
    disposition: Fields | None = None
    returned: Fields | None = None

    def first(self, name: str) -> str:
        """Give the first field of the mail's own head."""
        return self.head.get(name, ("",))[0]

    def of_returned(self, name: str) -> list[str]:
        """Give the fields of a name of the returned mail."""
        return (self.returned or {}).get(name, [])


def gather(mail: MailPart) -> Material:
    """Sort the parts of a mail.

    What a part of type message/rfc822 holds is the returned mail, and only its head is read: a bounce that came back
    in a bounce speaks of somebody else's mail.
    """
    material = Material(head=mail.headers)
    plain: list[MailPart] = []
    html: list[MailPart] = []
    for leaf in mail.leaves():
        if leaf.kind in _RETURNED:
            if material.returned is None:
                material.returned = _head_of(leaf)
        elif not _take_fields(material, leaf) and material.returned is None:
            (html if leaf.kind == "text/html" else plain).append(leaf)
    _take_words(material, plain, html)
    return material


def _take_fields(material: Material, leaf: MailPart) -> bool:
    """Take a part that holds fields; tell whether it was one."""
    if leaf.kind in _STATUS:
        if not material.status_part:
            material.about = fields(leaf.words().strip().partition("\n\n")[0])
        material.status_part = True
        material.status += groups(leaf.words())
    elif leaf.kind == _FEEDBACK:
        material.feedback = fields(leaf.words().strip().replace("\n\n", "\n"))
    elif leaf.kind in _DISPOSITION:
        material.disposition = fields(leaf.words().strip().replace("\n\n", "\n"))
    else:
        return False
    return True


def _take_words(material: Material, plain: list[MailPart], html: list[MailPart]) -> None:
    """Take the words for people: plain text where there is some, with what it quotes of the returned mail apart."""
    texts = [leaf.words() for leaf in plain if _is_text(leaf)]
    if not any(len(text.strip()) > 20 for text in texts):
        texts += [leaf.words() for leaf in html]
    report, below = before_returned("\n".join(texts))
    material.report = report
    if not material.status and has_groups(report):
        material.status = list(groups(report))
    if material.returned is None and below:
        material.returned = _quoted_head(below)


def _is_text(leaf: MailPart) -> bool:
    return leaf.kind.startswith(("text/", "multipart/", "message/")) or "/" not in leaf.kind


def _head_of(leaf: MailPart) -> Fields:
    text = decoded(leaf.transferred(), parameter(leaf.first("content-type"), "charset"))
    head, _ = header_fields(text.lstrip("\n"))
    return head


def _quoted_head(below: str) -> Fields:
    """Read the head of a mail that a text quotes: the first block below that is one, indented or not."""
    for block in below.replace("\n>", "\n").split("\n\n")[:6]:
        head = fields("\n".join(_outdented(block.split("\n"))))
        if len(head) >= 2:
            return head
    return fields(below)


def _outdented(lines: list[str]) -> list[str]:
    """Take an indentation away that all lines have."""
    depth = min((len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()), default=0)
    return [line[depth:] for line in lines]
