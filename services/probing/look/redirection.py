"""Judge an answer that sends us elsewhere by its target, and not by its spelling; a part of the look's protocol."""

from collections.abc import Callable

from msgspec import structs

from schemas.urls import CanonicalUrl
from services.core.verdict import Answer, Evidence, judge_answer
from services.probing.look.comparison import Comparison, Reached
from services.probing.look.file_types import is_promised
from services.probing.look.handlers import keeps_id
from services.probing.look.measurement import Measurement, answer_of
from services.probing.look.operations import Explain, Note, Protocol
from services.probing.look.redirects import Hop, Trail, hop_of, target_digest

Follow = Callable[[Reached, Hop, Trail], Protocol[Answer]]
_RANK = {"online": 0, "undetermined": 1, "removed": 2}


class Redirection:
    """Judge redirects: `follow` asks for a target, of which no more than so many lie in a row."""

    def __init__(self, measurement: Measurement, most: int, follow: Follow) -> None:
        self._measurement = measurement
        self._most = most
        self._follow = follow

    def judge(self, reached: Reached, trail: Trail) -> Protocol[Answer]:
        """Make the answer of a redirect."""
        hop = hop_of(reached.url, reached.reply.location)
        yield Note(hop.kind)
        if hop.url is None:
            return answer_of(reached, fault=hop.fault)
        named = keeps_id(reached.url, hop.url)
        sent_to = target_digest(reached.url, hop.url)
        sent = structs.replace(reached, redirect=hop.kind, sent_to=sent_to)
        if hop.kind == "root":
            return (yield from self._to_root(sent))
        if hop.kind == "other_domain" or (hop.kind == "login" and not named):
            return answer_of(sent)
        fault = self._fault(hop, trail)
        if fault is not None:
            return answer_of(sent, fault=fault)
        onward = Trail((*trail.hrefs, hop.url.href), trail.named and named)
        return (yield from self._onward(sent, hop, onward, named))

    def _fault(self, hop: Hop, trail: Trail) -> str | None:
        assert hop.url is not None
        if hop.url.href in trail.hrefs:
            return "redirect_loop"
        return "redirect_too_many" if len(trail.hrefs) > self._most else None

    def _to_root(self, sent: Reached) -> Protocol[Answer]:
        """Compare with siblings that are asked now: a wall may have gone up since they were asked last."""
        measurement = self._measurement
        if not measurement.compared:
            return answer_of(sent)
        comparison = yield from measurement.compare(sent)
        if measurement.was_served and not comparison.fresh:
            comparison = yield from measurement.refresh(sent)
        return self._beside_siblings(answer_of(sent), comparison)

    def _onward(self, sent: Reached, hop: Hop, onward: Trail, named: bool) -> Protocol[Answer]:
        """Judge the target, and tell whether siblings are sent there too: nothing there is the URL's own then."""
        yield Explain("redirect_names_object" if named else "redirect_followed")
        if named or not self._measurement.compared:
            return (yield from self._follow(sent, hop, onward))
        comparison = yield from self._measurement.compare(sent)
        answer = yield from self._follow(sent, hop, onward)
        if not comparison.fresh and self._is_news(answer):
            # Siblings of before may have been asked before a wall went up.
            comparison = yield from self._measurement.refresh(sent)
        if comparison.control in ("same", "alike"):
            return self._beside_siblings(answer, comparison)
        if self._measurement.shares_target(sent) or not _may_be_object(sent.url, answer):
            return answer
        if not _is_large(answer) and not (yield from self._measurement.are_sent_apart(sent)):
            return answer
        yield Explain("redirect_of_its_kind")
        return structs.replace(answer, named=True)

    def _is_news(self, answer: Answer) -> bool:
        """Tell whether an answer would be a sighting of something else than the baseline, or one that decides."""
        new = self._measurement.deciding or not self._measurement.is_plain(answer)
        return new and judge_answer(answer).verdict == "online"

    def _beside_siblings(self, answer: Answer, comparison: Comparison) -> Answer:
        """Put beside an answer how siblings are redirected."""
        return structs.replace(
            answer,
            shared=comparison.control in ("same", "alike"),
            told_apart=comparison.told_apart,
            fresh=comparison.fresh,
            was_served=self._measurement.was_served,
        )


def _may_be_object(url: CanonicalUrl, answer: Answer) -> bool:
    """Tell whether a target that nothing vouches for yet may be the object, and no placeholder for it."""
    return judge_answer(answer).reason == "redirect_unproven" and is_promised(
        url, answer.fingerprint
    )


def _is_large(answer: Answer) -> bool:
    """Tell whether a file is larger than the pictures that say that something was removed."""
    print_ = answer.fingerprint
    return print_ is not None and (print_.content_length or 0) >= _LARGE_BYTES


_LARGE_BYTES = 32_768


def joined(sent: Reached, evidence: Evidence) -> Answer:
    """Take what another host of the domain said as the answer of the address that sent us there."""
    if evidence.dns != "addresses":
        return answer_of(sent, fault="redirect_broken")
    if not evidence.answers:
        return answer_of(sent, fault="redirect_refused")
    ranked = sorted(evidence.answers, key=lambda a: _RANK[judge_answer(a).verdict])
    if evidence.left_out and judge_answer(ranked[0]).verdict == "removed":
        return answer_of(sent, fault="gone_on_some")
    return ranked[0]
