"""The same rows as the trackers log: by our spool, and by the floor (rows in a list, Parquet at the end)."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.peers.trackers import COLUMNS, EXPERIMENT, Loop, Row, Tool, main
from probes import ownership, spool

RUN_ID = "019a9d00-0000-7000-8000-000000000000"
KINDS: Mapping[str, type] = {"cycle": int, **dict.fromkeys(COLUMNS, int), "energy": float}


def driftlab(directory: Path, loop: Loop) -> float:
    """Append ready rows to the spool of a run in the store ``directory``."""
    place = directory / "spool" / RUN_ID
    place.mkdir(parents=True)
    (place / "job.json").write_text(json.dumps(_job()))
    owner = ownership.Owner.claim(place)
    stream = spool.Stream(place, "cycles", KINDS, capacity=4096, started_at_ns=time.time_ns())
    spent = loop(lambda step, row: stream.append((step, *row)))
    stream.close()
    (place / "end.json").write_text(json.dumps(_end()))
    owner.release()
    return spent


def read_driftlab(directory: Path) -> int:
    """Publish what the spool holds, and count the run's rows."""
    from store import open_catalog
    from store.upkeep.maintenance import refresh

    refresh(directory)
    with open_catalog(directory) as catalog:
        return int(catalog.query("select count(*) as n from cycles")[0]["n"])


def floor(directory: Path, loop: Loop) -> float:
    """Keep the rows in memory and write one Parquet file at the end."""
    kept: list[tuple[int, Row]] = []
    spent = loop(lambda step, row: kept.append((step, row)))
    _write(directory, kept)
    return spent


def _write(directory: Path, kept: list[tuple[int, Row]]) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    directory.mkdir(parents=True, exist_ok=True)
    values = np.array([(step, *row) for step, row in kept], dtype=object)
    columns = {
        name: pa.array(values[:, i].astype("f8" if kind is float else "i8"))
        for i, (name, kind) in enumerate(KINDS.items())
    }
    pq.write_table(pa.table(columns), directory / "cycles.parquet", compression="zstd")


def read_floor(directory: Path) -> int:
    """Count the rows of the file, if it is there."""
    import pyarrow.parquet as pq

    path = directory / "cycles.parquet"
    return pq.read_metadata(path).num_rows if path.exists() else 0


def _job() -> dict[str, Any]:
    return {
        "format": 1,
        "run_id": RUN_ID,
        "experiment": EXPERIMENT,
        "environment": {},
        "config": None,
        "conditions": [{"name": "all", "position": 0, "cycles": 0, "mechanisms": {}}],
    }


def _end() -> dict[str, Any]:
    moment = "2026-01-01T00:00:00+00:00"
    return {"format": 1, "status": "completed", "started_at": moment, "ended_at": moment}


TOOLS: dict[str, Tool] = {"driftlab": (driftlab, read_driftlab), "floor": (floor, read_floor)}

if __name__ == "__main__":
    sys.exit(main(TOOLS))
