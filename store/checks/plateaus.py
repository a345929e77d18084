"""Conditions whose population ends at its cap for their last half or more: their means measure the cap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from store.configured import mapping

if TYPE_CHECKING:
    from store.catalog import Catalog

FEWEST = 20
"""Cycles of a condition below which a constant end says nothing."""

Row = Mapping[str, Any]

SQL = """
-- one row per condition with a population: (run_id, condition, first cycle, n, stretch of cycles, flat = the part of it
-- after the last population below the largest, cap)
with counted as (
    select run_id, condition, cycle, population, max(population) over (partition by run_id, condition) as cap
    from cycles
    where cycle >= 0 and coalesce(process, 0) = 0 and population is not null
)
select
    run_id, condition, min(cycle) as first, count(*) as n, max(cycle) - min(cycle) + 1 as stretch,
    max(cycle) - coalesce(max(cycle) filter (where population < cap), min(cycle) - 1) as flat,
    any_value(cap)::double as cap
from counted
group by run_id, condition
"""


def capped(catalog: Catalog, ids: Sequence[str]) -> list[Row]:
    """Return (run_id, experiment, condition, cap) of conditions at their cap, in the order of runs and cycles.

    A run's configuration names the cap; without one it is known by this: several conditions rise to one value, its
    largest.
    """
    by_run: dict[str, list[Row]] = {}
    for row in _plateaus(catalog, ids):
        by_run.setdefault(row["run_id"], []).append(row)
    runs = catalog.runs(ids).select(["run_id", "experiment", "config"]).to_pylist() if by_run else []
    return [
        {
            "run_id": run["run_id"],
            "experiment": run["experiment"],
            "condition": row["condition"],
            "cap": row["cap"],
        }
        for run in runs
        if run["run_id"] in by_run
        for row in _of_run(by_run[run["run_id"]], _configured(run["config"]))
    ]


def _plateaus(catalog: Catalog, ids: Sequence[str]) -> Iterator[Row]:
    sums = catalog.sums(ids)
    if sums is None:
        if "population" in catalog.columns(ids)["cycles"].names:
            yield from catalog.query(SQL, runs=ids)
        return
    for run_id in ids:
        for condition, row in sums[run_id]["plateau"].items():
            names = {"first": "place", "n": "n", "stretch": "n_x", "flat": "n_y", "cap": "y_mean"}
            yield {
                "run_id": run_id,
                "condition": condition,
                **{name: row[key] for name, key in names.items()},
            }


def _of_run(rows: Sequence[Row], configured: float | None) -> Iterator[Row]:
    top = max(row["cap"] for row in rows)
    risen = [row["cap"] == top and row["flat"] < row["stretch"] for row in rows]
    for row, rose in sorted(zip(rows, risen, strict=True), key=lambda pair: int(pair[0]["first"])):
        known = rose and sum(risen) > 1 if configured is None else row["cap"] >= configured
        if known and row["n"] >= FEWEST and row["cap"] > 0 and 2 * row["flat"] >= row["stretch"]:
            yield row


def _configured(config: str | None) -> float | None:
    """Return the cap that a configuration names."""
    try:
        return float(mapping(config, "workload")["max_agents"])
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
