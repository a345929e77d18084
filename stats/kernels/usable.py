"""Which pairs of a sample can carry a statistic, and the sentence for those that cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Squares below this are on their way out of double precision, and a ratio of two sums could overflow.
NOTHING = 1e-200


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A group without a fit: its finite pairs, how many x and y were read at all, and why there is none."""

    n: int
    n_x: int
    n_y: int
    reason: str


def unfit(row: Mapping[str, Any], reason: str) -> Unfit:
    """Return why one row of a kernel carries no statistic, with its counts."""
    return Unfit(n=row["n"], n_x=row["n_x"], n_y=row["n_y"], reason=reason)


def flaw(row: Mapping[str, Any], *, fewest: int, x: str, y: str) -> Unfit | None:
    """Return why a fit of ``y`` on ``x`` is undefined, or None where it is defined.

    Parameters
    ----------
    row : one row of a kernel of two variables
        Counts ``n, n_x, n_y`` and the centred sums of squares ``sxx`` and ``syy``.
    fewest : int
        The fewest pairs for which the statistic exists.
    x, y : str
        What the two variables are, for the sentence.
    """
    n = row["n"]
    if n < fewest:
        return unfit(row, f"n = {n} readings of {y} with {x}; at least {fewest} are needed")
    for name, spread in ((x, row["sxx"]), (y, row["syy"])):
        if not math.isfinite(spread):
            return unfit(row, f"{name} is too large for double precision (n = {n})")
        if spread <= NOTHING:
            return unfit(row, f"{name} is constant (n = {n})")
    return None
