"""A "rate" that is a total divided by a constant: it rises with the total, whatever happens in time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from store import schema

if TYPE_CHECKING:
    from store.catalog import Catalog

ROUNDED = 0.01
"""How far quotients of printed numbers of three digits may lie apart."""

SQL = """
-- one row per pair (rate, total) of a run's observables whose quotient never changes: (run_id, experiment, divisor)
with observed as (
    select run_id, cycle, columns(lambda c: list_contains($names, c))::double
    from cycles
    where cycle >= 0 and coalesce(process, 0) = 0
),
long as (
    unpivot observed on columns(* exclude (run_id, cycle)) into name what value y
),
pair as (
    select rate.run_id, rate.what as rate, total.what as total, total.y / rate.y as divisor, rate.y
    from long as rate join long as total using (run_id, cycle)
    where list_contains($rates, rate.what) and not list_contains($rates, total.what) and rate.y <> 0
),
steady as (
    select run_id, rate, total, median(divisor) as divisor
    from pair
    group by run_id, rate, total
    having count(distinct y) >= $fewest and max(divisor) - min(divisor) <= 1e-6 * abs(median(divisor))
)
select steady.*, experiment from steady join runs using (run_id) order by started_at, run_id, rate, total
"""
FEWEST = 5
"""Different values of a rate below which a constant quotient may be chance."""


def divisor(pairs: Sequence[tuple[float, float]], *, within: float = ROUNDED) -> float | None:
    """Return by which constant each total of (total, rate) was divided, or None where there is no one constant.

    Parameters
    ----------
    pairs : sequence of (float, float)
        Totals that differ, and the rates that were printed beside them.
    within : float, optional
        Share by which the quotients may differ, for the digits that were cut off.
    """
    quotients = sorted(total / rate for total, rate in pairs if rate)
    if len(quotients) < 2 or len({total for total, _ in pairs}) < 2:
        return None
    middle = quotients[len(quotients) // 2]
    return middle if quotients[-1] - quotients[0] <= within * abs(middle) else None


def observed(catalog: Catalog, runs: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return which observables of the runs that are called a rate are another one divided by a constant."""
    own = {column.name for column in schema.TABLES["cycles"].columns}
    numbers = [
        field.name
        for field in catalog.columns(runs)["cycles"]
        if field.name not in own and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type))
    ]
    rates = [name for name in numbers if "rate" in name.lower().split("_")]
    if not rates or len(rates) == len(numbers):
        return []
    names = {"names": numbers, "rates": rates, "fewest": FEWEST}
    return list(catalog.query(SQL, names, runs=runs))
