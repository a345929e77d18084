"""Digests of many runs at once: from one merged file in the cache, from the runs, or reduced from their rows.

A digest is a file of its run; a run published before there were digests gets its own in the cache alone.  Reading a
thousand files takes 0.5 s and a part of the merged one 10 ms, so a reader that had to read many leaves them merged.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from difflib import get_close_matches
from functools import reduce
from hashlib import sha256
from operator import and_
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store import manifest, publishing, schema
from store.cache import keeping
from store.cache.stamps import HIVE_KEY, Stamp
from store.reduced import digest

MERGED = "catalog.digest.parquet"
WORTH_MERGING = 50
COLUMNS = pa.schema([pa.field("run_id", pa.string()), *digest.COLUMNS])
_MADE_BY = sha256(f"2 {COLUMNS} {digest.VERSION}".encode()).hexdigest()[:16]
SUMS: Final = {
    "pair": (
        *("n_x", "n_y", "n", "x_mean", "y_mean", "sxx", "sxy", "syy"),
        *("middle", "half", "u_mean", "q_mean", "suu", "suq", "sqq", "suv", "sqv"),
    ),
    "plateau": ("place", "n", "n_x", "n_y", "y_mean"),
    "total": ("n", "total", "covered_ns"),
}
"""The parts that judgements read, and the columns of each."""

Sums: TypeAlias = Mapping[str, dict[str, dict[str, Any]]]
"""Part → signal → its columns."""

_ORDER = [("part", "ascending"), ("signal", "ascending"), ("run_id", "ascending"), ("place", "ascending")]


def collect(
    root: Path,
    found: Mapping[str, Stamp],
    runs: Sequence[str],
    *,
    part: str | Collection[str] | None,
    signal: str | None,
) -> pa.Table:
    """Return the digests of published runs, with ``run_id``; of one part or signal only, if asked.

    Parameters
    ----------
    root : Path
        The store.
    found : mapping
        The stamps of its runs.
    runs : sequence of str
        Ids; one whose files cannot be read has no rows.
    part, signal : str, optional
        As in ``store.reduced.digest``; of ``part`` also several.

    Raises
    ------
    ValueError
        If there is no such part.
    """
    wanted = _wanted(part, signal)
    merged = _merged(root, found, wanted)
    missing = [run_id for run_id in runs if run_id not in merged.runs]
    read = pa.concat_tables([COLUMNS.empty_table(), *(of_run(root, run_id) for run_id in missing)])
    if len(missing) >= WORTH_MERGING:
        with suppress(OSError):  # a cache
            _merge(root, found, missing, read)
    asked = merged.rows.filter(_of({*runs}.intersection(merged.runs)))
    return pa.concat_tables([only(read, part, signal), asked])


def of_run(root: Path, run_id: str) -> pa.Table:
    """Return one run's digest: its file if it has one of this version, else reduced from its rows."""
    directory = publishing.run_directory(root, run_id)
    files: Mapping[str, Any] = {path.name: None for path in directory.glob("*.parquet")}
    with suppress(ValueError):
        files = manifest.load(directory).files
    rows = _file(directory / digest.FILE) if digest.FILE in files else None
    if rows is None:
        rows = digest.of_files(directory, files)
    return with_run(run_id, digest.COLUMNS.empty_table() if rows is None else rows)


def _file(path: Path) -> pa.Table | None:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            rows = file.read(use_threads=False)  # 0.8 ms of CPU time against 1.9 by read_table
    except (OSError, pa.ArrowException):
        return None
    return rows if rows.schema.equals(digest.COLUMNS, check_metadata=True) else None


def sums(rows: pa.Table) -> dict[str, Sums]:
    """Return pairs, totals and plateaus by run; none of a run whose digest could not be made."""
    found: dict[str, Sums] = {}
    for part, columns in SUMS.items():
        own = only(rows, part, None)
        keys = zip(own["run_id"].to_pylist(), own["signal"].to_pylist(), strict=True)
        values = zip(*(own[name].to_pylist() for name in columns), strict=True)
        for (run_id, signal), row in zip(keys, values, strict=True):
            run = found.setdefault(run_id, {name: {} for name in SUMS})
            run[part][signal] = dict(zip(columns, row, strict=True))
    return found


def with_run(run_id: str, rows: pa.Table) -> pa.Table:
    """Return a digest with the run's id in front."""
    return pa.table([pa.repeat(run_id, rows.num_rows), *rows.columns], schema=COLUMNS)


def only(rows: pa.Table, part: str | Collection[str] | None, signal: str | None) -> pa.Table:
    """Return the rows of some parts, or of one signal."""
    wanted = _wanted(part, signal)
    return rows if wanted is None else rows.filter(wanted)


def check_signal(signal: str, held: Set[str]) -> None:
    """Refuse a typing error: what no digest of a store holds, and no column of ours is called."""
    ours = {column.name for table in schema.TABLES.values() for column in table.columns}
    if held and signal not in held | ours:
        near = get_close_matches(signal, held, 1)
        meant = f"did you mean {near[0]}?" if near else f"they have {', '.join(sorted(held))}"
        raise ValueError(f"no digest of the store has a signal {signal!r}; {meant}")


def _wanted(part: str | Collection[str] | None, signal: str | None) -> pc.Expression | None:
    parts = [part] if isinstance(part, str) else part
    if unknown := [name for name in parts or () if name not in digest.PARTS]:
        raise ValueError(f"a digest has no part {unknown[0]!r}; it has {', '.join(digest.PARTS)}")
    asked = (("part", parts), ("signal", None if signal is None else [signal]))
    conditions = [pc.field(name).isin(list(values)) for name, values in asked if values is not None]
    return reduce(and_, conditions) if conditions else None


class _Merged(NamedTuple):
    """What the merged file holds: its runs that are as they were, and rows, of other runs too."""

    runs: Mapping[str, Stamp]
    rows: pa.Table


def _merged(root: Path, found: Mapping[str, Stamp], wanted: pc.Expression | None) -> _Merged:
    """Return the wanted rows of the merged file; none where it is missing, damaged or of another version."""
    try:
        with pa.OSFile(str(root / MERGED)) as file:  # opened once: another process may replace it meanwhile
            told = pq.read_schema(file).metadata
            kept: dict[str, Any] = json.loads(told[b"runs"]) if told[b"made_by"].decode() == _MADE_BY else {}
            right = {run_id: stamp for run_id, stamp in kept.items() if _stamp(found, run_id) == stamp}
            if not right:
                return _Merged({}, COLUMNS.empty_table())
            rows = pq.read_table(file, schema=COLUMNS, filters=wanted, page_checksum_verification=True)
            return _Merged(right, rows.replace_schema_metadata())
    except (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException):
        return _Merged({}, COLUMNS.empty_table())


def _stamp(found: Mapping[str, Stamp], run_id: str) -> Stamp:
    """Return what tells one state of a run's files from the next; layers change no digest."""
    return found.get(HIVE_KEY + run_id, [])[:3]


def write(root: Path, columns: pa.Schema, tables: Iterable[pa.Table]) -> None:
    """Put merged digests in place of the old ones."""
    new = root / f"catalog.{uuid.uuid4().hex}.tmp"
    try:
        with pq.ParquetWriter(new, columns, compression="zstd", write_page_checksum=True) as file:
            for table in tables:
                file.write_table(table, row_group_size=16_384)
        new.replace(root / MERGED)
    finally:
        new.unlink(missing_ok=True)


def _merge(root: Path, found: Mapping[str, Stamp], missing: Sequence[str], read: pa.Table) -> None:
    """Leave what was read merged with what was merged already, but for runs that were removed meanwhile."""
    with keeping.exclusive(root, wait=False) as alone:
        if not alone:
            return
        merged = _merged(root, found, None)
        kept = sorted(merged.runs.keys() - set(missing))
        there = [run_id for run_id in [*kept, *missing] if _is_there(root, run_id)]
        rows = pa.concat_tables([merged.rows.filter(_of(kept)), read])
        if len(there) < len(kept) + len(missing):
            rows = rows.filter(_of(there))
        rows = rows.sort_by(_ORDER)
        told = {"runs": json.dumps({run_id: _stamp(found, run_id) for run_id in there}), "made_by": _MADE_BY}
        columns = COLUMNS.with_metadata(told)
        write(root, columns, [rows.cast(columns)])


def _is_there(root: Path, run_id: str) -> bool:
    return publishing.is_published(publishing.run_directory(root, run_id))


def _of(runs: Iterable[str]) -> pc.Expression:
    return pc.field("run_id").isin(pa.array(sorted(runs), pa.string()))
