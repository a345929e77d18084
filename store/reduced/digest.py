"""What is asked of whole fleets, reduced when a run is published: batches, totals, quantiles, sums of pairs.

``digest.parquet`` is one long table, so that a new signal is new rows.  By ``part``:

* ``batch``: 150 stretches of equally many cycles (or readings); ``place`` counts them, ``x_mean`` is their mean cycle,
  ``y_mean`` and ``y_median`` the signal's.
* ``total``: sum of the signal, and of the wall time of the cycles where it was read.  ``cycles`` counts them all,
  ``busy_ns`` is CPU time and waiting for one, ``windows.*`` are of that table, ``threads`` is the most in a window.
* ``quantile``: of the cycle time; ``place`` is the level in thousandths, ``y_median`` the value.
* ``line``: ``n``, means and centred sums of the signal against the cycle's number, as a least-squares line needs them.
* ``pair``: what a test correlates, ``signal`` a name of ``store.reduced.pairs``; the sums are its kernel's.
* ``plateau``: by condition (``signal``), whether the population ends at its largest, ``y_mean``: ``n_x`` is the stretch
  of its cycles, from ``place`` on, and ``n_y`` the part of it after the last smaller one.

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

from store.reduced import moments, pairs
from store.reduced.moments import Floats

FILE: Final = "digest.parquet"
VERSION: Final = {b"digest": b"2"}
"""In the file's schema; a digest without it is made again from the rows, in the cache."""
PARTS: Final = ("batch", "total", "quantile", "line", "pair", "plateau")
BATCHES: Final = 150
LEVELS: Final = (0, 10, 50, 250, 500, 750, 950, 990, 1000)
SIGNALS: Final = {
    "cycles": (
        *("wall_ns", "net_ns", "cpu_ns", "runq_ns", "offcpu_ns", "gc_ns", "probe_ns", "sampling_ns"),
        *("sampling_calls", "population"),
    ),
    "probe_memory": ("rss_bytes",),
}
READ: Final = {
    "cycles": ("cycle", "process", "condition", *SIGNALS["cycles"]),
    "windows": ("last_cycle", "wall_ns", "cpu_ns", "offcpu_ns", "threads"),
    **{f"probe_{name}": ("cycle", "t_ns", *fields) for name, fields in pairs.PROBES.items()},
}
"""The tables that a digest is made of, and their columns."""


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
    n_x: int | None = None
    n_y: int | None = None
    middle: float | None = None
    half: float | None = None
    u_mean: float | None = None
    q_mean: float | None = None
    suu: float | None = None
    suq: float | None = None
    sqq: float | None = None
    suv: float | None = None
    sqv: float | None = None


_INTEGERS = ("place", "n", "total", "covered_ns", "n_x", "n_y")
_TEXTS = ("part", "signal")
COLUMNS: Final = pa.schema(
    [
        (name, pa.string() if name in _TEXTS else pa.int64() if name in _INTEGERS else pa.float64())
        for name in Row._fields
    ],
    metadata=VERSION,
)


def of_files(directory: Path, names: Mapping[str, Any]) -> pa.Table | None:
    """Return the digest of a run from its files; None of one whose files cannot be read.

    Parameters
    ----------
    directory : Path
        Where the files lie.
    names : mapping
        Their names.
    """
    tables: dict[str, pa.Table] = {}
    try:
        for table, columns in READ.items():
            if f"{table}.parquet" in names:
                with pq.ParquetFile(directory / f"{table}.parquet") as file:
                    tables[table] = file.read([name for name in columns if name in file.schema_arrow.names])
        return of(tables)
    except (OSError, LookupError, pa.ArrowException):  # the rows are what is published
        return None


def of(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Return the digest of one run's tables."""
    with np.errstate(all="ignore"):  # what is too large for double precision is said by the tests
        found = list(_rows(tables))
    columns = zip(*sorted(found, key=lambda row: (row.part, row.signal, row.place or 0)), strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, COLUMNS, strict=True)]
    return pa.table(arrays, schema=COLUMNS)


def _rows(tables: Mapping[str, pa.Table]) -> Iterator[Row]:
    measured = {table: _measured(tables[table]) for table in SIGNALS if table in tables}
    for table, rows in measured.items():
        yield from _of_table(rows, SIGNALS[table])
    cycles = measured.get("cycles")
    if cycles is not None:
        yield from _all_cycles(cycles)
    if "windows" in tables:
        yield from _windows(tables["windows"])
    probes = {name: tables[f"probe_{name}"] for name in pairs.PROBES if f"probe_{name}" in tables}
    for name, sums in pairs.of(cycles, probes):
        yield Row("pair", name, **sums)  # type: ignore[arg-type]


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
        yield Row("line", name, n=len(y), **moments.centred(cycle[known], y))  # type: ignore[arg-type]
        yield from _batches(name, batch[known], cycle[known], y)
        if name == "net_ns":
            found = np.quantile(y, [level / 1000 for level in LEVELS]).tolist()
            yield from (Row("quantile", name, k, y_median=v) for k, v in zip(LEVELS, found, strict=True))


def _all_cycles(rows: pa.Table) -> Iterator[Row]:
    """Yield what takes more than one column of the cycles."""
    yield Row("total", "cycles", n=rows.num_rows)
    names = rows.column_names
    if "cpu_ns" in names and rows["cpu_ns"].null_count < rows.num_rows:
        known = rows.filter(pc.is_valid(rows["cpu_ns"]))
        waiting = [pc.sum(known[name]).as_py() or 0 for name in ("cpu_ns", "runq_ns") if name in names]
        covered = pc.sum(known["wall_ns"]).as_py() if "wall_ns" in names else None
        yield Row("total", "busy_ns", n=known.num_rows, total=sum(waiting), covered_ns=covered)
    if "population" in names and "condition" in names:
        counted = rows.filter(pc.is_valid(rows["population"]))
        for name in counted["condition"].unique().to_pylist():
            own = pc.is_null(counted["condition"]) if name is None else pc.equal(counted["condition"], name)
            yield _plateau(name or "", counted.filter(own))


def _plateau(name: str, rows: pa.Table) -> Row:
    cycle, population = rows["cycle"].to_numpy(), pairs.floats(rows, "population")
    first, last, cap = int(cycle.min()), int(cycle.max()), float(population.max())
    below = int(cycle[population < cap].max(initial=first - 1))
    return Row("plateau", name, first, n=len(cycle), n_x=last - first + 1, n_y=last - below, y_mean=cap)


def _windows(rows: pa.Table) -> Iterator[Row]:
    """Yield totals over the windows that end at a cycle, and the most threads of any."""
    names = rows.column_names
    if "threads" in names and (most := pc.max(rows["threads"]).as_py()) is not None:
        yield Row("total", "threads", total=most)
    rows = rows.filter(pc.is_valid(rows["last_cycle"]))
    for name in ("cpu_ns", "offcpu_ns"):
        known = rows.filter(pc.is_valid(rows[name])) if name in names else rows.slice(0, 0)
        if known.num_rows:
            total, covered = (pc.sum(known[column]).as_py() for column in (name, "wall_ns"))
            yield Row("total", f"windows.{name}", n=known.num_rows, total=total, covered_ns=covered)


def _batches(name: str, batch: npt.NDArray[np.int64], x: Floats, y: Floats) -> Iterator[Row]:
    places, starts, counts = np.unique(batch, return_index=True, return_counts=True)
    # One sort for all medians: one call of np.median a batch took 40 times longer.
    ordered = y[np.lexsort((y, batch))]
    medians = (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2
    means = np.add.reduceat(x, starts) / counts, np.add.reduceat(y, starts) / counts
    cells = zip(*(cells.tolist() for cells in (places, counts, *means, medians)), strict=True)
    yield from (Row("batch", name, *row) for row in cells)
