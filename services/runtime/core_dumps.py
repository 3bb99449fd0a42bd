"""No core dumps: keys and open URLs are in the memory of every process that reads them (G4)."""

import resource
import sys

_PR_SET_DUMPABLE = 4


def leave_no_dump() -> None:
    """Have a crash write no memory to the disk.

    Dumpable is what counts where the kernel pipes dumps to a collector, which no limit stops; it also keeps other
    processes of the same user from reading the memory. What a child inherits is the limit alone, which `takedown up`
    so gives to the servers that it starts.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    if sys.platform == "linux":
        # A hundredth of a second, which only a real process has to pay.
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
