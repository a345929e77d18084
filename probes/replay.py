"""A recorded trace of temperature and clock, read in place of the sensors for one whole run.

The file is CSV with a header, or JSON: an array of objects, or a run as ``python -m store export`` writes it.
Columns: ``t_s``, seconds from the run's start (or ``t_ns``, as in table ``probe_thermal``), ``temp_celsius`` and
``freq_mhz``, one of which may be missing; an empty cell means that nothing was read.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from probes.protocols import Value

SIGNALS = ("temp_celsius", "freq_mhz")
_TIMES = {"t_s": 1.0, "t_ns": 1e-9}
# What ``select * from probe_thermal`` brings along.
_IGNORED = ("run_id", "condition", "cycle")
# The names of a run's export, each with the factor to ours.
_EXPORTED = {"cpu_temp_celsius": "temp_celsius", "cpu_freq_mhz": "freq_mhz"}
# Below absolute zero, or hotter than silicon melts: another unit, or another column.
_LIMITS = {"temp_celsius": (-273.15, 1000.0), "freq_mhz": (0.0, 1e6)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Readings in the order of their times, and the digest of the file that they stood in."""

    t_s: tuple[float, ...]
    readings: tuple[tuple[float | None, float | None], ...]
    sha256: str

    def at(self, t_s: float) -> tuple[Value, Value]:
        """Return the last reading at or before ``t_s``; nothing before the first and behind the last one.

        A sensor holds its value until the next reading; a value between two would be made up.
        """
        if not self.t_s[0] <= t_s <= self.t_s[-1]:
            return None, None
        return self.readings[bisect_right(self.t_s, t_s) - 1]

    def lacking(self, t_s: float) -> str:
        """Return why there is no reading for ``t_s``."""
        if t_s > self.t_s[-1]:
            return f"the replayed trace ends at {self.t_s[-1]:g} s"
        if t_s < self.t_s[0]:
            return f"the replayed trace begins at {self.t_s[0]:g} s"
        return "the replayed trace holds no value there"


def load(path: Path | str) -> Trace:
    """Read a trace.

    Raises
    ------
    ValueError
        If the file cannot be read or is no trace; one sentence that names it and the row.
    """
    try:
        content = Path(path).expanduser().read_bytes()
    except (OSError, TypeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"replay={path} cannot be read ({why}); give a CSV or JSON file") from error
    try:
        rows = [_row(number, row) for number, row in enumerate(_rows(content.decode("utf-8-sig")), start=1)]
        _check(rows)
    except ValueError as error:
        raise ValueError(f"replay={path} is no trace: {error}") from error
    return Trace(
        t_s=tuple(t_s for t_s, _ in rows),
        readings=tuple(reading for _, reading in rows),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _rows(text: str) -> Iterable[Mapping[str, Any]]:
    if text.lstrip()[:1] not in ("[", "{"):
        return _csv_rows(text)
    document = json.loads(text)
    if isinstance(document, dict):
        document = _exported(document)
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise ValueError("the JSON is no array of objects; give one with t_s, temp_celsius and freq_mhz each")
    return document


def _csv_rows(text: str) -> Iterable[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    names = reader.fieldnames or []
    _check_names(names)
    for row in reader:
        if None in row or None in row.values():
            raise ValueError(f"line {reader.line_num} has not {len(names)} cells as the header has")
        yield {name: None if not cell.strip() else cell for name, cell in row.items()}


def _exported(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the readings of the sensors in a run's export."""
    metrics = document.get("system_metrics")
    rows = [row for row in metrics if "thermal_t_ns" in row] if isinstance(metrics, list) else []
    if not rows:
        raise ValueError("the JSON object holds no system_metrics with thermal_t_ns; give a run's export")
    return [
        {"t_ns": row["thermal_t_ns"]} | {_EXPORTED[key]: row.get(key) for key in _EXPORTED} for row in rows
    ]


def _row(number: int, row: Mapping[str, Any]) -> tuple[float, tuple[float | None, float | None]]:
    _check_names(list(row))
    [clock] = [name for name in _TIMES if name in row]
    t_s = _number(row[clock], f"{clock} in row {number}")
    if t_s is None or t_s < 0:
        raise ValueError(f"row {number} has {clock}={row[clock]}; give the time since the run's start")
    temp, freq = (_signal(row.get(name), name, number) for name in SIGNALS)
    return t_s * _TIMES[clock], (temp, freq)


def _signal(value: Any, name: str, number: int) -> float | None:
    found = _number(value, f"{name} in row {number}")
    low, high = _LIMITS[name]
    if found is not None and not low < found < high:
        raise ValueError(
            f"row {number} has {name}={value}, not between {low:g} and {high:g}; convert its unit"
        )
    return found


def _number(value: Any, where: str) -> float | None:
    if value is None:
        return None
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{where} is {value!r}; give a number, or nothing where none was read")
    return found


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if name not in (*_TIMES, *SIGNALS, *_IGNORED):
            raise ValueError(f"it has a column {name!r}; give t_s with temp_celsius, freq_mhz or both")
    if sum(name in names for name in _TIMES) != 1 or not set(SIGNALS) & set(names):
        raise ValueError(f"its columns are {', '.join(names) or 'none'}; give t_s, temp_celsius, freq_mhz")


def _check(rows: Sequence[tuple[float, tuple[float | None, float | None]]]) -> None:
    if not any(value is not None for _, reading in rows for value in reading):
        raise ValueError("it holds no reading; give rows of t_s, temp_celsius and freq_mhz")
    times = [t_s for t_s, _ in rows]
    for number, (before, after) in enumerate(pairwise(times), start=2):
        if after <= before:
            raise ValueError(
                f"row {number} is at {after:g} s and row {number - 1} at {before:g} s; give one run's rows in order"
            )
