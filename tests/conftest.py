"""Fixtures shared by all tests: runs made from plain columns, and the study's recorded files."""

from __future__ import annotations

import os
import signal
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings

from probes.identity import new_run_id
from store import schema
from store.publishing import publish

Columns = Mapping[str, Sequence[Any]]

# Neither a deadline nor the check for slow strategies tells a slow program from a busy machine.
settings.register_profile("suite", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Take signals again that are ignored, as in a shell's background job or under nohup: children inherit that."""
    for signum, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(signum) is signal.SIG_IGN:
            signal.signal(signum, handler)


def _length(columns: Columns) -> int:
    return max((len(values) for values in columns.values()), default=0)


def _arrow(table: str, columns: Columns) -> pa.Table:
    """Return plain columns as a row table of a run: core columns typed or NULL, others inferred."""
    n = _length(columns)
    core = schema.arrow(table, run_id=False) if table in schema.TABLES else pa.schema([])
    arrays = {
        field.name: pa.array(columns.get(field.name, [None] * n), field.type, from_pandas=False)
        for field in core
    }
    arrays |= {name: pa.array(list(values)) for name, values in columns.items() if name not in arrays}
    return pa.table(arrays)


def _cycles(columns: Columns) -> Columns:
    n = _length(columns)
    wall = columns.get("wall_ns")
    filled = {"condition": ["all"] * n, "cycle": range(n), "process": [0] * n}
    if wall is not None:
        probe = columns.get("probe_ns", [None] * n)
        filled["net_ns"] = [w - (p or 0) for w, p in zip(wall, probe, strict=True)]
        filled["t_ns"] = list(accumulate(wall))
    return {**filled, **columns}


def _condition(cycles: Columns, name: str, position: int) -> dict[str, Any]:
    at = [i for i, condition in enumerate(cycles["condition"]) if condition == name]
    row: dict[str, Any] = {
        "condition": name,
        "position": position,
        "mechanisms": {},
        "condition_cycles": len(at),
    }
    if "population" in cycles:
        people = [cycles["population"][i] for i in at]
        row |= {"population_mean": statistics.fmean(people), "population_sd": statistics.pstdev(people)}
        row |= {"population_final": people[-1], "population_max": max(people)}
    if "wall_ns" in cycles:
        row["condition_wall_s"] = sum(cycles["wall_ns"][i] for i in at) / 1e9
    return row


@pytest.fixture(scope="session")
def make_run() -> Callable[..., str]:
    """Publish an ordinary run from plain columns and return its id.

    Given ``cycles`` without them, ``cycle``, ``process``, ``condition`` ("all"), ``net_ns`` and ``t_ns`` are
    filled in; ``conditions`` are computed from ``cycles`` unless given.  Other keywords: columns of ``runs``.
    """

    def make(
        root: Path,
        *,
        experiment: str = "x",
        run_id: str | None = None,
        cycles: Columns | None = None,
        probes: Mapping[str, Columns] | None = None,
        windows: Columns | None = None,
        conditions: Sequence[Mapping[str, Any]] | None = None,
        status: str = "completed",
        **columns: Any,
    ) -> str:
        run_id = run_id or new_run_id()
        rows = _cycles(cycles or {})
        tables = {"cycles": _arrow("cycles", rows), "windows": _arrow("windows", windows or {})}
        for name, reading in (probes or {}).items():
            filled = {"condition": ["all"] * _length(reading), **reading}
            tables[f"probe_{name}"] = _arrow(f"probe_{name}", filled)
        if conditions is None:
            names = dict.fromkeys(rows["condition"])
            conditions = [_condition(rows, name, position) for position, name in enumerate(names)]
        record = {
            "run_id": run_id,
            "experiment": experiment,
            "status": status,
            "started_at": datetime.now(UTC),
            "n_cycles": _length(rows),
            "total_sampling_calls": sum(rows["sampling_calls"]) if "sampling_calls" in rows else None,
            "wall_s": sum(rows["wall_ns"]) / 1e9 if "wall_ns" in rows else None,
            **columns,
            "conditions": conditions,
        }
        publish(root, record, tables, staging=root / f".{run_id}")
        return run_id

    return make


@pytest.fixture(scope="session")
def archive() -> Path:
    """Return the directory of the study's recorded files."""
    default = Path(__file__).parents[2] / "shared" / "data" / "archive"
    path = Path(os.environ.get("DRIFTLAB_ARCHIVE", default))
    if not path.is_dir():
        pytest.skip(f"the recorded archive is not at {path}; set DRIFTLAB_ARCHIVE to its directory")
    return path
