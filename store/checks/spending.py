"""Where the time of each run went: what its cycles and windows add up to, from digests, or from their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from store.cache.digests import Sums
    from store.catalog import Catalog

ACCOUNTS: Final = ("cpu", "runq", "offcpu", "gc", "probe", "sampling")

SQL: Final = """
-- one row per run: its cycles, their wall time, each account's time and the wall time where it was read [ns], the same
-- of its windows, CPU time and waiting for one, and the most threads
with cycling as (
    select
        run_id, count(*) as cycles, sum(wall_ns)::bigint as wall,
        sum(cpu_ns)::bigint as cpu, sum(wall_ns) filter (where cpu_ns is not null)::bigint as cpu_wall,
        sum(runq_ns)::bigint as runq, sum(wall_ns) filter (where runq_ns is not null)::bigint as runq_wall,
        sum(offcpu_ns)::bigint as offcpu, sum(wall_ns) filter (where offcpu_ns is not null)::bigint as offcpu_wall,
        sum(gc_ns)::bigint as gc, sum(wall_ns) filter (where gc_ns is not null)::bigint as gc_wall,
        sum(probe_ns)::bigint as probe, sum(wall_ns) filter (where probe_ns is not null)::bigint as probe_wall,
        sum(sampling_ns)::bigint as sampling,
        sum(wall_ns) filter (where sampling_ns is not null)::bigint as sampling_wall,
        sum(cpu_ns + coalesce(runq_ns, 0))::bigint as busy
    from cycles
    where cycle >= 0 and coalesce(process, 0) = 0
    group by run_id
),
light as (
    select
        run_id, max(threads) as threads,
        sum(cpu_ns) filter (where last_cycle is not null)::bigint as light_cpu,
        sum(wall_ns) filter (where last_cycle is not null and cpu_ns is not null)::bigint as light_cpu_wall,
        sum(offcpu_ns) filter (where last_cycle is not null)::bigint as light_offcpu,
        sum(wall_ns) filter (where last_cycle is not null and offcpu_ns is not null)::bigint as light_offcpu_wall
    from windows
    group by run_id
)
select
    runs.run_id, cycles, wall, cpu, cpu_wall, runq, runq_wall, offcpu, offcpu_wall, gc, gc_wall, probe, probe_wall,
    sampling, sampling_wall, busy, threads, light_cpu, light_cpu_wall, light_offcpu, light_offcpu_wall
from runs left join cycling using (run_id) left join light using (run_id)
order by runs.run_id
"""


def of_runs(catalog: Catalog, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    """Return a row of ``SQL`` for each run, by its id: times in ns; an account that was not read is None."""
    if not ids:
        return {}
    sums = catalog.sums(ids)
    if sums is not None:
        return {run_id: _summed(run_id, sums[run_id]) for run_id in sorted(ids)}
    return {row["run_id"]: row for row in catalog.query(SQL, runs=ids)}


def unaccounted(row: Mapping[str, Any]) -> int | None:
    """Return the wall time that no account holds [ns], below 0 where they hold more; None if one is partly read."""
    parts = ("cpu", "runq", "offcpu")
    if not row["wall"] or any(row[f"{part}_wall"] != row["wall"] for part in parts):
        return None
    missing: int = row["wall"] - sum(row[part] for part in parts)
    return missing


def _summed(run_id: str, sums: Sums) -> dict[str, Any]:
    totals = sums["total"]

    def told(signal: str, column: str = "total") -> Any:
        return totals[signal][column] if signal in totals else None

    found = {"run_id": run_id, "cycles": told("cycles", "n") or None, "wall": told("wall_ns")}
    for account in ACCOUNTS:
        found |= {account: told(f"{account}_ns"), f"{account}_wall": told(f"{account}_ns", "covered_ns")}
    for account in ("cpu", "offcpu"):
        signal = f"windows.{account}_ns"
        found |= {f"light_{account}": told(signal), f"light_{account}_wall": told(signal, "covered_ns")}
    return {**found, "busy": told("busy_ns"), "threads": told("threads")}
