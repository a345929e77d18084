"""Take the rows of runs that are gone out of what is merged: removed is removed, and the other runs stay quick to ask.

A killed removal is finished by the next refresh, which finds what ``removing`` hid; until then a file may hold rows of
runs that are gone, and gives them to nobody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store.cache import compacting, digests, keeping, segments, stamps
from store.cache.stamps import HIVE_KEY, Stamp


def forget(root: Path, note: Callable[[str], None]) -> None:
    """Write merged copies and digests again without the runs that are gone.

    Parameters
    ----------
    root : Path
        An existing store.
    note : callable
        Receives one sentence for each table that is not merged any more, since its copy was damaged.

    Raises
    ------
    OSError
        If the store cannot be written.
    """
    with keeping.exclusive(root, wait=True):
        found = stamps.listing(root).found
        _digests(root, found)
        if (root / compacting.PLACE).is_dir():
            _copies(root / compacting.PLACE, found, note)


def _digests(root: Path, found: Mapping[str, Stamp]) -> None:
    path = root / digests.MERGED
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            told = file.schema_arrow.metadata
            runs: dict[str, Stamp] = json.loads(told[b"runs"])
            gone = [run_id for run_id in runs if HIVE_KEY + run_id not in found]
            if gone:
                kept = {run_id: stamp for run_id, stamp in runs.items() if HIVE_KEY + run_id in found}
                columns = file.schema_arrow.with_metadata({**told, b"runs": json.dumps(kept)})
                batches = _without(file, gone)
                digests.write(root, columns, (pa.Table.from_batches([b]).cast(columns) for b in batches))
    except FileNotFoundError:
        return
    except (OSError, ValueError, LookupError, TypeError, pa.ArrowException):
        path.unlink(missing_ok=True)  # nobody can read it


def _copies(place: Path, found: Mapping[str, Stamp], note: Callable[[str], None]) -> None:
    listed = compacting.head(place)
    runs: dict[str, Stamp] = listed["runs"] if listed.get("made_by") == segments.MADE_BY else {}
    ids = [name.removeprefix(HIVE_KEY) for name in runs]
    number = {k: n for n, k in enumerate(k for k, name in enumerate(runs) if name in found)}
    tables: dict[str, Any] = {}
    for table, entry in listed["tables"].items() if runs else ():
        gone = [ids[k] for k in entry["runs"] if k not in number]
        try:
            kept = _rewritten(place, table, entry, gone) if gone else entry
        except (OSError, ValueError, pa.ArrowException) as error:
            note(
                f"{table} is not merged any more ({str(error).splitlines()[0]}); compact again when convenient"
            )
            continue
        tables[table] = kept | {"runs": [number[k] for k in entry["runs"] if k in number]}
    # Before the list: whoever is killed in between leaves a list of files that are missing, and nothing of a run.
    compacting.sweep(place, {compacting.HEAD, *(entry["file"] for entry in tables.values())})
    compacting.write_head(place, {name: stamp for name, stamp in runs.items() if name in found}, tables)


def _rewritten(place: Path, table: str, entry: Mapping[str, Any], gone: list[str]) -> dict[str, Any]:
    with pq.ParquetFile(place / entry["file"], page_checksum_verification=True) as file:
        return compacting.put(place, table, file.schema_arrow, _without(file, gone))


def _without(file: pq.ParquetFile, gone: list[str]) -> Iterator[pa.RecordBatch]:
    runs = pa.array(gone, pa.string())
    for batch in file.iter_batches():
        yield batch.filter(pc.invert(pc.is_in(batch["run_id"], value_set=runs)))
