"""Rows of an import that no clock can have written: times that fall, cycles shorter than the probes in them.

Only imports are looked at: a recorder of ours takes both from one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from store.catalog import Catalog

SQL: Final = """
-- one row per run with such cycles: (run_id, n cycles, falls of t_ns and the first, cycles below zero and the first)
with timed as (
    select
        run_id, cycle, net_ns < 0 as negative,
        t_ns < lag(t_ns ignore nulls) over (partition by run_id, process order by cycle) as fell
    from cycles
    where cycle >= 0
)
select
    run_id, count(*) as n,
    count(*) filter (where fell) as falls, min(cycle) filter (where fell) as first_fall,
    count(*) filter (where negative) as negatives, min(cycle) filter (where negative) as first_negative
from timed
group by run_id
having falls + negatives > 0
order by run_id
"""


def impossible(catalog: Catalog, ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """Return (kind, run_id, what cannot be) of the imports among runs."""
    found = []
    for row in catalog.query(SQL, runs=ids) if ids else ():
        if row["falls"]:
            found.append(("clock", row["run_id"], _fallen(row)))
        if row["negatives"]:
            found.append(("probe_s", row["run_id"], _negative(row)))
    return found


def _fallen(row: Mapping[str, Any]) -> str:
    at = f"{row['falls']} of {row['n']} cycles, first in cycle {row['first_fall']}"
    return f"t_ns falls in {at}: a clock cannot run backwards"


def _negative(row: Mapping[str, Any]) -> str:
    at = f"{row['negatives']} of {row['n']} cycles, first in cycle {row['first_negative']}"
    return f"probe_ns is above wall_ns in {at}: a part cannot be above the whole"
