"""Readings of processes by ``ps``, as somebody wrote them down: ``ps_readings_c255_c256_c257.csv``.

A reading is a row of ``windows`` (wall and CPU time since the one before; no cycle is known) and, where it
holds the resident set, of ``probe_memory``.  ``ps`` writes its TIME field as minutes:seconds.hundredths; whoever
reads it as hours is wrong by a factor of 60.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

import pyarrow as pa

from store import schema
from store.raw import recording
from store.raw.fields import Field
from store.raw.recording import Recording
from store.raw.times import Instant

COLUMNS = ("exp", "commit_time", "ps_time_field", "cpu_min", "wall_h", "wall_kind", "rss_kb", "requoted")
EXPECTED = "CSV with ps_time_field"

_TIME = re.compile(r"(?P<minutes>\d+):(?P<seconds>[0-5]\d(?:\.\d+)?)", re.ASCII)
_EXPERIMENT = re.compile(r"[A-Za-z]\w*", re.ASCII)
_SECOND, _MINUTE, _HOUR = 10**9, 60 * 10**9, 3600 * 10**9
_SPELLING_ERROR_NS = _MINUTE // 1000
_UNIT = (
    "the TIME field of ps is minutes:seconds; the text it was quoted in reads it as hours, 60 times too much"
)
_KIND = "wall times of kind 'commit time - start' are upper bounds: a reading is older than its commit"
_LAST = "wall_s and cpu_s are those of the last reading; the process's end is not in the file"
_STARTED = "started_at is a commit's time less its wall_h"


class Reading(NamedTuple):
    """One row of the file; times from the process's start."""

    wall_ns: int
    cpu_ns: int
    rss_bytes: int | None
    requoted: bool
    row: Field


def recognises(document: Field) -> bool:
    """Tell whether a document is such a table."""
    value = document.value
    return (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "ps_time_field" in value[0]
    )


def read(document: Field, notes: list[str]) -> list[Recording]:
    """Return one run for every process, in the order of the file."""
    rows = document.elements()
    missing = [name for name in COLUMNS if not rows[0].has(name)]
    if missing:
        raise document.refusal(f"the columns {', '.join(missing)} too")
    by_process: dict[str, list[Field]] = defaultdict(list)
    for row in rows:
        by_process[_experiment(row)].append(row)
    recording.note(notes, _UNIT)
    recording.note(notes, _LAST)
    return [_run(name, process, notes) for name, process in by_process.items()]


def _experiment(row: Field) -> str:
    name = row.get("exp").text()
    if name is None or not _EXPERIMENT.fullmatch(name):
        raise row.get("exp").refusal("the name of an experiment")
    return name.lower()


def _run(experiment: str, rows: Sequence[Field], notes: list[str]) -> Recording:
    # A reading may be quoted again later: in order of wall time, its CPU time then falls.
    readings = sorted((_reading(row) for row in rows), key=lambda reading: (reading.wall_ns, reading.cpu_ns))
    last = readings[-1]
    run = {
        "started_at": _started_at(readings, notes),
        "wall_s": last.wall_ns / _SECOND,
        "cpu_s": max(reading.cpu_ns for reading in readings) / _SECOND,
    }
    words = ("commit", "commit_time", "ps_time_field", "wall_kind", "note")
    quoted = [{word: reading.row.get(word).value for word in words} for reading in readings]
    return Recording(
        run=run,
        conditions=[],
        tables={"windows": _windows(readings), "probe_memory": _memory(readings)},
        config={"readings": quoted},
        experiment=experiment,
        notes=_remarks(experiment, readings),
    )


def _reading(row: Field) -> Reading:
    wall_ns, rss_kib = _scaled(row.get("wall_h"), _HOUR), _scaled(row.get("rss_kb"), 1024)
    if wall_ns is None:
        raise row.get("wall_h").refusal("hours since the process's start")
    return Reading(wall_ns, _cpu_ns(row), rss_kib, _requoted(row.get("requoted")), row)


def _requoted(field: Field) -> bool:
    if field.value not in (None, "yes", "no"):
        raise field.refusal("yes, no or nothing")
    return bool(field.value == "yes")


def _cpu_ns(row: Field) -> int:
    """Return CPU time from the field as quoted, exact to its hundredths; else from the minutes."""
    minutes, field = _scaled(row.get("cpu_min"), _MINUTE), row.get("ps_time_field")
    if minutes is None:
        raise row.get("cpu_min").refusal("minutes of CPU time")
    if field.value is None:
        return minutes
    found = _TIME.fullmatch(field.text() or "")
    exact = int(Decimal(found["seconds"]) * _SECOND) + int(found["minutes"]) * _MINUTE if found else -_HOUR
    if abs(exact - minutes) > _SPELLING_ERROR_NS:
        raise field.refusal(f"minutes:seconds that make {row.get('cpu_min').value} min")
    return exact


def _scaled(field: Field, factor: int) -> int | None:
    text = field.text()
    if text is None:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise field.refusal("a number of at least 0") from error
    if not number.is_finite():
        raise field.refusal("a number of at least 0")
    return Field(field.file, field.path, number).scaled(factor, at_least=0)


def _started_at(readings: Sequence[Reading], notes: list[str]) -> Any:
    for reading in readings:
        kind = reading.row.get("wall_kind").text() or ""
        commit = recording.moment(reading.row.get("commit_time"), notes)
        if kind.startswith("commit time - start") and not reading.requoted and commit is not None:
            recording.note(notes, _STARTED)
            recording.note(notes, _KIND)
            start = Instant(commit.ns - reading.wall_ns, zoned=True).datetime()
            # Four decimals of an hour are 0.36 s.
            return (start + timedelta(milliseconds=500)).replace(microsecond=0)
    return None


def _windows(readings: Sequence[Reading]) -> pa.Table:
    before = [Reading(0, 0, None, False, readings[0].row), *readings]
    spent = [now.cpu_ns - then.cpu_ns for then, now in zip(before, readings, strict=False)]
    rows = [
        {"t_ns": now.wall_ns, "wall_ns": now.wall_ns - then.wall_ns, "cpu_ns": cpu, "process_cpu_ns": cpu}
        for then, now, cpu in zip(before, readings, spent, strict=False)
    ]
    table = _table("windows", rows)
    return table.append_column("requoted", pa.array([reading.requoted for reading in readings], pa.bool_()))


def _memory(readings: Sequence[Reading]) -> pa.Table:
    rows = [
        {"t_ns": reading.wall_ns, "rss_bytes": reading.rss_bytes}
        for reading in readings
        if reading.rss_bytes is not None
    ]
    return _table("probe_memory", rows)


def _table(name: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema.arrow(name, run_id=False))


def _remarks(experiment: str, readings: Sequence[Reading]) -> list[str]:
    again = sum(reading.requoted for reading in readings)
    if not again:
        return []
    were = "1 reading quotes an older one" if again == 1 else f"{again} readings quote older ones"
    return [f"{experiment}: {were} (windows.requoted); the CPU time since the one before is negative there"]
