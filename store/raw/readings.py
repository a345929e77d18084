"""Rows of ``system_metrics`` and ``io_metrics`` as readings of our probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from store import schema
from store.raw.cycles import Clock, number
from store.raw.fields import EXACT, Field
from store.raw.form import MS, PROBES, SIGNALS, Signal
from store.raw.timeline import Place, Timeline, place_readings


def system(
    rows: Sequence[Field], line: Timeline, names: Mapping[str, str], clock: Clock
) -> dict[str, pa.Table]:
    """Return the readings of memory, machine and sensors; a probe has one where the row holds a value of it."""
    found: dict[str, list[dict[str, Any]]] = {probe: [] for probe in PROBES}
    for row, place in _placed(rows, line, names):
        for probe in PROBES:
            own = f"{probe}_t_ns"
            values = {s.column: _value(row.get(s.key), s) for s in SIGNALS if s.probe == probe}
            if row.has(own) or any(value is not None for value in values.values()):
                found[probe].append({**place, "t_ns": clock.elapsed(row, own), **values})
    return _tables(found)


def latency(
    rows: Sequence[Field], line: Timeline, names: Mapping[str, str], clock: Clock
) -> dict[str, pa.Table]:
    """Return the readings of the workload's sampling calls."""
    found = [
        {
            **place,
            "t_ns": clock.elapsed(row),
            "call_count": row.get("call_count").whole(at_least=0),
            "call_latency_ns": _nanoseconds(row.get("latency_ms")),
        }
        for row, place in _placed(rows, line, names)
    ]
    return _tables({"latency": found})


def _placed(
    rows: Sequence[Field], line: Timeline, names: Mapping[str, str]
) -> Iterator[tuple[Field, dict[str, Any]]]:
    places = [Place(row, None, number(row, at_least=-1)) for row in rows]
    for row, cycle in zip(rows, place_readings(places, line), strict=True):
        said = row.get("condition").text()
        if said is not None and said not in names:
            raise row.get("condition").refusal(f"one of the file's conditions ({', '.join(names)})")
        condition = line.condition(cycle) if said is None else names[said]
        yield row, {"condition": condition, "cycle": cycle}


def _value(field: Field, signal: Signal) -> float | int | None:
    return field.real() if signal.scale is None else field.scaled(signal.scale, at_least=0)


def _nanoseconds(milliseconds: Field) -> float | None:
    found = milliseconds.number(at_least=0)
    return None if found is None else float(EXACT.multiply(found, MS))


def _tables(found: Mapping[str, list[dict[str, Any]]]) -> dict[str, pa.Table]:
    return {
        f"probe_{probe}": pa.Table.from_pylist(rows, schema=schema.arrow(f"probe_{probe}", run_id=False))
        for probe, rows in found.items()
        if rows
    }
