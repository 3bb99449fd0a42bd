"""What a command does where nobody reads its output any more, as in `takedown check-config | head`, or takes it."""

import os
import select
import signal
import sys

# What a shell shows for a program that a closed pipe ends.
OUTPUT_CLOSED = 128 + signal.SIGPIPE
_OUTPUTS = (1, 2)


class StuckOutput(Exception):
    """Standard output can't be written, as on a full disk; says why in the system's words."""


def output_closed() -> bool:
    """Tell whether the reader of standard output or standard error has gone."""
    return any(_reader_gone(descriptor) for descriptor in _OUTPUTS)


def discard_output() -> None:
    """Let what is not written yet go nowhere, so that the end of the process complains of nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in _OUTPUTS:
        if _reader_gone(descriptor) or (descriptor == _OUTPUTS[0] and _is_stuck()):
            os.dup2(nowhere, descriptor)
    os.close(nowhere)


def write_held(more: bytes = b"") -> None:
    """Write what standard output holds back, and more; raises `StuckOutput`, `BrokenPipeError`."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
        if more:
            os.write(_OUTPUTS[0], more)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StuckOutput(error.strerror or type(error).__name__) from None


def _is_stuck() -> bool:
    try:
        write_held()
    except (BrokenPipeError, StuckOutput):
        return True
    return False


def _reader_gone(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
