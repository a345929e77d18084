"""Rows of runs that have not ended: what their spools hold up to the cursor, as it was when they were opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from store import converting, manifest, publishing, schema, spooled
from store.manifest import File, Manifest


def snapshot(run: Manifest) -> tuple[Manifest, Mapping[str, pa.Table]]:
    """Return a running run as if it had the files and cycles that it would have now, and the rows with ``run_id``.

    A run that was published meanwhile is returned as published, without rows of its own.
    """
    recorded = converting.recording(run.directory)
    names = spooled.names(run.conditions)
    tables = {stream: converting.reader(recorded, stream, names).read_all() for stream in recorded.streams}
    published = publishing.run_directory(run.directory.parent.parent, run.run_id)
    if publishing.is_published(published):
        return manifest.load(published), {}
    files = {f"{name}.parquet": File("", table.num_rows, _types(table)) for name, table in tables.items()}
    rows = {
        name: table.append_column("run_id", pa.repeat(run.run_id, table.num_rows))
        for name, table in tables.items()
    }
    return replace(run, run={**run.run, "n_cycles": _done(tables.get("cycles"))}, files=files), rows


def _done(cycles: pa.Table | None) -> int:
    """Return how many cycles the measured process has ended."""
    if cycles is None:
        return 0
    process = schema.conformed(cycles, pa.schema([("process", pa.int64())]))["process"]
    return pc.sum(pc.equal(process.fill_null(0), 0)).as_py() or 0


def _types(table: pa.Table) -> dict[str, str]:
    return {field.name: schema.duckdb_type(field.type) for field in table.schema}
