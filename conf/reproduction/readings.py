"""Section 7, what really happened: the readings of the real process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from conf.reproduction.checks import Row, Section, left_out, row
from conf.reproduction.material import LEFT_OUT, Material
from stats.kernels import quadratic
from stats.kernels.quadratic import Parabola

NUMBER, TITLE = 7, "What really happened: the readings of the real process"

PUBLISHED_TIME = 34.4
"""What was read as hours: a TIME field of ``ps`` between 34:20 and 34:30, in minutes and seconds."""

READINGS = """
-- one row per reading of a process, in order: wall time [h] and CPU time [min] since its start, quoted again or not
select
    t_ns / 3.6e12 as wall_h,
    sum(process_cpu_ns) over (order by t_ns, process_cpu_ns desc rows unbounded preceding) / 6e10 as cpu_min,
    requoted
from windows
order by t_ns, process_cpu_ns desc
"""
RSS = """
-- one row per reading of the resident set, in order: (wall_h, rss_mb)
select t_ns / 3.6e12 as wall_h, rss_bytes / 1e6 as rss_mb
from probe_memory
order by t_ns
"""
FIT = """
-- one row per reading up to `until` hours: (grp, x = wall time [h], y = CPU time [min])
with reading as (
    select
        t_ns / 3.6e12 as x,
        sum(process_cpu_ns) over (order by t_ns, process_cpu_ns desc rows unbounded preceding) / 6e10 as y,
        requoted
    from windows
)
select 'all' as grp, x::double as x, y::double as y from reading where x < $until
union all
select 'once' as grp, x::double as x, y::double as y from reading where x < $until and not requoted
"""
FIT_RSS = """
-- one row per reading of the resident set: (grp, x = wall time [h], y = RSS [MB])
select 'rss' as grp, (t_ns / 3.6e12)::double as x, (rss_bytes / 1e6)::double as y from probe_memory
"""
FINE_UNTIL_H = 27.2
"""The readings after it are coarser: whole or tenth minutes."""


def section(material: Material) -> Section:
    """Judge the readings of the real C256."""
    return Section(number=NUMBER, name="readings", title=TITLE, rows=tuple(_readings(material)))


def _readings(material: Material) -> list[Row]:
    ids = material.catalog.select(where=["experiment = 'c256' and status = 'imported'"])
    if not ids:
        return [
            left_out("34.5 can be hours of CPU time", published=True, expected=False, how=LEFT_OUT),
            left_out("CPU time over wall time, 42 readings: R² of a line", expected="0.998", how=LEFT_OUT),
            left_out("resident set at the last of 4 readings [MB]", expected="27.9", how=LEFT_OUT),
        ]
    readings = material.catalog.query(READINGS, runs=ids)
    return [*_unit(readings), *_line(material, ids), *_rss(material, ids)]


def _unit(readings: Sequence[Mapping[str, Any]]) -> list[Row]:
    wall_h = _when(readings, PUBLISHED_TIME)
    last = readings[-1]
    return [
        row(
            f"wall time at which the CPU time read {PUBLISHED_TIME} [h]",
            published="34.5",
            expected=13.8,
            within=0.3,
            found=wall_h,
            how="interpolated between the readings, of which none lies between 31:12 and 55:08",
        ),
        row(
            "34.5 can be hours of CPU time",
            published=True,
            expected=False,
            found=wall_h >= PUBLISHED_TIME,
            how=f"{PUBLISHED_TIME} h of CPU time in {wall_h:.1f} h of wall time would keep "
            f"{PUBLISHED_TIME / wall_h:.1f} CPUs busy, and the program has one thread; minutes make "
            f"{PUBLISHED_TIME / 60 / wall_h:.1%} of one",
        ),
        row(
            "C256 finished, in hours",
            published="34.5",
            expected="66.5",
            found=last["wall_h"],
            how=f"its last reading, still running, at {last['cpu_min']:.0f} min of CPU time; no result exists",
        ),
    ]


def _when(readings: Sequence[Mapping[str, Any]], cpu_min: float) -> float:
    kept = [each for each in readings if not each["requoted"]]
    for before, after in pairwise(kept):
        if before["cpu_min"] <= cpu_min <= after["cpu_min"]:
            share = (cpu_min - before["cpu_min"]) / (after["cpu_min"] - before["cpu_min"])
            return float(before["wall_h"] + share * (after["wall_h"] - before["wall_h"]))
    raise ValueError(f"the readings of C256 do not reach {cpu_min} min; import all of them")


def _line(material: Material, ids: Sequence[str]) -> list[Row]:
    params = {"until": FINE_UNTIL_H}
    fits = {
        each["grp"]: quadratic.fit(each)
        for each in material.catalog.reduce(quadratic.SQL, FIT, params, runs=ids)
    }
    rows = []
    for grp, n, r2, gain in (("all", 42, "0.998", "0.0002"), ("once", 40, "0.9993", "0.0005")):
        fit = fits[grp]
        if not isinstance(fit, Parabola):
            raise ValueError(f"the readings of C256 have no line: {fit.reason}")
        how = f"{fit.n} readings of {n} to {FINE_UNTIL_H} h, " + (
            "2 quoted again" if grp == "all" else "none twice"
        )
        rows += [
            row(f"CPU time over wall time, {n} readings: how many", expected=n, found=fit.n, how=how),
            row(
                f"CPU time over wall time, {n} readings: R² of a line",
                expected=r2,
                found=fit.r2_linear,
                how=how,
            ),
            row(
                f"CPU time over wall time, {n} readings: ΔR² of a parabola",
                expected=gain,
                found=fit.delta_r2,
                how=how,
            ),
            row(
                f"CPU time over wall time, {n} readings: it accelerates",
                published=True,
                expected=False,
                found=fit.c2 > 0,
                how=f"{how}; curvature {fit.c2:.2g} min/h²",
            ),
        ]
    return rows


def _rss(material: Material, ids: Sequence[str]) -> list[Row]:
    sizes = [each["rss_mb"] for each in material.catalog.query(RSS, runs=ids)]
    [moments] = material.catalog.reduce(quadratic.SQL, FIT_RSS, runs=ids)
    fit = quadratic.fit(moments)
    how = f"resident set {', '.join(f'{size:.1f}' for size in sizes)} MB, n = {len(sizes)}"
    if not isinstance(fit, Parabola):
        raise ValueError(f"the resident sets of C256 have no parabola: {fit.reason}")
    return [
        row(
            "resident set grows with time (H2)",
            published=True,
            expected=False,
            found=sizes[-1] > sizes[0],
            how=how,
        ),
        row("readings of the resident set", expected=4, found=len(sizes), how=how),
        row(
            "resident set, ΔR² of a parabola (H2 asks for 0.1)", expected="0.06", found=fit.delta_r2, how=how
        ),
    ]
