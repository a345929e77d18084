"""``catalog.compact/``: the rows of all runs merged, one file a table, in the order of the runs.  A cache.

Where runs are many and short, opening their files is most of a question's time.  The runs stay as they are; the list
beside the files is written last, and a table is read merged only if no run in it has changed; of runs that are gone
or cannot be read it gives nothing.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from store import manifest, publishing, schema
from store.cache import index, keeping, segments
from store.cache.index import Fleet
from store.cache.stamps import HIVE_KEY, Stamp
from store.locked.lazy import Merged

PLACE = "catalog.compact"
HEAD = "index.json"


@dataclass(frozen=True, slots=True)
class Compacted:
    """The merged files that can stand in for those of their runs, by table."""

    tables: Mapping[str, Merged]

    def of(self, table: str) -> list[Merged]:
        """Return the merged file of a table, if there is one; somebody may have removed runs since it was found."""
        merged = self.tables.get(table)
        return [merged] if merged and Path(merged.path).exists() else []


def read(fleet: Fleet) -> Compacted:
    """Return what is merged; no table that is missing or damaged, or where a run of it has changed.

    Of runs that are gone or cannot be read nobody asks, and a merged file gives nothing of runs that nobody asks for.
    """
    place = fleet.root.absolute() / PLACE
    tables: dict[str, Merged] = {}
    try:
        listed = head(place)
        runs: dict[str, Stamp] = listed["runs"]
        if listed["made_by"] == segments.MADE_BY:
            ids = [name.removeprefix(HIVE_KEY) for name in runs]
            changed = _changed(fleet, runs)
            for table, entry in listed["tables"].items():
                path = place / entry["file"]
                if changed.isdisjoint(entry["runs"]) and path.stat().st_size == entry["size"]:
                    tables[table] = Merged(str(path), frozenset(ids[k] for k in entry["runs"]))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Compacted({})
    return Compacted(tables)


def head(place: Path) -> dict[str, Any]:
    """Return the list beside the files; empty where it is missing or damaged."""
    try:
        told, crc = (place / HEAD).read_bytes().rsplit(b"\n", 1)
        found: dict[str, Any] = json.loads(told) if zlib.crc32(told) == int(crc) else {}
    except (OSError, ValueError):
        return {}
    return found


def write_head(place: Path, runs: Mapping[str, Stamp], tables: Mapping[str, Any]) -> None:
    """Put the list in place of the old one; ``runs`` of a table are places in ``runs``."""
    new = place / f"{uuid.uuid4().hex}.tmp"
    told = json.dumps({"made_by": segments.MADE_BY, "runs": runs, "tables": tables}).encode()
    new.write_bytes(told + b"\n%d" % zlib.crc32(told))
    new.replace(place / HEAD)


def sweep(place: Path, kept: Collection[str]) -> None:
    """Remove what no list names; what the one before named may still be read."""
    for path in place.iterdir():
        if path.name not in kept:
            path.unlink(missing_ok=True)


def _changed(fleet: Fleet, runs: Mapping[str, Stamp]) -> set[int]:
    """Return the places of the runs that can be read and are not as they were."""
    found = fleet.found
    changed = {k for k, (name, stamp) in enumerate(runs.items()) if found.get(name, stamp)[:3] != stamp}
    if changed:
        unread = {*fleet.others}
        changed = {k for k, name in enumerate(runs) if k in changed and name not in unread}
    return changed


def compact(root: Path, note: Callable[[str], None]) -> dict[str, int]:
    """Merge the rows of all published runs and return how many each table has.

    Parameters
    ----------
    root : Path
        An existing store.
    note : callable
        Receives one sentence for each table that could not be merged, and each run that is left out.

    Raises
    ------
    OSError
        If the store cannot be written.
    """
    with keeping.exclusive(root, wait=True):
        fleet = index.survey(root)
        for problem in fleet.problems:
            note(problem)
        return _write(root, fleet, note)


def discard_damaged(root: Path) -> bool:
    """Tell whether a merged copy cannot be read by now; if so, nobody reads any of them until they are made again."""
    head = root / PLACE / HEAD
    if not head.exists():
        return False
    try:
        for path in head.parent.glob("*.parquet"):
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    file.read_row_group(group)
    except (OSError, pa.ArrowException):
        with suppress(OSError):
            head.unlink()
        return True
    return False


def _write(root: Path, fleet: Fleet, note: Callable[[str], None]) -> dict[str, int]:
    place = root / PLACE
    place.mkdir(exist_ok=True)
    before = {Path(merged.path).name for merged in read(fleet).tables.values()}
    holdings, holders = index.layouts(fleet.table), index.holders(fleet.table)
    ids = sorted(fleet.table["run_id"].to_pylist())
    number = {run_id: k for k, run_id in enumerate(ids)}
    entries: dict[str, Any] = {}
    left_out: dict[str, str] = {}
    for table, runs in holders.items():
        sound: list[str] = []
        try:
            columns = manifest.columns(holdings, table)
            entry = put(place, table, columns, _batches(root, table, runs, columns, sound, left_out))
        except (ValueError, pa.ArrowException) as error:
            note(f"{table} is not merged: {str(error).splitlines()[0]}")
            continue
        entries[table] = entry | {"runs": [number[run_id] for run_id in sound]}
    for run_id, reason in left_out.items():
        note(f"run {run_id} is left out of the merged copies: {reason}; `python -m store verify` tells more")
    write_head(place, {HIVE_KEY + run_id: fleet.found[HIVE_KEY + run_id][:3] for run_id in ids}, entries)
    sweep(place, {HEAD, *(entry["file"] for entry in entries.values()), *before})
    return {table: entry["rows"] for table, entry in entries.items()}


def put(place: Path, table: str, columns: pa.Schema, batches: Iterable[pa.RecordBatch]) -> dict[str, Any]:
    """Write one table and return its entry but for ``runs``.

    A row group holds whole runs where they are short, so that its statistics say which.
    """
    path = place / f"{table}.{uuid.uuid4().hex}.parquet"
    try:
        rows = publishing.write(path, pa.RecordBatchReader.from_batches(columns, batches))["rows"]
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return {"file": path.name, "size": path.stat().st_size, "rows": rows}


def _batches(
    root: Path,
    table: str,
    runs: Mapping[str, Collection[str]],
    columns: pa.Schema,
    sound: list[str],
    left_out: dict[str, str],
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of ``runs``; of one whose file is damaged none: it is read, and named, where it lies."""
    for run_id in sorted(runs):
        path = publishing.run_directory(root, run_id) / f"{table}.parquet"
        try:
            rows = pq.read_table(path, partitioning=None, page_checksum_verification=True)
            if lost := sorted({*runs[run_id]}.difference(rows.column_names)):
                raise ValueError(f"it lacks column {', '.join(lost)}")
            rows = rows.append_column("run_id", pa.repeat(run_id, rows.num_rows))
            batches = schema.conformed(rows, columns).to_batches()
        except (OSError, ValueError, pa.ArrowException) as error:
            if path.parent.is_dir():  # else it was removed meanwhile
                left_out.setdefault(run_id, f"{path.name} {_why(error)}")
            continue
        sound.append(run_id)
        yield from batches


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is missing"
    return f"cannot be read ({' '.join(str(error).split())})"
