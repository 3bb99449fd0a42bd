"""Whether a host gives each path a place of its own to be sent to: then the one that a URL is sent to is its own."""

from services.probing.limits.gate import Deferred
from services.probing.look.comparison import Reached, ask_sibling
from services.probing.look.controls import HostControl
from services.probing.look.handlers import handler_of
from services.probing.look.memory import Memory
from services.probing.look.operations import NOW, Protocol

_LONGER = 5


def are_sent_apart(memory: Memory, reached: Reached) -> Protocol[bool]:
    """Tell whether siblings are sent on too, each to a place of its own that does not name it either.

    A sibling that is plainly missing counts for nothing.
    """
    handler, method, apart = handler_of(reached.url), reached.reply.method, False
    for number in range(len(handler.parts)):
        key = (handler, number, method, reached.neutral)
        control = memory.siblings.get(key, (yield NOW))
        if control is not None and control.result.says_missing:
            continue
        if control is None or not (yield from _is_sent_apart(reached, number, control)):
            return False
        apart = True
    return apart


def _is_sent_apart(reached: Reached, number: int, control: HostControl) -> Protocol[bool]:
    """Tell whether another sibling is sent to another place than the first."""
    if not control.result.opaque:
        return False
    if control.steady is None:
        try:
            again = yield from ask_sibling(reached, number, _LONGER)
        except Deferred:
            return False
        control.steady = again.sent_to in (None, control.result.sent_to)
    return not control.steady
