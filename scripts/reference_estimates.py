"""Compute the reference that the estimates are held against, with lifelines and surpyval; print it as JSON.

Neither package is a dependency of this project (they bring 330 MB). Run it where both are installed:

    python scripts/reference_estimates.py > tests/data/estimates.reference.json
"""

import json
import random
import sys
import warnings
from importlib import metadata

import lifelines
import numpy as np
import surpyval

SEED = 20201024
Interval = tuple[float, float | None]


def looks(rng: random.Random, removed: float, every: float, until: float) -> Interval:
    """Give what looks about `every` hours apart, until `until`, see of a removal."""
    last, at = 0.0, rng.uniform(0.2, every)
    while at < until:
        if at >= removed:
            return round(last, 6), round(at, 6)
        last, at = at, at + rng.uniform(0.5 * every, 1.5 * every)
    return round(last, 6), None


def samples() -> dict[str, list[Interval]]:
    """Make samples that differ in shape, density of looks and censoring."""
    rng = random.Random(SEED)  # noqa: S311 - a fixed sample, no secret
    return {
        "weibull": [looks(rng, rng.weibullvariate(22, 1.3), 4, 48) for _ in range(200)],
        "heavy_tail": [looks(rng, rng.lognormvariate(3, 1.5), 3, 96) for _ in range(200)],
        "sparse": [looks(rng, rng.expovariate(1 / 30), 18, 120) for _ in range(80)],
        "whole_hours": [
            (float(a), None if a > 20 else float(a + rng.randint(1, 6)))
            for a in (rng.randint(0, 24) for _ in range(150))
        ],
    }


def by_lifelines(sample: list[Interval], times: list[float]) -> list[float]:
    """Give the share certainly gone at some times; its intervals are closed, so samples must have no ties."""
    lows, highs = zip(*((a, np.inf if b is None else b) for a, b in sample), strict=True)
    fitted = lifelines.KaplanMeierFitter().fit_interval_censoring(lows, highs, tol=1e-9)
    column = fitted.survival_function_["NPMLE_estimate_lower"]
    return [1 - float(column.asof(time)) for time in times]


def by_surpyval(sample: list[Interval], times: list[float]) -> list[float]:
    """Give the share gone at some times."""
    lows, highs = zip(*((a, np.inf if b is None else b) for a, b in sample), strict=True)
    fitted = surpyval.Turnbull.fit(
        xl=list(lows),
        xr=list(highs),
        turnbull_estimator="Kaplan-Meier",
        max_iter=20000,
        tol=1e-12,
    )
    return [float(value) for value in fitted.ff(np.array(times))]


def competing() -> dict[str, object]:
    """Give Aalen and Johansen's cumulative incidence of exactly known endings of two kinds."""
    rng = random.Random(SEED + 1)  # noqa: S311
    ends = [(round(rng.expovariate(1 / 20), 3), rng.choice([1, 1, 2])) for _ in range(150)]
    ends = [(time, cause) for time, cause in dict(ends).items()]
    shares = {}
    for cause, name in ((1, "removed"), (2, "moved")):
        fitter = lifelines.AalenJohansenFitter(calculate_variance=False)
        fitter.fit([t for t, _ in ends], [c for _, c in ends], event_of_interest=cause)
        shares[name] = float(fitter.cumulative_density_.asof(24.0).iloc[0])
    return {"endings": ends, "at": 24.0, "shares": shares}


def main() -> None:
    """Print the reference."""
    warnings.simplefilter("ignore")
    times = [2.5, 6.25, 12.75, 24.0, 36.5, 47.0]
    found: dict[str, object] = {
        "versions": {name: metadata.version(name) for name in ("lifelines", "surpyval")},
        "times": times,
        "competing": competing(),
        "samples": {
            name: {
                "intervals": sample,
                "lifelines": None if name == "whole_hours" else by_lifelines(sample, times),
                "surpyval": by_surpyval(sample, times),
            }
            for name, sample in samples().items()
        },
    }
    json.dump(found, sys.stdout, separators=(",", ":"))
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
