"""A weighted sum of the means of independent groups, with Satterthwaite's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy import special

from stats.kernels.two_sample import LEVEL, Group, Interval


def contrast(parts: Sequence[tuple[float, Group]]) -> Interval:
    """Return the sum of weight x mean with its t interval under unequal variances.

    Parameters
    ----------
    parts : sequence of (weight, Group)
        Independent groups; with the weights 1 and -1 of two groups this is Welch's interval.

    Returns
    -------
    Interval
        Without bounds where a group has one observation; of no width where nothing varies.

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2(6), 110-114.
    """
    value = math.fsum(weight * group.mean for weight, group in parts)
    errors = [
        (weight * weight * group.var / group.n, group.n) for weight, group in parts if group.var is not None
    ]
    if len(errors) < len(parts):
        return Interval(value, None, None)
    total = math.fsum(error for error, _ in errors)
    if total == 0:
        return Interval(value, value, value)
    # Shares instead of squares: the squares of tiny variances underflow.
    df = 1 / math.fsum((error / total) ** 2 / (n - 1) for error, n in errors)
    half = float(special.stdtrit(df, (1 + LEVEL) / 2)) * math.sqrt(total)
    return Interval(value, value - half, value + half)
