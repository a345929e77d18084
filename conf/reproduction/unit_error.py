"""Section 7, what really happened: minutes of CPU time, read as hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from conf.reproduction.checks import Row, Section, left_out, row
from conf.reproduction.material import LEFT_OUT, RECORDED, Material
from store.checks.study import CPU_H, LATE_H

NUMBER, TITLE = 7, "What really happened: minutes read as hours"

READINGS = """
-- one row per reading of a process, in order: wall time [h] and CPU time [min] since its start, quoted again or not
select
    t_ns / 3.6e12 as wall_h,
    sum(process_cpu_ns) over (order by t_ns, process_cpu_ns desc rows unbounded preceding) / 6e10 as cpu_min,
    requoted
from windows
order by t_ns, process_cpu_ns desc
"""


def section(material: Material) -> Section:
    """Show from the readings of C256 that its published duration is none."""
    ids = material.catalog.select(where=[RECORDED])
    rows = [left_out(f"{CPU_H} can be hours of CPU time", published=True, expected=False, how=LEFT_OUT)]
    if ids:
        rows = _unit(material.catalog.query(READINGS, runs=ids))
    return Section(number=NUMBER, name="unit_error", title=TITLE, rows=tuple(rows))


def _unit(readings: Sequence[Mapping[str, Any]]) -> list[Row]:
    wall_h = _when(readings, LATE_H)
    last = readings[-1]
    return [
        row(
            f"wall time at which the CPU time read {LATE_H} [h]",
            published=f"{CPU_H}",
            expected=13.8,
            within=0.3,
            found=wall_h,
            how="interpolated between the readings, of which none lies between 31:12 and 55:08",
        ),
        row(
            f"{CPU_H} can be hours of CPU time",
            published=True,
            expected=False,
            found=wall_h >= LATE_H,
            how=f"{LATE_H} h of CPU time in {wall_h:.1f} h of wall time would keep "
            f"{LATE_H / wall_h:.1f} CPUs busy, and the program has one thread; minutes make "
            f"{LATE_H / 60 / wall_h:.1%} of one",
        ),
        row(
            f"C256 had ended after {CPU_H} h",
            published=True,
            expected=False,
            found=last["wall_h"] <= CPU_H,
            how=f"a reading at {last['wall_h']:.1f} h of wall time finds it running, at {last['cpu_min']:.0f} CPU "
            "minutes; no result exists",
        ),
        row(
            "wall time of its last reading [h]",
            expected="66.5",
            found=last["wall_h"],
            how="still running; the process's end is not recorded",
        ),
    ]


def _when(readings: Sequence[Mapping[str, Any]], cpu_min: float) -> float:
    kept = [each for each in readings if not each["requoted"]]
    for before, after in pairwise(kept):
        if before["cpu_min"] <= cpu_min <= after["cpu_min"]:
            share = (cpu_min - before["cpu_min"]) / (after["cpu_min"] - before["cpu_min"])
            return float(before["wall_h"] + share * (after["wall_h"] - before["wall_h"]))
    raise ValueError(f"the readings of C256 do not reach {cpu_min} min; import all of them")
