"""``catalog.compact/``: the rows of all runs merged, one file a table, in the order of the runs.  A cache.

Where runs are many and short, opening their files is most of a question's time.  The runs stay as they are; the list
beside the files is written last, and a table is read merged only if every run in it is as it was.
"""

from __future__ import annotations

import json
import uuid
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from store import manifest, publishing, schema
from store.cache import index, keeping, segments
from store.cache.index import Fleet, Holding
from store.cache.stamps import HIVE_KEY, Stamp
from store.locked.lazy import Merged

PLACE = "catalog.compact"
HEAD = "index.json"


@dataclass(frozen=True, slots=True)
class Compacted:
    """The merged files that can stand in for those of their runs, by table."""

    tables: Mapping[str, Merged]

    def of(self, table: str) -> list[Merged]:
        """Return the merged file of a table, if there is one."""
        return [self.tables[table]] if table in self.tables else []


def read(root: Path, found: Mapping[str, Stamp]) -> Compacted:
    """Return what is merged; nothing where it is missing or damaged, or where a run of it has changed or gone."""
    place = root.absolute() / PLACE
    tables: dict[str, Merged] = {}
    try:
        told, crc = (place / HEAD).read_bytes().rsplit(b"\n", 1)
        head = json.loads(told) if zlib.crc32(told) == int(crc) else {}
        runs: dict[str, Stamp] = head["runs"]
        if head["made_by"] == segments.MADE_BY and all(
            found.get(name, [])[:3] == stamp for name, stamp in runs.items()
        ):
            ids = [name.removeprefix(HIVE_KEY) for name in runs]
            for table, entry in head["tables"].items():
                if (place / entry["file"]).stat().st_size == entry["size"]:
                    tables[table] = Merged(
                        str(place / entry["file"]), frozenset(ids[k] for k in entry["runs"])
                    )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Compacted({})
    return Compacted(tables)


def compact(root: Path, note: Callable[[str], None]) -> dict[str, int]:
    """Merge the rows of all published runs and return how many each table has.

    Parameters
    ----------
    root : Path
        An existing store.
    note : callable
        Receives one sentence for each table that could not be merged.

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
    before = {Path(merged.path).name for merged in read(root, fleet.found).tables.values()}
    holdings, holders = index.layouts(fleet.table), index.holders(fleet.table)
    ids = sorted(fleet.table["run_id"].to_pylist())
    number = {run_id: k for k, run_id in enumerate(ids)}
    entries: dict[str, Any] = {}
    for table, runs in holders.items():
        name = f"{table}.{uuid.uuid4().hex}.parquet"
        try:
            rows = _merge(root, place / name, table, sorted(runs), holdings)
        except (ValueError, pa.ArrowException, FileNotFoundError) as error:
            note(f"{table} is not merged: {str(error).splitlines()[0]}")
            continue
        size = (place / name).stat().st_size
        entries[table] = {
            "file": name,
            "size": size,
            "rows": rows,
            "runs": [number[run_id] for run_id in sorted(runs)],
        }
    stamps = {HIVE_KEY + run_id: fleet.found[HIVE_KEY + run_id][:3] for run_id in ids}
    new = place / f"{uuid.uuid4().hex}.tmp"
    told = json.dumps({"made_by": segments.MADE_BY, "runs": stamps, "tables": entries}).encode()
    new.write_bytes(told + b"\n%d" % zlib.crc32(told))
    new.replace(place / HEAD)
    _sweep(place, {HEAD, *(entry["file"] for entry in entries.values()), *before})
    return {table: entry["rows"] for table, entry in entries.items()}


def _sweep(place: Path, kept: Collection[str]) -> None:
    """Remove what no list names; what the one before named may still be read."""
    for path in place.iterdir():
        if path.name not in kept:
            path.unlink(missing_ok=True)


def _merge(root: Path, path: Path, table: str, runs: list[str], holdings: list[Holding]) -> int:
    """Write one table; a row group holds whole runs where they are short, so that its statistics say which."""
    columns = manifest.columns(holdings, table)
    reader = pa.RecordBatchReader.from_batches(columns, _batches(root, table, runs, columns))
    try:
        return int(publishing.write(path, reader)["rows"])
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _batches(root: Path, table: str, runs: list[str], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    for run_id in runs:
        rows = pq.read_table(
            publishing.run_directory(root, run_id) / f"{table}.parquet",
            partitioning=None,
            page_checksum_verification=True,
        )
        rows = rows.append_column("run_id", pa.repeat(run_id, rows.num_rows))
        yield from schema.conformed(rows, columns).to_batches()
