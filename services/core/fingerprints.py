"""Fingerprints of answers, compared: with a sibling's, with the baseline's, and what a status says by itself.

A host may say other things to HEAD than to GET: a difference counts only within one method. ETag, Last-Modified and the
server's class differ between the nodes of one honest site, so that a baseline's weigh nothing.
"""

import hashlib
from functools import lru_cache
from typing import Literal

from schemas.events import Fingerprint

Control = Literal["unasked", "differs", "alike", "same", "doubted"]
Change = Literal["unknown", "none", "minor", "text", "reencoded", "file", "absent", "kind"]

_STATUS = {
    **dict.fromkeys((200, 203, 206), "served"),
    **dict.fromkeys((201, 202, 204, 205), "no_content"),
    401: "blocked_unauthorized",
    403: "blocked_forbidden",
    404: "not_found",
    407: "blocked_proxy_auth",
    410: "gone",
    421: "misdirected",
    429: "blocked_rate_limited",
    451: "blocked_legal",
    503: "blocked_unavailable",
}
REPLACED = frozenset({"text", "reencoded", "file", "absent", "kind"})
"""Differences from the baseline that cost `online`."""
_TEXTS = frozenset({"text", "other"})
_TEXT_FACTOR = 2  # pages change with every visit; a placeholder or a wall is of another size
MEDIA = frozenset({"image", "video", "audio"})
_ENCODING_FACTOR = 4  # an optimiser saves less than three quarters
_ECHO_BYTES = 512  # what a page may repeat of a path or of a title
_LEAST_ENCODED = 4096  # a placeholder is a few hundred bytes to a few kilobytes


@lru_cache(maxsize=1024)
def reason_of_status(status: int | None) -> str:
    """Name what a final status code says by itself."""
    if status is None:
        return "bad_response"
    reason = _STATUS.get(status)
    if reason is not None:
        return reason
    if 400 <= status < 500:
        return "client_error"
    return "server_error" if 500 <= status < 600 else "odd_status"


def compare(current: Fingerprint | None, control: Fingerprint | None) -> Control:
    """Compare an answer with that for a random sibling path of the same host.

    `same` needs a header that tells contents apart (length or ETag) to agree; without one, or where two texts are of
    about one length, it is `alike`: many pages that say that there is nothing repeat what was asked for.
    """
    if current is None or control is None:
        return "unasked"
    if not is_of_one_status(current.status, control.status) or current.redirect != control.redirect:
        return "differs"
    if current.redirect is not None:
        return "same"
    if _identity(current) != _identity(control):
        return "alike" if _is_of_one_template(current, control) else "differs"
    telling = current.content_length is not None or current.etag_digest is not None
    return "same" if telling else "alike"


def is_one_answer(one: Fingerprint | None, other: Fingerprint | None) -> bool:
    """Tell whether two siblings were answered in the very same way, as far as headers tell."""
    if one is None or other is None or not is_of_one_status(one.status, other.status):
        return False
    return one.redirect == other.redirect and (
        one.redirect is not None or _identity(one) == _identity(other)
    )


def is_of_one_status(one: int | None, other: int | None) -> bool:
    """Tell whether two answers have one status; all that serve something have."""
    return one == other or (reason_of_status(one) == reason_of_status(other) == "served")


def _is_of_one_template(one: Fingerprint, other: Fingerprint) -> bool:
    """Tell whether two answers may be made for any path: texts that repeat it, a picture drawn for each id."""
    kinds = {kind_of_content(one.content_type), kind_of_content(other.content_type)}
    if len(kinds) > 1 or None in (one.content_length, other.content_length):
        return len(kinds) == 1
    lengths = sorted((one.content_length or 0, other.content_length or 0))
    far = lengths[1] > _TEXT_FACTOR * lengths[0] and lengths[1] - lengths[0] > _ECHO_BYTES
    return kinds != {"text"} or not far


def _identity(print_: Fingerprint) -> tuple[object, ...]:
    return (print_.content_type, print_.content_length, print_.etag_digest)


def changed(current: Fingerprint | None, baseline: Fingerprint | None) -> Change:
    """Say how what is served now differs from what the first looks saw, by the heaviest kind of difference."""
    if current is None or baseline is None:
        return "unknown"
    if not _of_one_method(current, baseline):
        return _changed_across_methods(current, baseline)
    before, now = kind_of_content(baseline.content_type), kind_of_content(current.content_type)
    if before is not None and now is not None and before != now:
        return "kind"
    was, is_ = baseline.content_length, current.content_length
    if was and before in MEDIA and (is_ is None or now is None):
        return "absent"
    if was is None or is_ is None or was == is_:
        return "none" if _validators(current) == _validators(baseline) else "minor"
    return _resized(before, was, is_)


def _changed_across_methods(current: Fingerprint, baseline: Fingerprint) -> Change:
    """Say what no method may say of one file: an image, video or sound is of no other class, and has a length.

    Lengths are not compared, nor what HEAD said of a text: many programs answer HEAD with a default.
    """
    before, now = kind_of_content(baseline.content_type), kind_of_content(current.content_type)
    if before not in MEDIA or not baseline.content_length:
        return "unknown"
    if now is None or current.content_length is None:
        return "absent"
    return "unknown" if before == now else "kind"


def _resized(kind: str | None, was: int, is_: int) -> Change:
    """Say what another length means: pages change with every visit, files do not."""
    factor = max(was, is_) / max(min(was, is_), 1)
    if kind is None or kind in _TEXTS:
        return "text" if factor > _TEXT_FACTOR else "minor"
    encoded = kind in MEDIA and factor <= _ENCODING_FACTOR and is_ >= _LEAST_ENCODED
    return "reencoded" if encoded else "file"


def _of_one_method(current: Fingerprint, baseline: Fingerprint) -> bool:
    """Tell whether two may be compared; a baseline of before methods were kept may with any."""
    return baseline.method is None or current.method == baseline.method


def is_content(current: Fingerprint | None, baseline: Fingerprint | None) -> bool:
    """Tell whether this is the very file that the first looks saw: class, length, and a validator that both have."""
    if current is None or baseline is None or not is_baseline(current, baseline):
        return False
    pairs = list(zip(_validators(current), _validators(baseline), strict=True))
    both = [(one, other) for one, other in pairs if one is not None and other is not None]
    return bool(both) and all(one == other for one, other in both)


def sibling_class(print_: Fingerprint | None, sent_to: str | None = None) -> str:
    """Name how a sibling was answered: its status, and three digits of a digest where that is no plain refusal.

    With its ETag: another page of the same length must not pass for the one that a URL was told apart from, for that
    would be a false removal. Nodes whose ETags differ only leave a case undetermined.
    """
    if print_ is None or print_.status is None:
        return ""
    if reason_of_status(print_.status) != "served" and print_.redirect is None:
        return str(print_.status)
    text = repr((*_identity(print_), print_.redirect, sent_to))
    return f"{print_.status}:{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()[:3]}"


def is_baseline(current: Fingerprint | None, baseline: Fingerprint | None) -> bool:
    """Tell whether this is plainly what the first looks saw: the same class of content, the same known length."""
    if current is None or baseline is None or not _of_one_method(current, baseline):
        return False
    kind, length = kind_of_content(current.content_type), current.content_length
    same = (kind_of_content(baseline.content_type), baseline.content_length) == (kind, length)
    return same and kind is not None and length is not None


def is_still(current: Fingerprint | None, before: Fingerprint | None) -> bool:
    """Tell whether a URL gives at a second request what it gave at the first; pages change a little each time."""
    if current is None or before is None or current.status != before.status:
        return False
    return changed(current, before) not in REPLACED


def _validators(print_: Fingerprint) -> tuple[object, ...]:
    return (print_.etag_digest, print_.last_modified)


@lru_cache(maxsize=1024)
def kind_of_content(content_type: str | None) -> str | None:
    """Give the class of a content type: its top-level type, where that says something; else `other`."""
    if content_type is None:
        return None
    top = content_type.partition("/")[0]
    if content_type in _MARKUP:
        return "text"
    return top if top in ("image", "video", "audio", "text") else "other"


_MARKUP = frozenset({"application/xhtml+xml", "application/json", "application/xml"})
