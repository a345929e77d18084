"""Equality of variances: Levene's test around group means and, as Brown and Forsythe have it, around medians."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from scipy import special

SQL = """
-- one row per centre ('mean', 'median'): (centre, k, n, largest, between, within)
with finite as (
    select grp, y from sample where isfinite(y)
),
centres as (
    select 'mean' as centre, grp, favg(y) as middle from finite group by grp
    union all
    select 'median' as centre, grp, median(y) as middle from finite group by grp
),
deviations as (
    select centre, grp, abs(y - middle) as z from finite join centres using (grp)
),
means as (
    select centre, grp, count(*) as n, favg(z) as mean from deviations group by centre, grp
),
totals as (
    select centre, count(*) as k, sum(n)::bigint as n, max(n) as largest, sum(n * mean) / sum(n) as grand
    from means group by centre
),
within_groups as (
    select centre, fsum((z - mean) * (z - mean)) as within
    from deviations join means using (centre, grp) group by centre
),
between_groups as (
    select centre, fsum(means.n * (mean - grand) * (mean - grand)) as between
    from means join totals using (centre) group by centre
)
select centre, k, n, largest, "between", within
from totals join between_groups using (centre) join within_groups using (centre)
order by centre
"""


class Levene(NamedTuple):
    """``w`` dimensionless; ``p`` = P(F(df_between, df_within) >= w)."""

    w: float
    p: float
    df_between: int
    df_within: int


def levene(rows: Iterable[Mapping[str, Any]]) -> dict[str, Levene]:
    """Test equality of variances of k >= 2 groups.

    Parameters
    ----------
    rows : the result of ``SQL`` over relation ``sample`` (grp, y)
        One row of ``sample`` per independent observation; ``y`` DOUBLE, any unit.

    Returns
    -------
    dict
        ``mean`` (Levene) and ``median`` (Brown-Forsythe, SciPy's default).

    Raises
    ------
    ValueError
        If there are fewer than two groups, no group of three, or deviations that do not vary.

    References
    ----------
    Brown & Forsythe (1974), JASA 69(346), 364-367.  Golden value: NIST e-Handbook 1.3.5.10.
    """
    return {row["centre"]: _finish(row) for row in _at_least_two(list(rows))}


def _at_least_two(rows: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if not rows or rows[0]["k"] < 2:
        raise ValueError("Levene's test compares at least two groups")
    return rows


def _finish(row: Mapping[str, Any]) -> Levene:
    between, within = row["k"] - 1, row["n"] - row["k"]
    # Two values lie equally far from their centre; what is left of their spread is rounding.
    if row["largest"] < 3 or row["within"] <= 0:
        raise ValueError(
            "Levene's test needs a group of at least three observations that lie unequally far off"
        )
    w = within / between * row["between"] / row["within"]
    return Levene(w, float(special.fdtrc(between, within, w)), between, within)
