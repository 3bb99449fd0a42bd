"""The bootstrap by provider: how much the pooled share depends on who is in it.

Providers, not URLs, are drawn (one provider may hold nearly everything, so URLs are not independent).
The draws are SHAKE-256 of a seed that the methodology's digest gives: equal input, equal interval.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

REPLICATES = 1000

Counts = Sequence[tuple[int, int, int]]
Words = NDArray[np.uint64]


def words(seed: str, replicate: int, count: int) -> Words:
    """Draw words of 64 bits; fewer of one seed and replicate are the beginning of more."""
    stream = hashlib.shake_256(f"{seed} {replicate}".encode()).digest(count * 8)
    return np.frombuffer(stream, "<u8")


def draws(drawn: Words, limit: int) -> NDArray[np.intp]:
    """Turn words into numbers in [0, limit); the bias is below limit / 2**64."""
    return (drawn % np.uint64(limit)).astype(np.intp)


def by_provider(
    groups: Sequence[Counts], digest: str, replicates: int = REPLICATES
) -> list[tuple[float, float] | None]:
    """Give a 95 % interval for the pooled share of each group, from counts per provider.

    Counts are (n, within, not certainly outside). The low end is the 2.5th percentile of the lower bound, the high end
    the 97.5th of the upper one. None where fewer than two providers have spells: there is nothing to draw from.
    Groups share the words that are drawn, which cost more than all the rest.
    """
    filled = [np.array(sorted(c for c in counts if c[0]), np.int64).T for counts in groups]
    most = max((len(group.T) for group in filled), default=0)
    shares = np.empty((len(filled), replicates, 2))
    for replicate in range(replicates if most > 1 else 0):
        drawn = words(digest, replicate, most)
        for number, group in enumerate(filled):
            if len(group.T) > 1:
                shares[number, replicate] = _drawn_shares(group, drawn)
    edge = int(replicates * 0.025)
    return [
        _edges(shares[number], edge) if len(group.T) > 1 else None
        for number, group in enumerate(filled)
    ]


def _drawn_shares(group: NDArray[np.int64], drawn: Words) -> tuple[float, float]:
    size = group.shape[1]
    times = np.bincount(draws(drawn[:size], size), minlength=size)
    n, within, possible = (group @ times).tolist()
    return within / n, possible / n


def _edges(shares: NDArray[np.float64], edge: int) -> tuple[float, float]:
    lowers, uppers = np.sort(shares, axis=0).T
    return float(lowers[edge]), float(uppers[len(uppers) - 1 - edge])
