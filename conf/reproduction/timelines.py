"""Section 7, what really happened: the timeline of C256, the published milestones beside the readings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conf.reproduction.case import MILESTONES
from conf.reproduction.checks import Row, Section, left_out, row
from conf.reproduction.material import LEFT_OUT, RECORDED, Material
from conf.reproduction.readings import FINE_UNTIL_H
from stats import timeline
from stats.report import timeline_table
from stats.timing import Timelines
from store.checks.study import BASELINE_H, CPU_H

NUMBER, TITLE = 7, "What really happened: the timeline"

MADE = "experiment = 'phase2' and status = 'completed'"
HOUR = 3600.0
COMMAND = "python -m stats timeline --expected-s 72360"


def section(material: Material) -> Section:
    """Judge the course of the real C256, and show that of runs made here."""
    made = material.catalog.select(where=[MADE], last=2)
    tables = {}
    if made:
        shown = timeline_table(timeline(material.catalog, runs=made), style="markdown")
        tables = {"Timelines of two runs made here": shown}
    if not material.catalog.select(where=[RECORDED]):
        missing = left_out(
            f"CPU time of C256 reached {CPU_H} h", published=True, expected=False, how=LEFT_OUT
        )
        return Section(number=NUMBER, name="timeline", title=TITLE, rows=(missing,), tables=tables)
    whole = _timeline(material)
    fine = _only(_timeline(material, until_s=FINE_UNTIL_H * HOUR))
    entry = _only(whole)
    rows = (*_milestones(entry), *_course(fine, entry), *_rates(fine, entry))
    tables = {"Timeline of C256, as recorded": timeline_table(whole, style="markdown"), **tables}
    return Section(number=NUMBER, name="timeline", title=TITLE, rows=rows, tables=tables)


def _timeline(material: Material, **options: Any) -> Timelines:
    return timeline(material.catalog, where=RECORDED, expected_s=BASELINE_H * HOUR, last=1, **options)


def _only(found: Timelines) -> Mapping[str, Any]:
    [entry] = found.to_json()["timelines"]
    return dict(entry)


def _milestones(entry: Mapping[str, Any]) -> Iterator[Row]:
    last = f"the readings end at {entry['elapsed_s'] / HOUR:.2f} h of CPU time"
    for found, (said, (_, by_constant, by_elapsed)) in zip(entry["milestones"], MILESTONES, strict=True):
        yield row(
            f"{said.name}: CPU time of C256 reached {said.cpu_h} h",
            published=True,
            expected=False,
            found=found["reached_at"] is not None,
            how=f"{last}, after {entry['progress_end'] / HOUR:.1f} h of wall time",
        )
        yield row(
            f'{said.name}: published "rate" of the excess at {said.cpu_h} h [%/h]',
            published=said.rate,
            expected=by_constant,
            found=100 * found["per_expected_h"],
            how=f"{COMMAND}: the excess over {BASELINE_H} h, divided by that constant again",
        )
        yield row(
            f"{said.name}: rate of that excess per elapsed hour [%/h]",
            published=said.rate,
            expected=by_elapsed,
            found=100 * found["per_elapsed_h"],
            how=f"{COMMAND}: the excess divided by the hours elapsed",
        )


def _course(fine: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[Row]:
    change = fine["change"]
    yield row(
        f"shape of CPU time over wall time to {FINE_UNTIL_H} h",
        published="upwards",
        expected="line",
        found=fine["shape"],
        how=f"change of the rate from first to last {_percent(change)}, which holds 0; n = {fine['n']}",
    )
    how = f"all {whole['n']} readings; change of the rate from first to last {_percent(whole['change'])}"
    yield row("shape over all readings to 66.5 h", expected="upwards", found=whole["shape"], how=how)
    yield row("R² of a line, all readings", expected="0.990", found=whole["fit"]["r2_linear"], how=how)
    yield row("ΔR² of a parabola, all readings", expected="0.007", found=whole["fit"]["delta_r2"], how=how)
    yield row(
        "the excess is non-linear by the study's criterion (ΔR² above 0.1)",
        published=True,
        expected=False,
        found=whole["fit"]["delta_r2"] > 0.1,
        how=f"all {whole['n']} readings",
    )


def _rates(fine: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[Row]:
    """Compare the CPU minutes an hour before and after the fine readings end."""
    early = fine["elapsed_s"] / fine["progress_end"]
    later = (whole["elapsed_s"] - fine["elapsed_s"]) / (whole["progress_end"] - fine["progress_end"])
    yield row(
        f"CPU minutes per hour of wall time, to {FINE_UNTIL_H} h",
        expected="2.4",
        found=60 * early,
        how=f"{fine['n']} readings, the last over the start",
    )
    yield row(
        f"CPU minutes per hour of wall time, after {FINE_UNTIL_H} h",
        expected="3.2",
        found=60 * later,
        how=f"{whole['n'] - fine['n']} later, coarser readings: slightly faster, no acceleration of an excess",
    )


def _percent(change: Mapping[str, float | None]) -> str:
    value, low, high = (100 * (change[name] or 0) for name in ("value", "low", "high"))
    return f"{value:+.0f} % [{low:+.0f}, {high:+.0f}]"
