"""What a command does where nobody reads its output any more, as in `takedown check-config | head`."""

import os
import select
import signal

# What a shell shows for a program that a closed pipe ends.
OUTPUT_CLOSED = 128 + signal.SIGPIPE
_OUTPUTS = (1, 2)


def output_closed() -> bool:
    """Tell whether the reader of standard output or standard error has gone."""
    return any(_reader_gone(descriptor) for descriptor in _OUTPUTS)


def discard_output() -> None:
    """Let what is not written yet go nowhere, so that the end of the process complains of nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in filter(_reader_gone, _OUTPUTS):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _reader_gone(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
