"""Spearman's rank correlation with average ranks for ties."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stats.kernels.linear import probability
from stats.kernels.usable import Unfit, flaw

FEWEST = 3

# rank() is the lowest rank of a tie and the count up to the current value its highest: their mean is the
# average rank, for one sort a column.  Ranks are half-integers with mean (n + 1) / 2, so the sums are exact.
SQL = """
-- one row per grp: its finite pairs (n, centred sums of average ranks), and how many x and y were read (n_x, n_y)
with seen as (
    select
        grp,
        count(*) filter (where isfinite(x)) as n_x,
        count(*) filter (where isfinite(y)) as n_y,
        count(*) filter (where isfinite(x) and isfinite(y)) as n
    from sample
    group by grp
),
ranked as (
    select
        grp,
        (rank() over up_to_x + count(*) over up_to_x) / 2.0 as x_rank,
        (rank() over up_to_y + count(*) over up_to_y) / 2.0 as y_rank
    from sample
    where isfinite(x) and isfinite(y)
    window
        up_to_x as (partition by grp order by x range between unbounded preceding and current row),
        up_to_y as (partition by grp order by y range between unbounded preceding and current row)
),
deviation as (
    select grp, x_rank - (n + 1) / 2.0 as dx, y_rank - (n + 1) / 2.0 as dy
    from ranked join seen using (grp)
),
moment as (
    select grp, fsum(dx * dx) as sxx, fsum(dx * dy) as sxy, fsum(dy * dy) as syy
    from deviation
    group by grp
)
select grp, n_x, n_y, n, sxx, sxy, syy
from seen left join moment using (grp)
order by grp
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """A rank correlation over ``n`` pairs."""

    n: int
    rho: float
    p: float


def fit(row: Mapping[str, Any], *, x: str = "x", y: str = "y") -> Correlation | Unfit:
    """Correlate the ranks that one row of ``SQL`` describes.

    Parameters
    ----------
    row : one row of ``SQL``
        ``n_x, n_y, n, sxx, sxy, syy`` of one group's average ranks.
    x, y : str
        What the two variables are; they appear in the reason where there is no correlation.

    Returns
    -------
    Correlation or Unfit
        ``rho`` in [-1, 1]; ``p`` two-sided from t(n - 2).  No correlation of fewer than three pairs, or where x
        or y is constant.

    References
    ----------
    Agrees with ``scipy.stats.spearmanr``.
    """
    nothing = flaw(row, fewest=FEWEST, x=x, y=y)
    if nothing is not None:
        return nothing
    rho = max(-1.0, min(1.0, row["sxy"] / math.sqrt(row["sxx"] * row["syy"])))
    return Correlation(n=row["n"], rho=rho, p=probability(rho, row["n"] - 2))
