"""What is asked of whole fleets, reduced when a run is published: batches, totals, quantiles, sums of lines.

``digest.parquet`` is one long table, so that a new signal is new rows.  By ``part``:

* ``batch``: 150 stretches of equally many cycles (or readings); ``place`` counts them, ``x_mean`` is their mean cycle,
  ``y_mean`` and ``y_median`` the signal's.
* ``total``: sum of the signal, and of the wall time of the cycles where it was read.
* ``quantile``: of the cycle time; ``place`` is the level in thousandths, ``y_median`` the value.
* ``line``: ``n``, means and centred sums of the signal against the cycle's number, as a least-squares line needs them.

Only rows of the measured process and cycles from 0 count.  Everything is in the signal's own unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

FILE: Final = "digest.parquet"
BATCHES: Final = 150
LEVELS: Final = (0, 10, 50, 250, 500, 750, 950, 990, 1000)
SIGNALS: Final = {
    "cycles": (
        *("wall_ns", "net_ns", "cpu_ns", "runq_ns", "offcpu_ns", "gc_ns", "probe_ns", "sampling_ns"),
        *("sampling_calls", "population"),
    ),
    "probe_memory": ("rss_bytes",),
}
Floats = npt.NDArray[np.float64]


class Row(NamedTuple):
    """One row of a digest; what a part has not is NULL."""

    part: str
    signal: str
    place: int | None = None
    n: int | None = None
    x_mean: float | None = None
    y_mean: float | None = None
    y_median: float | None = None
    total: int | None = None
    covered_ns: int | None = None
    sxx: float | None = None
    sxy: float | None = None
    syy: float | None = None


_INTEGERS = ("place", "n", "total", "covered_ns")
_TEXTS = ("part", "signal")
COLUMNS: Final = pa.schema(
    [
        (name, pa.string() if name in _TEXTS else pa.int64() if name in _INTEGERS else pa.float64())
        for name in Row._fields
    ]
)


def of_files(directory: Path, names: Mapping[str, Any]) -> pa.Table | None:
    """Return the digest of a run from its files; None of one without cycles, or whose files cannot be read.

    Parameters
    ----------
    directory : Path
        Where the files lie.
    names : mapping
        Their names.
    """
    tables: dict[str, pa.Table] = {}
    try:
        for table, signals in SIGNALS.items():
            if f"{table}.parquet" in names:
                with pq.ParquetFile(directory / f"{table}.parquet") as file:
                    held = [
                        name for name in ("cycle", "process", *signals) if name in file.schema_arrow.names
                    ]
                    tables[table] = file.read(held)
    except (OSError, pa.ArrowException):  # the rows are what is published
        return None
    return of(tables) if "cycles" in tables and "cycle" in tables["cycles"].column_names else None


def of(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Return the digest of one run's tables."""
    found = [
        row
        for table, signals in SIGNALS.items()
        if table in tables
        for row in _of_table(_measured(tables[table]), signals)
    ]
    columns = zip(*sorted(found, key=lambda row: (row.part, row.signal, row.place or 0)), strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, COLUMNS, strict=False)]
    return pa.table(arrays, schema=COLUMNS) if found else COLUMNS.empty_table()


def _measured(rows: pa.Table) -> pa.Table:
    """Return the rows of the measured process from cycle 0 on, in their order."""
    kept = pc.greater_equal(rows["cycle"], 0)
    if "process" in rows.column_names:
        kept = pc.and_(kept, pc.equal(pc.coalesce(rows["process"], 0), 0))
    return rows.filter(kept).sort_by("cycle")


def _of_table(rows: pa.Table, signals: Sequence[str]) -> Iterator[Row]:
    cycle = rows["cycle"].to_numpy().astype(np.float64)
    wall = rows["wall_ns"] if "wall_ns" in rows.column_names else None
    batch = np.arange(len(cycle)) * min(BATCHES, len(cycle)) // max(1, len(cycle))
    for name in signals:
        if name not in rows.column_names or not pa.types.is_integer(rows[name].type):
            continue
        known = pc.is_valid(rows[name]).to_numpy()
        if not known.any():
            continue
        values = rows[name].drop_null()
        y = values.to_numpy().astype(np.float64)
        covered = None if wall is None else pc.sum(wall.filter(pa.array(known))).as_py()
        yield Row("total", name, n=len(y), total=pc.sum(values).as_py(), covered_ns=covered)
        yield _line(name, cycle[known], y)
        yield from _batches(name, batch[known], cycle[known], y)
        if name == "net_ns":
            found = np.quantile(y, [level / 1000 for level in LEVELS]).tolist()
            yield from (Row("quantile", name, k, y_median=v) for k, v in zip(LEVELS, found, strict=True))


def _line(name: str, x: Floats, y: Floats) -> Row:
    """Return means and centred sums, in two passes: one pass loses four digits at 1e9 ± 1e-4."""
    dx, dy, n = x - x.mean(), y - y.mean(), len(x)
    left, right = float(dx.sum()), float(dy.sum())
    moving = bool(np.ptp(x)), bool(np.ptp(y))
    return Row(
        "line",
        name,
        n=n,
        x_mean=float(x.mean()) + left / n,
        y_mean=float(y.mean()) + right / n,
        sxx=float(dx @ dx) - left * left / n if moving[0] else 0.0,
        sxy=float(dx @ dy) - left * right / n if all(moving) else 0.0,
        syy=float(dy @ dy) - right * right / n if moving[1] else 0.0,
    )


def _batches(name: str, batch: npt.NDArray[np.int64], x: Floats, y: Floats) -> Iterator[Row]:
    places, starts, counts = np.unique(batch, return_index=True, return_counts=True)
    # One sort for all medians: one call of np.median a batch took 40 times longer.
    ordered = y[np.lexsort((y, batch))]
    medians = (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2
    means = np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts
    cells = zip(*(cells.tolist() for cells in (places, counts, *means, medians)), strict=True)
    yield from (Row("batch", name, *row) for row in cells)
