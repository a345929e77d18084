"""Write one run into a store: files beside, then one rename.

A run is wholly there or not there; nobody waits for a lock and nothing is changed afterwards.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from probes import durable
from store import schema
from store.reduced import digest
from store.values import plain

ROW_GROUP = 122_880
"""Rows buffered before they are written: DuckDB's own row group, 25 MB at 25 columns."""

UNFINISHED = ".import-"
"""What the name of an unfinished import begins with, among the runs; an old one goes with the next refresh."""

Data: TypeAlias = pa.Table | pa.RecordBatchReader


class CannotPublish(OSError):  # noqa: N818 - reads as the sentence it is
    """The store cannot be written; the spool stays and can be adopted later."""


def publish(
    root: Path,
    record: Mapping[str, Any],
    tables: Mapping[str, Data],
    *,
    staging: Path,
    log: Path | None = None,
    called: str | None = None,
) -> Path:
    """Publish one run.

    Parameters
    ----------
    root : Path
        The store; created if it is missing.
    record : mapping
        Values of table ``runs`` by column name (missing = NULL; JSON columns as objects or as text), and
        ``conditions`` (rows of that table without ``run_id``), ``modules``, ``observer``.
    tables : mapping
        Row tables by name, without ``run_id``; a reader is written batch by batch.
    staging : Path
        Directory on the store's file system for the unfinished run; its contents are replaced.
    log : Path, optional
        What the measured process printed; copied.
    called : str, optional
        What the run comes from, if a refusal is to name that.

    Returns
    -------
    Path
        The run's directory.  A run that is published already is left as it is.

    Raises
    ------
    CannotPublish
        If the store cannot be written.
    """
    final = run_directory(root, record["run_id"])
    if is_published(final):
        return final
    try:
        prepare(staging)
        files = {f"{name}.parquet": write(staging / f"{name}.parquet", data) for name, data in tables.items()}
        commit(root, record, files, staging=staging, log=log)
    except OSError as error:
        reason, remedy = _why(error)
        what = (
            f"{called} cannot be imported into"
            if called
            else f"run {record['run_id']} cannot be published in"
        )
        raise CannotPublish(f"{what} {root} ({reason}); {remedy}") from error
    return final


def run_directory(root: Path, run_id: str) -> Path:
    """Return where a run lies once it is published."""
    return root / "runs" / f"run_id={run_id}"


def is_published(directory: Path) -> bool:
    """Tell whether ``directory`` holds a run: ``run.json``, written last, is the commit."""
    try:
        return (directory / "run.json").is_file()
    except PermissionError:  # something is there, and whoever reads it says so
        return True


def refusal(root: Path, run_id: str, error: Exception) -> CannotPublish:
    """Return the one sentence that says why a spool could not be published."""
    reason, remedy = _why(error)
    return CannotPublish(
        f"run {run_id} cannot be published in {root} ({reason}); {remedy}, then adopt the spool"
    )


def prepare(staging: Path) -> None:
    """Make ``staging`` an empty directory: what a killed adopter left in it goes."""
    if staging.exists():
        shutil.rmtree(staging)
    durable.make(staging)


def write(path: Path, data: Data) -> dict[str, Any]:
    """Write one table as Parquet, fsync'd, and return its entry in ``files``.

    DELTA_BINARY_PACKED with zstd 3 and no dictionary for integers: 17.5 bytes a row of the spool's columns
    against 31 with the default dictionary, at a third of the time.
    """
    rows = 0
    with pq.ParquetWriter(path, data.schema, write_page_checksum=True, **_encoding(data.schema)) as writer:
        for group in _groups(data):
            writer.write_table(group, row_group_size=ROW_GROUP)
            rows += group.num_rows
    durable.sync(path)
    columns = {field.name: schema.duckdb_type(field.type) for field in data.schema}
    return {"sha256": sha256(path), "rows": rows, "columns": columns}


def commit(
    root: Path,
    record: Mapping[str, Any],
    files: Mapping[str, Mapping[str, Any]],
    *,
    staging: Path,
    log: Path | None = None,
) -> None:
    """Add digest, log and ``run.json`` to the written files and rename ``staging`` to the run's directory."""
    named = dict(files)
    digested = digest.of_files(staging, files)
    if digested is not None:
        named[digest.FILE] = write(staging / digest.FILE, digested)
    if log is not None and log.is_file():
        shutil.copyfile(log, staging / "log")
        durable.sync(staging / "log")
        named["log"] = {"sha256": sha256(staging / "log")}
    _write_json(staging / "run.json", document(record, named))
    place(staging, run_directory(root, record["run_id"]))


def place(staging: Path, final: Path) -> bool:
    """Rename a finished run to its place; False if somebody else published it first: theirs stands."""
    durable.sync(staging)
    durable.make(final.parent)
    new = True
    try:
        staging.rename(final)
    except OSError:
        if not is_published(final):
            raise
        new = False
    durable.sync(final.parent)
    return new


def sha256(path: Path) -> str:
    """Return the checksum of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _why(error: Exception) -> tuple[str, str]:
    # Arrow's errors have a strerror with words around the system's own.
    number = getattr(error, "errno", None)
    reason = os.strerror(number) if number else str(error).splitlines()[0]
    full = number in (errno.ENOSPC, errno.EDQUOT)
    return reason, "free some space" if full else "make it writable"


def _encoding(columns: pa.Schema) -> dict[str, Any]:
    numbers = {
        field.name: "BYTE_STREAM_SPLIT" if pa.types.is_floating(field.type) else "DELTA_BINARY_PACKED"
        for field in columns
        if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
    }
    texts = [field.name for field in columns if field.name not in numbers]
    return {
        "compression": "zstd",
        "compression_level": 3,
        "use_dictionary": texts or False,
        "column_encoding": numbers or None,
    }


def _groups(data: Data) -> Iterator[pa.Table]:
    """Gather batches into tables of about ``ROW_GROUP`` rows: a segment holds far fewer."""
    batches = data.to_batches() if isinstance(data, pa.Table) else data
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(b.num_rows for b in waiting) >= ROW_GROUP:
            yield pa.Table.from_batches(waiting, data.schema)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting, data.schema)


def document(record: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """Return what ``run.json`` says of a run."""
    columns = [column.name for column in schema.RUNS.columns]
    own = {name: _unpacked(record.get(name)) if name in _JSON else record.get(name) for name in columns}
    own["tags"], own["notes"] = list(own["tags"] or ()), list(own["notes"] or ())
    conditions = [
        {key: _unpacked(value) if key in _JSON else value for key, value in row.items()}
        for row in record.get("conditions", ())
    ]
    rest = {"modules": list(record.get("modules") or ()), "observer": dict(record.get("observer") or {})}
    return {"format": schema.FORMAT, **own, "conditions": conditions, **rest, "files": dict(files)}


_JSON = ("config", "mechanisms", "packages", "source")


def _unpacked(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _write_json(path: Path, document: Mapping[str, Any]) -> None:
    text = json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    durable.sync(path)
