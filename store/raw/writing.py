"""Write a run in the study's first raw form, with the signals that its own tests read."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any

from store import schema
from store.configured import mapping
from store.raw import times
from store.raw.fields import EXACT
from store.raw.form import (
    CYCLE_KEYS,
    FLAGS,
    MS,
    OWN,
    OWN_COUNTS,
    OWN_TEXTS,
    PROBES,
    SIGNALS,
)

if TYPE_CHECKING:
    from store.catalog import Catalog

_HOURS = Context(prec=30)
"""No float of hours gives every float of seconds back; thirty digits do."""

_SQL = {
    "runs": "-- one row: the run\nselect * from runs",
    "conditions": "-- one row per condition\nselect * from conditions order by position",
    "cycles": "-- one row per cycle and process\nselect * from cycles order by cycle, process",
    "memory": "-- one row per reading\nselect * from probe_memory where cycle is not null order by cycle, t_ns",
    "system": "-- one row per reading\nselect * from probe_system where cycle is not null order by cycle, t_ns",
    "thermal": "-- one row per reading\nselect * from probe_thermal where cycle is not null order by cycle, t_ns",
    "latency": "-- one row per reading\nselect * from probe_latency where cycle is not null order by cycle, t_ns",
}

Row = Mapping[str, Any]


def export_run(catalog: Catalog, run_id: str) -> dict[str, Any]:
    """Return a run in the first raw form.

    ``import_file`` of ``json_text`` of it gives back, exact to the last digit: experiment, optimization,
    workload, seed, replicate, start, end, duration, counts of cycles and calls, peak memory, Python, system
    and machine; every condition with its mechanisms, cycles, populations and wall time; of every cycle
    condition, number, process, end, wall time, sampling calls and observables; of every reading cycle, time,
    resident and virtual size, CPU and memory percentage, temperature, frequency, calls and their latency.

    The form has no place for, so that an import has NULL in: windows; CPU, run-queue, blocked, collector,
    probe and sampling time; faults and switches; what else probes read (proportional and unique set size,
    swap, load, garbage collector, allocator); readings of no known cycle; configuration, environment, error,
    tags, notes and the identity of sweep, host and commit.  ``runtime_ms`` is the wall time with our probes
    in it, so ``net_ns`` of an import is that.  NaN and infinities become null.  Where a workload calls an
    observable as the form calls another thing (``runtime_ms``, ``psutil_calls``, ``timestamp``), it is left
    out.

    Parameters
    ----------
    catalog : Catalog
        The store's catalog.
    run_id : str
        The run.

    Returns
    -------
    dict
        ``metadata``, ``conditions``, ``system_metrics``, ``io_metrics``, ``per_cycle_metrics``.  Values in
        derived units (ms, MB, hours) are ``Decimal``: write them with ``json_text``.

    Raises
    ------
    ValueError
        If the store holds no such run, or it is still running.
    """
    rows = {name: catalog.query(sql, runs=[run_id]) for name, sql in _SQL.items()}
    run = rows["runs"][0]
    if run["status"] == "running":
        raise ValueError(f"run {run_id} is still running; export it when it has ended")
    start_ns = None if run["started_at"] is None else times.unix_ns(run["started_at"])
    return {
        "metadata": _metadata(run),
        "conditions": [_condition(row) for row in rows["conditions"]],
        "system_metrics": _system_metrics(rows, start_ns),
        "io_metrics": [_call_latency(row) for row in rows["latency"]],
        "per_cycle_metrics": list(_cycles(rows["cycles"])),
    }


def export_name(record: Row, conditions: Sequence[Row] = ()) -> str:
    """Return a file name as the study gave them: ``cycle256_h1h4_cached_5d2f90ab_results.json``.

    Parameters
    ----------
    record : mapping
        The run's row of table ``runs``; the factors of its configuration give ``h1h4``.
    conditions : sequence of mapping
        Its rows of table ``conditions``, whose mechanisms give it where the configuration names no factors.
    """
    experiment = str(record["experiment"])
    number = experiment.removeprefix("c")
    factors = mapping(record.get("config")).get("factors")
    on = [mapping(row["mechanisms"]) for row in conditions]
    named = factors if factors and isinstance(factors, list) else [word for each in on for word in each]
    parts = (
        f"cycle{number}" if number.isdecimal() and number != experiment else experiment,
        "".join(flag[:2] for word, flag in FLAGS.items() if word in named),
        record.get("optimization"),
        str(record["run_id"])[-8:],
        "results.json",
    )
    return "_".join(part for part in parts if part).replace("/", "-")


def _metadata(run: Row) -> dict[str, Any]:
    mode, wall_s = run["optimization"], run["wall_s"]
    version = mode if mode in (None, "unoptimized") else "optimized"
    own = {name: run[name] for name in ("experiment", "run_id", *OWN_TEXTS, *OWN_COUNTS, "traced")}
    return {
        "experiment_id": run["experiment"],
        "script": "driftlab",
        "version": version,
        "start_time": _iso(run["started_at"]),
        "end_time": _iso(run["ended_at"]),
        "runtime_hours": None if wall_s is None else _HOURS.divide(Decimal(wall_s), 3600),
        "python_version": run["python"],
        "os": run["os"],
        OWN: own,
    }


def _condition(row: Row) -> dict[str, Any]:
    on = mapping(row["mechanisms"])
    flags = {FLAGS[word]: flag for word, flag in on.items() if word in FLAGS}
    others = {"mechanisms": on} if len(flags) < len(on) else {}
    return {
        "name": row["condition"],
        **flags,
        **others,
        "cycles": row["condition_cycles"],
        "final_population_mean": row["population_mean"],
        "final_population_sd": row["population_sd"],
        "final_population": row["population_final"],
        "max_population": row["population_max"],
        "runtime_seconds": row["condition_wall_s"],
    }


def _cycles(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    known = {*schema.arrow("cycles").names, *CYCLE_KEYS}
    observables = [name for name in (rows[0] if rows else ()) if name not in known]
    recorded = [name for name in observables if any(_finite(row[name]) is not None for row in rows)]
    for row in rows:
        worker = {"process": row["process"]} if row["process"] else {}
        yield {
            "cycle": row["cycle"],
            "condition": row["condition"],
            "runtime_ms": _divided(row["wall_ns"], MS),
            "psutil_calls": row["sampling_calls"],
            **{name: _finite(row[name]) for name in recorded},
            "t_ns": row["t_ns"],
            **worker,
        }


def _system_metrics(rows: Mapping[str, Sequence[Row]], start_ns: int | None) -> list[dict[str, Any]]:
    """Return one row per cycle with a reading of every probe; a probe's second reading in it, a second row.

    Probes read one after the other: ``timestamp`` is the last one's, ``<probe>_t_ns`` each one's own.
    """
    merged: dict[tuple[int, str, int], dict[str, Row]] = defaultdict(dict)
    for probe in PROBES:
        seen: dict[tuple[int, str], int] = defaultdict(int)
        for row in rows[probe]:
            at = (row["cycle"], row["condition"])
            merged[*at, seen[at]][probe] = row
            seen[at] += 1
    # In the order of cycles; conditions keep theirs, since a cycle lies in one of them.
    ordered = sorted(merged.items(), key=lambda item: (item[0][0], item[0][2]))
    return [_reading(at, found, start_ns) for at, found in ordered]


def _reading(at: tuple[int, str, int], found: Mapping[str, Row], start_ns: int | None) -> dict[str, Any]:
    elapsed = {probe: row["t_ns"] for probe, row in found.items()}
    last = max((t for t in elapsed.values() if t is not None), default=None)
    values = {
        signal.key: _signal(found[signal.probe][signal.column], signal.scale)
        if signal.probe in found
        else None
        for signal in SIGNALS
    }
    return {
        "timestamp": None if start_ns is None or last is None else times.iso(start_ns + last),
        "cycle": at[0],
        "condition": at[1],
        **values,
        **{f"{probe}_t_ns": t for probe, t in elapsed.items()},
    }


def _call_latency(row: Row) -> dict[str, Any]:
    ns = _finite(row["call_latency_ns"])
    return {
        "cycle": row["cycle"],
        "condition": row["condition"],
        "call_count": row["call_count"],
        "latency_ms": None if ns is None else EXACT.divide(Decimal(repr(ns)), MS),
        "t_ns": row["t_ns"],
    }


def _signal(value: Any, scale: int | None) -> Any:
    return _finite(value) if scale is None else _divided(value, scale)


def _divided(value: int | None, scale: int) -> Decimal | None:
    """Return a count in a larger unit, exact: 2^63 over 2^20 has 33 digits."""
    return None if value is None else EXACT.divide(Decimal(value), scale)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else times.iso(times.unix_ns(moment))
