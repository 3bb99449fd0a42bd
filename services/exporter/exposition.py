"""The exposition as bytes: what the ledger gave is written once for each reading, the rest for each scrape.

At 500 providers the ledger's part is some megabytes: writing and packing it for each scrape would hold up the event
loop for half a second.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from threading import Lock
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

Encoder = Callable[[CollectorRegistry], bytes]

_END = b"# EOF\n"
_GZIP = zlib.MAX_WBITS | 16
# The first level is a third of the work of the usual one, and a tenth larger.
_LEVEL = 1


class SettledMetric(Metric):
    """A family whose samples never change: the next reading brings another object."""


class _Families(CollectorRegistry):
    """What an encoder asks of a registry, for families that are at hand."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class _Settled:
    """The settled families of one reading in one form: their bytes, and the state of the packer behind them."""

    def __init__(self, families: list[Metric], encoder: Encoder) -> None:
        self.families = families
        self.body = _without_end(encoder(_Families(families)))
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._packed = self._packer.compress(self.body) + self._packer.flush(zlib.Z_SYNC_FLUSH)

    def packed_with(self, rest: bytes) -> bytes:
        """Pack these bytes and further ones as one gzip stream."""
        packer = self._packer.copy()
        return self._packed + packer.compress(rest) + packer.flush()

    def of(self, families: list[Metric]) -> bool:
        """Tell whether these are the families that were written."""
        pairs = zip(families, self.families, strict=False)
        return len(families) == len(self.families) and all(one is other for one, other in pairs)


class _Form:
    """One form of the exposition: what writes it, and the last two readings as it writes them.

    Two, because the next reading is written before it is shown.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._readings: deque[_Settled] = deque(maxlen=2)

    def settled(self, families: list[Metric]) -> _Settled:
        """Give families in this form, written if they are new."""
        # A copy: the next reading is written in a thread of its own.
        for written in tuple(self._readings):
            if written.of(families):
                return written
        self._readings.append(_Settled(families, self.encoder))
        return self._readings[-1]


class Exposition:
    """Writes a registry, and keeps the bytes of its settled families for each form that is asked for."""

    def __init__(self) -> None:
        self._forms: dict[str, _Form] = {}
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<Exposition in {len(self._forms)} forms>"

    def write(
        self, registry: CollectorRegistry, encoder: Encoder, form: str, *, packed: bool
    ) -> bytes:
        """Give the exposition of a registry, packed as gzip or not; `form` names what the encoder writes."""
        families = list(registry.collect())
        with self._lock:
            writer = self._forms.setdefault(form, _Form(encoder))
            settled = writer.settled([family for family in families if _is_settled(family)])
        rest = encoder(_Families(family for family in families if not _is_settled(family)))
        return settled.packed_with(rest) if packed else settled.body + rest

    def prepare(self, families: list[Metric]) -> None:
        """Write the families of the next reading in every form that was asked for before."""
        for form in list(self._forms.values()):
            form.settled(families)


_EXPOSITIONS: "WeakKeyDictionary[CollectorRegistry, Exposition]" = WeakKeyDictionary()


def exposition_of(registry: CollectorRegistry) -> Exposition:
    """Give the one exposition of a registry: who reads the ledger prepares what is served."""
    return _EXPOSITIONS.setdefault(registry, Exposition())


def _is_settled(family: Metric) -> bool:
    return isinstance(family, SettledMetric)


def _without_end(text: bytes) -> bytes:
    """Take away the last line of OpenMetrics: more follows."""
    return text.removesuffix(_END)
