"""How fast a cumulative series rises, by phases, and whether that changes: intervals from the rates of stretches.

The residuals of a parabola through cumulative times are a random walk, and its ordinary interval would find a bend
in nearly every run; increments over separate stretches are independent of each other, or nearly so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

STRETCHES, PER_STRETCH = 12, 3
"""At most so many stretches of at least so many points: three points tell a rate from a misread time."""
FEWEST = 3
"""Stretches without which a trend of their rates has no interval."""
RESOLUTION = 1e-9
"""Clocks count nanoseconds, and sums of them are rounded: a change of the rate below this share of it is none."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval over ``n`` stretches, or the reason why there is none."""

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str | None = None


def bend(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Return the change of dy/dx per unit of x: twice the curvature; a line's is 0.

    Parameters
    ----------
    x, y : sequences of numbers, x not falling
        Points of a cumulative series.

    Returns
    -------
    Estimate
        Slope of the stretches' rates over their middles, weighted by length (the rate of a random walk over a
        stretch has a variance that falls as 1 / length); t interval with n - 2 degrees of freedom.

    Notes
    -----
    How often the 95 % interval misses the 0 of a line, in 2,000 simulated runs each (CV 20 %): .04 to .06 for
    independent increments at 40 to 12,000 points, rare long stalls and uneven gaps included; under slow noise (AR 1)
    .05 where its memory, 1 / (1 - φ), is below 1/100 of the run, .10 at 1/30 and .4 at a quarter, where nobody can
    tell a bend from a slow wave.  Of rates that rise by 5 % over 3,000 independent increments .94 are found, by 20 %
    all.
    """
    length, rate, middle = _stretches(x, y, STRETCHES)
    n = len(rate)
    if n < FEWEST:
        return Estimate(n=n, reason=f"{len(x)} points make {n} of the {FEWEST} stretches that a bend needs")
    weight = length / length.sum()
    centred = middle - (weight * middle).sum()
    spread = (weight * centred**2).sum()
    slope = float((weight * centred * rate).sum() / spread)
    residual = rate - (weight * rate).sum() - slope * centred
    error = float(np.sqrt((weight * residual**2).sum() / (n - 2) / spread))
    least = RESOLUTION * float(abs((weight * rate).sum()) / (x[-1] - x[0]))
    return _interval(slope, max(error, least), n, n - 2)


def rate(x: Sequence[float], y: Sequence[float]) -> Estimate:
    """Return the mean of dy/dx from the first point to the last, its interval over stretches of that span.

    The interval of a positive mean is that of its logarithm: a time per cycle cannot be below 0, and few skewed
    stretches leave more room above than below.  Of 4,000 simulated means it held, at 33 points, .94 where increments
    are log-normal with a σ of 1 and .91 with 1.5, where a symmetric interval held .92 and .86; .95 at a σ of 0.2.
    """
    if len(x) < 2 or x[-1] <= x[0]:
        return Estimate(n=0, reason=f"{len(x)} point{'s span' if len(x) != 1 else ' spans'} nothing")
    mean = (y[-1] - y[0]) / (x[-1] - x[0])
    length, rates, _ = _stretches(x, y, STRETCHES // 3)
    n = len(rates)
    if n < 2:
        return Estimate(
            n=n, value=mean, reason=f"{len(x)} points make {n} of the 2 stretches that an interval needs"
        )
    weight = length / length.sum()
    error = float(np.sqrt((weight * (rates - mean) ** 2).sum() / (n - 1)))
    interval = _interval(mean, error, n, n - 1)
    if mean <= 0 or interval.high is None:
        return interval
    factor = math.exp(interval.high / mean - 1)
    return replace(interval, low=mean / factor, high=mean * factor)


def _stretches(x: Sequence[float], y: Sequence[float], most: int) -> tuple[Floats, Floats, Floats]:
    """Return length, rate and middle of stretches of equally many points; those of no length are left out."""
    count = max(1, min(most, (len(x) - 1) // PER_STRETCH))
    edges = np.unique(np.linspace(0, len(x) - 1, count + 1).round().astype(int))
    xs, ys = np.asarray(x, dtype=float)[edges], np.asarray(y, dtype=float)[edges]
    length = np.diff(xs)
    long = length > 0
    return length[long], np.diff(ys)[long] / length[long], ((xs[1:] + xs[:-1]) / 2)[long]


def _interval(value: float, error: float, n: int, freedom: int) -> Estimate:
    reach = float(special.stdtrit(freedom, 0.975)) * error
    return Estimate(n=n, value=value, low=value - reach, high=value + reach)
