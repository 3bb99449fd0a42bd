"""The bootstrap by provider: how much the pooled share depends on who is in it.

Providers, not URLs, are drawn (one provider may hold nearly everything, so URLs are not independent).
The draws are SHAKE-256 of a seed that the methodology's digest gives: equal input, equal interval.
"""

import hashlib
import struct
from collections.abc import Sequence

REPLICATES = 1000
_FIELD = 48
_MASK = (1 << _FIELD) - 1


def draws(seed: str, replicate: int, count: int, limit: int) -> list[int]:
    """Draw numbers in [0, limit), a function of the arguments; the bias is below limit / 2**64."""
    stream = hashlib.shake_256(f"{seed} {replicate}".encode()).digest(count * 8)
    return [word % limit for word in struct.unpack(f"<{count}Q", stream)]


def by_provider(
    counts: Sequence[tuple[int, int, int]], digest: str, replicates: int = REPLICATES
) -> tuple[float, float] | None:
    """Give a 95 % interval for the pooled share from (n, within, not certainly outside) per provider.

    The low end is the 2.5th percentile of the lower bound, the high end the 97.5th of the upper one.
    None where fewer than two providers have spells: then there is nothing to draw from.
    """
    filled = sorted(c for c in counts if c[0])
    if len(filled) < 2:
        return None
    # The three counts in one number: a replicate is then one sum.
    packed = [n << 2 * _FIELD | within << _FIELD | possible for n, within, possible in filled]
    lowers, uppers = [], []
    for replicate in range(replicates):
        chosen = draws(digest, replicate, len(packed), len(packed))
        total = sum(map(packed.__getitem__, chosen))
        n = total >> 2 * _FIELD
        lowers.append((total >> _FIELD & _MASK) / n)
        uppers.append((total & _MASK) / n)
    lowers.sort()
    uppers.sort()
    edge = int(replicates * 0.025)
    return lowers[edge], uppers[replicates - 1 - edge]
