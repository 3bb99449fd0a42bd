"""The signals that stop a process in order: SIGTERM, Ctrl-C, and the end of its terminal."""

import signal


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals; SIGHUP only where nobody asked that it be ignored, as `nohup` does."""
    usual = (signal.SIGTERM, signal.SIGINT)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return usual
    return (*usual, signal.SIGHUP)
