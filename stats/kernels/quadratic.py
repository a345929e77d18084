"""Least-squares parabola of y on x, and how much more it explains than a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stats.kernels.usable import Unfit, flaw, unfit

# Three points lie on a parabola whatever they are.
FEWEST = 4

# x becomes u in [-1, 1] and u * u is made orthogonal to u before anything is divided: R² then agrees with exact
# rational least squares to 14 digits on NIST's Wampler sets and on epoch seconds, where the normal equations
# in x have none left.
SQL = """
-- one row per grp: its finite pairs (n, scale of x, centred sums of u = (x - middle) / half, q = u * u and y),
-- and how many x and y were read (n_x, n_y)
with reading as (
    select grp, x, y, coalesce(isfinite(x) and isfinite(y), false) as paired
    from sample
),
span as (
    select
        grp,
        count(*) filter (where isfinite(x)) as n_x,
        count(*) filter (where isfinite(y)) as n_y,
        count(*) filter (where paired) as n,
        min(x) filter (where paired) / 2 + max(x) filter (where paired) / 2 as middle,
        nullif(max(x) filter (where paired) / 2 - min(x) filter (where paired) / 2, 0) as half,
        favg(y) filter (where paired) as y_mean,
        min(y) filter (where paired) = max(y) filter (where paired) as y_fixed
    from reading
    group by grp
),
scaled as (
    select grp, (reading.x - span.middle) / span.half as u, reading.y - span.y_mean as v
    from reading join span using (grp)
    where paired and half is not null
),
centre as (
    select grp, favg(u) as u_mean, favg(u * u) as q_mean, favg(v) as v_mean
    from scaled
    group by grp
),
deviation as (
    select grp, u - u_mean as du, u * u - q_mean as dq, v - v_mean as dv
    from scaled join centre using (grp)
),
moment as (
    select
        grp,
        fsum(du * du) as suu, fsum(du * dq) as suq, fsum(dq * dq) as sqq,
        fsum(du * dv) as suv, fsum(dq * dv) as sqv, fsum(dv * dv) as svv
    from deviation
    group by grp
)
select
    grp, n_x, n_y, n, middle, half, u_mean, q_mean, y_mean + v_mean as y_mean, suu, suq, sqq, suv, sqv,
    coalesce(suu, 0) as sxx, case when y_fixed then 0 else svv end as syy
from span left join centre using (grp) left join moment using (grp)
order by grp
"""

# With less of u * u left once u is taken out, x holds two distinct values and a curvature would be rounding.
SEPARABLE = 1e-12

# The sums are exact to 4 ulp of what their terms add up to: of points on a line the parabola's share of y comes out
# as 1e-33 from rows, and as another from a digest.
ROUNDING = 1e-15


@dataclass(frozen=True, slots=True, kw_only=True)
class Parabola:
    """c0 + c1 x + c2 x² over ``n`` pairs, and what it explains beyond a line."""

    n: int
    c0: float
    c1: float
    c2: float
    slope: float
    r2_linear: float
    r2_poly: float
    delta_r2: float


def fit(row: Mapping[str, Any], *, x: str = "x", y: str = "y") -> Parabola | Unfit:
    """Fit the line and the parabola that one row of ``SQL`` describes.

    Parameters
    ----------
    row : one row of ``SQL``
        Counts, scale and orthogonalised moments of one group.
    x, y : str
        What the two variables are; they appear in the reason where there is no parabola.

    Returns
    -------
    Parabola or Unfit
        ``c0, c1, c2`` in units of y per power of x; ``slope`` that of the line; ``r2_linear`` and ``r2_poly`` the
        shares of the variance of y that the line and the parabola explain; ``delta_r2`` their difference, >= 0,
        found without subtracting, 0 where rounding is all that is left of it.  No parabola through fewer than
        four pairs or three distinct x, or where y is constant.

    References
    ----------
    Golden values: NIST StRD Wampler1-3 as degree-2 fits against exact rational least squares.
    """
    nothing = flaw(row, fewest=FEWEST, x=x, y=y)
    if nothing is not None:
        return nothing
    tilt = row["suq"] / row["suu"]
    curve, lift = row["sqq"] - tilt * row["suq"], row["sqv"] - tilt * row["suv"]
    if curve <= SEPARABLE * row["sqq"]:
        return unfit(row, f"{x} has two distinct values; a parabola needs three (n = {row['n']})")
    if abs(lift) <= ROUNDING * math.sqrt(row["sqq"]) * math.sqrt(row["syy"]):
        lift = 0.0
    linear = min(1.0, row["suv"] / row["suu"] * row["suv"] / row["syy"])
    gain = min(1.0 - linear, lift / curve * lift / row["syy"])
    c0, c1, c2 = coefficients(row, lift / curve)
    return Parabola(
        n=row["n"],
        c0=c0,
        c1=c1,
        c2=c2,
        slope=row["suv"] / row["suu"] / row["half"],
        r2_linear=linear,
        r2_poly=linear + gain,
        delta_r2=gain,
    )


def coefficients(row: Mapping[str, Any], b2: float) -> tuple[float, float, float]:
    """Return c0, c1, c2 of powers of x where ``b2`` is the coefficient of u² in u = (x - middle) / half."""
    b1 = (row["suv"] - b2 * row["suq"]) / row["suu"]
    b0 = row["y_mean"] - b1 * row["u_mean"] - b2 * row["q_mean"]
    shift = row["middle"] / row["half"]
    return b0 - (b1 - b2 * shift) * shift, (b1 - 2 * b2 * shift) / row["half"], b2 / row["half"] / row["half"]
