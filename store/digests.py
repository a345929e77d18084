"""Digests of many runs at once: from one merged file in the cache, from the runs, or reduced from their rows.

A digest is a file of its run; a run published before there were digests gets its own in the cache alone.  Reading a
thousand files takes 0.5 s and a part of the merged one 10 ms, so a reader that had to read many leaves them merged.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store import digest, manifest, publishing
from store.stamps import HIVE_KEY, Stamp

MERGED = "catalog.digest.parquet"
WORTH_MERGING = 50
COLUMNS = pa.schema([pa.field("run_id", pa.string()), *digest.COLUMNS])
_ORDER = [("part", "ascending"), ("signal", "ascending"), ("run_id", "ascending"), ("place", "ascending")]


class _Merged(NamedTuple):
    """The merged file: its runs that are as they were, and whether it holds others too."""

    path: Path
    runs: Mapping[str, Stamp]


def collect(
    root: Path, found: Mapping[str, Stamp], runs: Sequence[str], *, part: str | None, signal: str | None
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
        As in ``store.digest``.
    """
    merged = _merged(root, found)
    missing = [run_id for run_id in runs if HIVE_KEY + run_id not in merged.runs]
    read = pa.concat_tables([COLUMNS.empty_table(), *(of_run(root, run_id) for run_id in missing)])
    if len(missing) >= WORTH_MERGING:
        with suppress(OSError):  # a cache
            _merge(root, merged, found, missing, read)
    wanted = _wanted(part, signal)
    parts = [only(read, part, signal)]
    if held := {run_id for run_id in runs if HIVE_KEY + run_id in merged.runs}:
        old = pq.read_table(merged.path, schema=COLUMNS, filters=wanted or None, partitioning=None)
        whole = len(held) == len(merged.runs)
        parts.append(
            old if whole else old.filter(pc.field("run_id").isin(pa.array(sorted(held), pa.string())))
        )
    return pa.concat_tables(parts).replace_schema_metadata()


def of_run(root: Path, run_id: str) -> pa.Table:
    """Return one run's digest: its file if it has one, else reduced from its rows."""
    directory = publishing.run_directory(root, run_id)
    try:
        files = manifest.load(directory).files
        held = digest.FILE in files
        rows = (
            pq.read_table(directory / digest.FILE, partitioning=None)
            if held
            else digest.of_files(directory, files)
        )
    except (OSError, ValueError, pa.ArrowException):
        rows = digest.of_files(directory, {path.name: None for path in directory.glob("*.parquet")})
    return with_run(run_id, digest.COLUMNS.empty_table() if rows is None else rows)


def with_run(run_id: str, rows: pa.Table) -> pa.Table:
    """Return a digest with the run's id in front."""
    ids = pa.array([run_id], pa.string()).take(pa.nulls(rows.num_rows, pa.int8()).fill_null(0))
    return pa.table([ids, *rows.columns], schema=COLUMNS)


def only(rows: pa.Table, part: str | None, signal: str | None) -> pa.Table:
    """Return the rows of one part or signal."""
    for name, _, value in _wanted(part, signal):
        rows = rows.filter(pc.field(name) == value)
    return rows


def _wanted(part: str | None, signal: str | None) -> list[tuple[str, str, str]]:
    return [(name, "==", value) for name, value in (("part", part), ("signal", signal)) if value is not None]


def _merged(root: Path, found: Mapping[str, Stamp]) -> _Merged:
    path = root / MERGED
    try:
        kept: dict[str, Any] = json.loads(pq.read_schema(path).metadata[b"runs"])
        return _Merged(
            path, {name: stamp for name, stamp in kept.items() if found.get(name, [])[:3] == stamp}
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException):
        return _Merged(path, {})


def _merge(
    root: Path, merged: _Merged, found: Mapping[str, Stamp], missing: Sequence[str], read: pa.Table
) -> None:
    old = COLUMNS.empty_table()
    if merged.runs:
        old = pq.read_table(merged.path, schema=COLUMNS, partitioning=None).replace_schema_metadata()
        old = old.filter(
            pc.field("run_id").isin(
                pa.array([name.removeprefix(HIVE_KEY) for name in merged.runs], pa.string())
            )
        )
    runs = {**merged.runs, **{HIVE_KEY + run_id: found[HIVE_KEY + run_id][:3] for run_id in missing}}
    table = pa.concat_tables([old, read]).sort_by(_ORDER).replace_schema_metadata({"runs": json.dumps(runs)})
    new = root / f"catalog.{uuid.uuid4().hex}.tmp"
    pq.write_table(table, new, compression="zstd", row_group_size=16_384)
    new.replace(root / MERGED)
