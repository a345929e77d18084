"""Which pairs of a sample can carry a statistic, and the sentence for those that cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def flaw(row: Mapping[str, Any], *, fewest: int, x: str, y: str) -> str | None:
    """Return why a fit of ``y`` on ``x`` is undefined, or None where it is defined.

    Parameters
    ----------
    row : one row of a kernel of two variables
        ``n`` finite pairs and the centred sums of squares ``sxx`` and ``syy``.
    fewest : int
        The fewest pairs for which the statistic exists.
    x, y : str
        What the two variables are, for the sentence.
    """
    n = row["n"]
    if n < fewest:
        return f"n = {n} readings of {y} with {x}; at least {fewest} are needed"
    for name, spread in ((x, row["sxx"]), (y, row["syy"])):
        if not math.isfinite(spread):
            return f"{name} is too large for double precision (n = {n})"
        if spread <= 0:
            return f"{name} is constant (n = {n})"
    return None
