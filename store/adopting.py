"""Publish a run from its spool directory alone, whoever is still alive.

Idempotent at every step: an adopter that dies leaves a spool that can be adopted again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from probes import durable, ownership
from store import converting, publishing, schema, spooled
from store.publishing import CannotPublish
from store.spooled import End, Job

__all__ = ["CannotPublish", "adopt"]

STAGING = "publish"
"""Directory inside the spool that holds the unfinished run: one rename away from ``runs``."""

CONDITIONS = """
-- one row per condition that has cycles: what table conditions and the run's totals need of them
select condition, count(*) as condition_cycles, sum(wall_ns) / 1e9 as condition_wall_s,
    sum(sampling_calls) as sampling_calls, max(t_ns) as t_ns,
    avg(population) as population_mean, stddev_pop(population) as population_sd,
    arg_max(population, cycle) as population_final, max(population) as population_max
from cycles
where coalesce(process, 0) = 0
group by condition
"""

REDUCED = pa.schema(
    [
        *(
            field
            for field in schema.arrow("cycles", run_id=False)
            if field.name in ("condition", "cycle", "process", "t_ns", "wall_ns", "sampling_calls")
        ),
        pa.field("population", pa.float64()),
    ]
)
"""The columns of cycles that ``CONDITIONS`` reads."""

Totals = Mapping[str | None, Mapping[str, Any]]


def adopt(spool: Path, *, wait: bool = False, own: bool = False, force: bool = False) -> str | None:
    """Publish the run of one spool directory and remove the spool.

    Parameters
    ----------
    spool : Path
        ``<store>/spool/<run_id>``.
    wait : bool
        Wait for the owner to end, or for another adopter; else skip a spool that is locked.
    own : bool
        The caller started the run and knows that it ended: a spool without a lock file is adopted at once.
    force : bool
        Adopt also where the file system has no locks.  The caller vouches that the run has ended.

    Returns
    -------
    str or None
        The run's id if the run is published now, by this call or before it; None if it was skipped.

    Raises
    ------
    CannotPublish
        If the store cannot be written; the spool stays.
    OSError
        If the path is no UTF-8 text.
    ValueError
        If ``job.json`` cannot be read.
    """
    durable.named(spool)
    spool = spool.absolute()
    run_id, root = spool.name, spool.parent.parent
    final = publishing.run_directory(root, run_id)
    try:
        with _claim(spool, wait=wait, own=own, force=force) as claimed:
            if claimed and spool.exists():
                if not publishing.is_published(final):
                    _publish(spool, root)
                _remove(spool)
    except OSError as error:
        if not publishing.is_published(final):  # else only the spool is left over
            raise publishing.refusal(root, run_id, error) from error
    return run_id if publishing.is_published(final) else None


def _claim(spool: Path, *, wait: bool, own: bool, force: bool) -> AbstractContextManager[bool]:
    if force and spool.exists() and ownership.state(spool) == "unlockable":
        return nullcontext(True)
    return ownership.adopt_lock(spool, wait=wait, own=own or force)


def _publish(spool: Path, root: Path) -> None:
    job = spooled.read_job(spool)
    staging = spool / STAGING
    publishing.prepare(staging)
    recorded = converting.recording(spool)
    names = spooled.names(job.conditions)
    files = {
        f"{stream}.parquet": publishing.write(
            staging / f"{stream}.parquet", converting.reader(recorded, stream, names)
        )
        for stream in recorded.streams
    }
    end, problems = spooled.read_end(spool)
    totals = _totals(staging / "cycles.parquet")
    record = _record(job, end, totals, _started(spool, recorded, end))
    record["notes"] = [*record["notes"], *problems, *recorded.problems]
    publishing.commit(root, record, files, staging=staging, log=spool / "log")


def _remove(spool: Path) -> None:
    """Remove a spool, what makes it adoptable last; what cannot be removed now goes with the next refresh."""
    last = ("job.json", "owner.pid", "owner.lock")
    for path in spool.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name not in last:
            path.unlink(missing_ok=True)
    for name in last:
        (spool / name).unlink(missing_ok=True)
    spool.rmdir()


def _totals(cycles: Path) -> Totals:
    """Reduce the run's cycles by condition; ``population`` is NULL where the workload has none."""
    with pq.ParquetFile(cycles) as file, duckdb.connect() as connection:
        connection.register("cycles", pa.RecordBatchReader.from_batches(REDUCED, _reduced(file)))
        result = connection.execute(CONDITIONS)
        names = [column[0] for column in result.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        connection.unregister("cycles")
    return {row["condition"]: row for row in rows}


def _reduced(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Read the columns that the totals need, batch by batch.

    A dataset would read ahead of the reduction: 200 MiB more at 5 million cycles, and growing with them.
    """
    there = [name for name in REDUCED.names if name in file.schema_arrow.names]
    for batch in file.iter_batches(columns=there):
        columns = [
            batch.column(field.name).cast(field.type)
            if field.name in there
            else pa.nulls(batch.num_rows, field.type)
            for field in REDUCED
        ]
        yield pa.record_batch(columns, schema=REDUCED)


def _started(spool: Path, recorded: converting.Recording, end: End | None) -> datetime:
    """Return when the run started: by the recording's own clock origin, else the owner's word, else the job."""
    segments = [segment for segments in recorded.streams.values() for segment in segments]
    if segments:
        return _moment(segments[0].started_at_ns)
    if end and end.run["started_at"]:
        told: datetime = end.run["started_at"]
        return told
    return _moment((spool / "job.json").stat().st_mtime_ns)


def _moment(unix_ns: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=unix_ns // 1000)


def _record(job: Job, end: End | None, totals: Totals, started: datetime) -> dict[str, Any]:
    """Return the row of table ``runs`` and what else stands in ``run.json``."""
    cycles = sum(total["condition_cycles"] for total in totals.values())
    return {
        **job.run,
        **(_ended(end) if end else _vanished(totals, started, cycles)),
        "started_at": started,
        "n_cycles": cycles,
        "total_sampling_calls": _sampling_calls(end, totals),
        "conditions": list(_conditions(job, totals)),
    }


def _sampling_calls(end: End | None, totals: Totals) -> int | None:
    # The meters count what building a condition samples too; a run that was killed has only its rows.
    if end and end.run["total_sampling_calls"] is not None:
        return int(end.run["total_sampling_calls"])
    calls = [total["sampling_calls"] for total in totals.values() if total["sampling_calls"] is not None]
    return sum(calls) if calls else None


def _ended(end: End) -> dict[str, Any]:
    told = ("status", "error", "ended_at", "wall_s", "cpu_s", "peak_rss_bytes")
    row = {name: end.run[name] for name in told}
    return {**row, "modules": end.modules, "observer": end.observer, "notes": end.run["notes"] or []}


def _vanished(totals: Totals, started: datetime, cycles: int) -> dict[str, Any]:
    """Return the end of a run whose owner was killed: its last row is its last sign of life."""
    last_ns = max((total["t_ns"] for total in totals.values() if total["t_ns"] is not None), default=None)
    return {
        "status": "interrupted",
        "error": f"the measured process ended without a word after {cycles} cycles: killed, or the machine stopped",
        "ended_at": None if last_ns is None else started + timedelta(microseconds=last_ns // 1000),
        "wall_s": None if last_ns is None else last_ns / 1e9,
        "notes": [],
    }


def _conditions(job: Job, totals: Totals) -> Iterator[dict[str, Any]]:
    for condition in job.conditions:
        total = totals.get(condition["condition"], {"condition_cycles": 0})
        yield {**condition, **{name: total[name] for name in condition if name in total}}
