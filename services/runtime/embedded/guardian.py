"""Stand between the monitor and one server, so that the server never outlives the monitor.

Started as a script with standard-library imports alone: `guardian.py STOP_SIGNAL GRACE USER COMMAND...`.
Standard input is a pipe that the monitor holds open; its end is the end of the monitor, however it died.
Then, or on SIGTERM, the server is asked to stop with STOP_SIGNAL and killed after GRACE seconds.
The exit status is the server's.

A pipe, not PR_SET_PDEATHSIG alone: that signal follows the *thread* that forked, and a server may be
started from any thread. The guardian has one thread when it forks, so for its own child it is exact.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
# What root needs to reach files below a folder closed to others, weakest first.
_CAP_DAC_READ_SEARCH = 2
_CAP_DAC_OVERRIDE = 1


def main(arguments: list[str]) -> int:
    """Run the server until it ends; return its exit status."""
    stop_signal, grace, user, *command = arguments
    guardian = os.getpid()
    child = subprocess.Popen(  # noqa: S603 - the command is the monitor's
        command,
        stdin=subprocess.DEVNULL,
        close_fds=False,  # the lock of the data directory lives as long as the last process
        preexec_fn=lambda: _prepare_child(int(user), guardian),  # noqa: PLW1509 - no thread yet
    )

    def ask_to_stop() -> None:
        _stop(child, signal.Signals(int(stop_signal)), float(grace))

    signal.signal(signal.SIGTERM, lambda *_: ask_to_stop())
    threading.Thread(target=_watch_parent, args=(ask_to_stop,), daemon=True).start()
    status = child.wait()
    return 128 - status if status < 0 else status


def _watch_parent(ask_to_stop: Callable[[], None]) -> None:
    while os.read(0, 1):
        pass
    ask_to_stop()


def _stop(child: "subprocess.Popen[bytes]", stop_signal: int, grace: float) -> None:
    if child.returncode is not None:
        return
    os.kill(child.pid, stop_signal)
    timer = threading.Timer(grace, child.kill)
    timer.daemon = True
    timer.start()


def _prepare_child(user: int, guardian: int) -> None:
    """Become `user` (0: stay) and ask the kernel for SIGKILL when the guardian dies."""
    if user:
        _become(user)
    if sys.platform == "linux":
        # After the change of user, which clears it.
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != guardian:
        os._exit(1)  # it died before the kernel was asked


def _become(user: int) -> None:
    """Leave root for good, but keep the right to walk into folders that only root may enter."""
    libc = _libc()
    capability = _first_permitted((_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE))
    # Without this bit access(2), by which PostgreSQL's programs look for each other, ignores
    # capabilities of an ordinary user.
    libc.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    _keep_only(libc, capability)


def _first_permitted(candidates: tuple[int, ...]) -> int | None:
    with open("/proc/self/status", encoding="ascii") as status:
        permitted = next(int(line.split()[1], 16) for line in status if line.startswith("CapPrm"))
    return next((cap for cap in candidates if permitted >> cap & 1), None)


def _keep_only(libc: ctypes.CDLL, capability: int | None) -> None:
    """Hold at most one capability, also across exec (ambient set; Linux 4.3 and later)."""
    mask = 0 if capability is None else 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # effective, permitted, inheritable; then the same for the upper 32 capabilities
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if libc.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    if capability is not None:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
