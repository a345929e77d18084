"""What readings of a process exclude: CPU times above what its threads can use, and units mixed up.

``ps`` writes CPU time as minutes:seconds; 34:30 read as 34.5 h is 60 times too much, and above the wall time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

Row = Mapping[str, Any]

UNITS = (60, 1000, 3600)
"""Factors between units of time that get confused."""

NEAR = 1.15
"""How far a ratio may lie from a factor and still be it: the rows of a run leave out what lies between them (start,
building a condition), so two totals of one thing differ; 60 and 1,000 are far apart, and chance rarely lands here."""

BEYOND = 5.0
"""A claim within this multiple of the last reading may be what the process came to after it."""

# Readings may lie at one time, and only their order in the file then tells which came first.
READINGS = """
-- one row per reading of a process in no known cycle: (run_id, experiment, threads, wall_s, cpu_s) since its start
with reading as (
    select row_number() over () as number, run_id, t_ns, process_cpu_ns, threads
    from windows
    where last_cycle is null and process_cpu_ns is not null
)
select
    run_id, experiment, coalesce(max(threads) over (partition by run_id), 1) as threads, t_ns / 1e9 as wall_s,
    sum(process_cpu_ns) over (partition by run_id order by number) / 1e9 as cpu_s
from reading join runs using (run_id)
where status = 'imported'
order by run_id, number
"""


def claim(readings: Sequence[Row], claimed_s: float) -> str | None:
    """Return why the readings of one process exclude ``claimed_s`` of CPU time, or None where they do not.

    Parameters
    ----------
    readings : rows of ``READINGS`` of one run
        Wall and CPU time since the process's start, in order.
    claimed_s : float
        CPU time that somebody says it had used.
    """
    last = max(readings, key=lambda row: row["cpu_s"], default=None)
    if last is None or claimed_s < BEYOND * last["cpu_s"]:
        return None
    threads, said = last["threads"], f"{duration(claimed_s)} of CPU time cannot be"
    if claimed_s > last["wall_s"] * threads:
        return (
            f"{said}: the readings end after {duration(last['wall_s'])} of wall time, and {thread_count(threads)} can "
            "use no more than that"
        )
    for factor in UNITS:
        at = reached(readings, claimed_s / factor)
        if at is None:
            continue
        if claimed_s <= at * threads:
            return None
        return (
            f"{said}: the readings hold {duration(claimed_s / factor)}, {factor} times less, reached at about "
            f"{at / 3600:.2g} h of wall time, in which {thread_count(threads)} can use no more than that, not "
            f"{claimed_s / at / threads:.2g} times as much; they end at {duration(last['cpu_s'])} of CPU time after "
            f"{duration(last['wall_s'])}"
        )
    return None


def unit_apart(a: float | None, b: float | None) -> int | None:
    """Return the factor of a unit of time that lies between two durations, or None."""
    if not a or not b or min(a, b) <= 0:
        return None
    ratio = max(a, b) / min(a, b)
    return next((factor for factor in UNITS if factor / NEAR <= ratio <= factor * NEAR), None)


def duration(seconds: float) -> str:
    """Return a time in the unit that fits it."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def reached(readings: Sequence[Row], cpu_s: float) -> float | None:
    """Return the wall time at which a process had used so much, between the readings around it."""
    start = {"wall_s": 0.0, "cpu_s": 0.0}
    for before, after in pairwise([start, *rising(readings)]):
        if before["cpu_s"] < cpu_s <= after["cpu_s"]:
            share = (cpu_s - before["cpu_s"]) / (after["cpu_s"] - before["cpu_s"])
            return float(before["wall_s"] + share * (after["wall_s"] - before["wall_s"]))
    return None


def rising(readings: Sequence[Row]) -> Iterator[Row]:
    """Leave out readings that quote an older one: nothing later may show less CPU time."""
    least = float("inf")
    kept = []
    for row in reversed(readings):
        if row["cpu_s"] <= least:
            kept.append(row)
            least = row["cpu_s"]
    return reversed(kept)


def thread_count(threads: int) -> str:
    """Return a number of threads in words."""
    return "one thread" if threads == 1 else f"{threads} threads"
