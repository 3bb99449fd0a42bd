"""Libraries that a process does not need: five of a prober's 200 megabytes, a tenth of a second of a report.

Three libraries take what they find, whether anybody wants it or not.
"""

import atexit
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


def spare(arguments: Sequence[str]) -> None:
    """Keep libraries that no role uses out of `takedown run`; call it before anything else is imported.

    structlog takes rich for its tracebacks (3 MB), ours are text before it sees them. aiohttp reads the system's
    certificates when it is imported (2.5 MB), for sessions of its own, of which no role opens one; a context that
    anybody makes later reads them as ever. A report wants rich for its progress at most, and none for tracebacks; it
    makes no cycles and ends, and its collector of garbage took a seventh of its time for nothing. At the end Python
    collects all the same, a twentieth of that time: what is frozen is passed over. Its arrays are small, so that
    OpenBLAS, which starts its threads when it is loaded, gets none.
    """
    if list(arguments[:1]) == ["report"]:
        gc.disable()
        atexit.register(gc.freeze)
        with _no_rich():
            importlib.import_module("structlog")
        with _environment(OPENBLAS_NUM_THREADS="1"):
            importlib.import_module("numpy")
    if list(arguments[:1]) != ["run"]:
        return
    if "rich" not in sys.modules:
        sys.modules["rich"] = None  # type: ignore[assignment]  # whoever imports it is told that there is none
    with _environment(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull):
        importlib.import_module("aiohttp")


@contextmanager
def _no_rich() -> Iterator[None]:
    """Have rich not be found for the length of a block, where nobody has loaded it yet."""
    if "rich" in sys.modules:
        yield
        return
    sys.modules["rich"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["rich"]


@contextmanager
def _environment(**names: str) -> Iterator[None]:
    """Set variables for the length of a block."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
