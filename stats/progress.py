"""A run's clock against its progress: the series that a timeline is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from stats.kernels import quadratic
from stats.kernels.quadratic import Parabola
from stats.kernels.usable import Unfit
from store.catalog import Catalog

CLOCKS = ("cpu", "wall")
SOURCES = ("readings", "cycles", "windows", "conditions")
"""Where a series may come from, the best first."""

# Readings may lie at one time; only their order in the file then tells which came first.  One with less CPU time
# than an earlier one quotes a reading older still.
SERIES = """
-- one row per reading, cycle, window or condition: (grp = run_id/source, place, x, y [s], quoted);
-- y is the chosen clock since the run's start; x the other clock [s], for what has cycles the cycles done
with reading as (
    select row_number() over () as place, run_id, t_ns, process_cpu_ns
    from windows
    where last_cycle is null and process_cpu_ns is not null
),
clocks as (
    select
        'readings' as source, run_id, place, t_ns, t_ns / 1e9 as wall,
        sum(process_cpu_ns) over (partition by run_id order by place) / 1e9 as cpu
    from reading
),
listed as (
    select
        source, run_id, place, t_ns,
        case $clock when 'cpu' then wall else cpu end as x, case $clock when 'cpu' then cpu else wall end as y,
        coalesce(cpu < max(cpu) over (
            partition by run_id order by place rows between unbounded preceding and 1 preceding
        ), false) as quoted
    from clocks
    union all
    select
        'cycles', run_id, cycle, t_ns, row_number() over so_far,
        sum(case $clock when 'cpu' then cpu_ns else wall_ns end) over so_far / 1e9, false
    from cycles
    where cycle >= 0 and coalesce(process, 0) = 0 and case $clock when 'cpu' then cpu_ns else wall_ns end is not null
    window so_far as (partition by run_id order by cycle)
    union all
    select
        'windows', run_id, last_cycle, t_ns, last_cycle + 1,
        sum(coalesce(cpu_ns, process_cpu_ns)) over (partition by run_id order by t_ns) / 1e9, false
    from windows
    where last_cycle is not null and $clock = 'cpu' and coalesce(cpu_ns, process_cpu_ns) is not null
    union all
    select
        'conditions', run_id, position, null, sum(condition_cycles) over so_far,
        sum(condition_wall_s) over so_far, false
    from conditions
    where $clock = 'wall' and condition_wall_s is not null and condition_cycles is not null
    window so_far as (partition by run_id order by position)
)
select run_id || '/' || source as grp, place, x::double as x, y::double as y, quoted
from listed
where not (quoted and $unquoted) and ($until_s is null or t_ns <= $until_s * 1e9)
"""

# Of a cumulative series every n-th point loses no time.
POINTS = """
-- one row per point that is kept of a grp, its last always
with numbered as (
    select *, row_number() over (partition by grp order by place) as number, count(*) over (partition by grp) as n
    from sample
)
select grp, number, x, y, quoted
from numbered
where number % (1 + (n - 1) // 600) = 0 or number in (1, n)
order by grp, number
"""

# H2 reads RSS over cycles; readings in no known cycle have a time alone.
MEMORY = """
-- one row per reading of memory in no known cycle: (grp = run_id, x = time since the start [s], y = RSS [2^20 bytes])
select run_id as grp, (t_ns / 1e9)::double as x, (rss_bytes / 1048576.0)::double as y
from probe_memory
where cycle is null and rss_bytes is not null and ($until_s is null or t_ns <= $until_s * 1e9)
"""

ENDS = """
-- one row per grp: its readings, the first and the last of y
select grp, count(*) as n, arg_min(y, x) as first, arg_max(y, x) as last from sample group by grp
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One run's clock ``y`` [s] against ``x``: the other clock [s] of readings, else cycles done.

    ``number`` counts all points of the run up to one that was kept; ``quoted`` marks one that quotes an older one.
    """

    source: str
    clock: str
    x: Sequence[float]
    y: Sequence[float]
    number: Sequence[int]
    quoted: Sequence[bool]
    fit: Parabola | Unfit

    @property
    def progress(self) -> str:
        """Return what x is."""
        other = "wall" if self.clock == "cpu" else "cpu"
        return f"{other}_s" if self.source == "readings" else "cycles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory over time, of readings in no known cycle [2^20 bytes]."""

    n: int
    first_mb: float
    last_mb: float
    fit: Parabola | Unfit


def read(
    catalog: Catalog,
    ids: Sequence[str],
    *,
    clock: str | None = None,
    until_s: float | None = None,
    unquoted: bool = False,
) -> dict[str, Series]:
    """Return the best series of each run that has one.

    Without a ``clock``, readings of a process are told by its CPU time and everything else by wall time.
    """
    found: dict[str, Series] = {}
    for chosen in [clock] if clock else CLOCKS:
        limits = {"clock": chosen, "until_s": until_s, "unquoted": unquoted}
        for run_id, series in _on(catalog, ids, limits).items():
            if clock or chosen == "wall" or series.source == "readings":
                found.setdefault(run_id, series)
    return found


def memory(catalog: Catalog, ids: Sequence[str], *, until_s: float | None = None) -> dict[str, Memory]:
    """Return what each run's readings of memory in no known cycle say, for those that have any."""
    limits = {"until_s": until_s}
    ends = {row["grp"]: row for row in catalog.reduce(ENDS, MEMORY, limits, runs=ids)}
    fits = {row["grp"]: row for row in catalog.reduce(quadratic.SQL, MEMORY, limits, runs=ids)}
    return {
        run_id: Memory(
            n=row["n"],
            first_mb=row["first"],
            last_mb=row["last"],
            fit=quadratic.fit(fits[run_id], x="time", y="memory_rss_mb"),
        )
        for run_id, row in ends.items()
    }


def _on(catalog: Catalog, ids: Sequence[str], limits: Mapping[str, Any]) -> dict[str, Series]:
    fits = {row["grp"]: row for row in catalog.reduce(quadratic.SQL, SERIES, limits, runs=ids)}
    points = catalog.reduce(POINTS, SERIES, limits, runs=ids)
    kept = {grp: list(rows) for grp, rows in groupby(points, key=lambda row: row["grp"])}
    found: dict[str, Series] = {}
    for grp in sorted(kept, key=lambda grp: SOURCES.index(grp.rpartition("/")[2])):
        run_id, _, source = grp.rpartition("/")
        rows = kept[grp]
        series = Series(
            source=source,
            clock=str(limits["clock"]),
            x=[row["x"] for row in rows],
            y=[row["y"] for row in rows],
            number=[row["number"] for row in rows],
            quoted=[row["quoted"] for row in rows],
            fit=quadratic.fit(fits[grp], x="progress", y="elapsed time"),
        )
        found.setdefault(run_id, series)
    return found
