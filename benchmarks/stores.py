"""Stores of synthetic runs: real files in the real layout, written as fast as the disk takes them.

Their rows come from a few distinct tables, written once each: what is measured is reading, and a run's rows do not
depend on who wrote them.  Nothing is fsync'd.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from probes.environment import facts
from store import publishing, schema
from store.reduced import digest

DISTINCT: Final = 8
CYCLE_NS: Final = 5_000_000
_START_S: Final = 1_767_225_600


def fill(root: Path, runs: int, cycles: int, *, seed: int, first: int = 0) -> list[str]:
    """Add ``runs`` published runs of ``cycles`` cycles to a store; return their ids.

    Parameters
    ----------
    root : Path
        The store; created if it is missing.
    runs, cycles : int
        How many of both.
    seed : int
        Of the rows' generator.
    first : int
        Where ``runs.seed`` begins to count.
    """
    kept = root.parent / f"{root.name}.rows"
    kept.mkdir(parents=True, exist_ok=True)
    files = [_written(kept / str(k), cycles, seed + k) for k in range(min(DISTINCT, runs))]
    environment = facts(root)
    ids = []
    for number in range(first, first + runs):
        found, contents = files[number % len(files)]
        run_id = str(uuid.UUID(int=_identity(number, seed)))
        directory = publishing.run_directory(root, run_id)
        directory.mkdir(parents=True)
        for name, content in contents.items():
            (directory / name).write_bytes(content)
        document = _document(run_id, number, cycles, environment, found)
        (directory / "run.json").write_text(json.dumps(document), encoding="utf-8")
        ids.append(run_id)
    return ids


def rows(cycles: int, seed: int) -> dict[str, pa.Table]:
    """Return the rows of one run: cycles that slow down a little, with noise, and readings of memory."""
    random_ = np.random.default_rng(seed)
    cycle = np.arange(cycles)
    wall = CYCLE_NS + 20 * cycle + random_.gamma(2.0, 200_000, cycles).astype("i8")
    cpu, runq = (wall * 0.7).astype("i8"), random_.integers(0, 90_000, cycles)
    counts = {
        name: random_.integers(0, 50, cycles)
        for name in ("minor_faults", "voluntary_switches", "involuntary_switches")
    }
    probe, end = random_.integers(0, 9_000, cycles), np.cumsum(wall)
    columns: dict[str, Any] = {
        "condition": np.where(cycle < cycles // 2, "OFF-OFF", "ON-OFF"),
        "cycle": cycle,
        "process": np.zeros(cycles, "i8"),
        "t_ns": end,
        "wall_ns": wall,
        "cpu_ns": cpu,
        "runq_ns": runq,
        "offcpu_ns": wall - cpu - runq,
        "gc_ns": random_.integers(0, 40_000, cycles),
        "probe_ns": probe,
        "sampling_ns": (wall * 0.2).astype("i8"),
        "sampling_calls": random_.integers(80, 110, cycles),
        "net_ns": wall - probe,
        "major_faults": np.zeros(cycles, "i8"),
        **counts,
    }
    core = schema.arrow("cycles", run_id=False)
    table = pa.table([pa.array(columns[field.name], field.type) for field in core], schema=core)
    population = pa.array(np.minimum(100, 10 + cycle // 3), pa.int64())
    read = slice(0, cycles, 50)
    memory = pa.table(
        {
            "condition": columns["condition"][read],
            "cycle": cycle[read],
            "t_ns": end[read],
            "rss_bytes": 2**24 + 1000 * cycle[read],
        }
    )
    return {"cycles": table.append_column("population", population), "probe_memory": memory}


def _written(directory: Path, cycles: int, seed: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the entries of ``files`` and the files of one run, written by the store's own code."""
    publishing.prepare(directory)
    tables = rows(cycles, seed)
    found = {
        f"{name}.parquet": publishing.write(directory / f"{name}.parquet", table)
        for name, table in tables.items()
    }
    found[digest.FILE] = publishing.write(directory / digest.FILE, digest.of(tables))
    return found, {name: (directory / name).read_bytes() for name in found}


def _identity(number: int, seed: int) -> int:
    """Return a UUIDv7 of a run a second after the one before."""
    noise = random.Random(1_000_003 * seed + number).getrandbits(74)  # noqa: S311 (no secret)
    low = (noise & (2**62 - 1)) | 2 << 62
    return ((_START_S + number) * 1000) << 80 | 7 << 76 | (noise >> 62) << 64 | low


def _document(
    run_id: str, number: int, cycles: int, environment: Mapping[str, Any], files: Mapping[str, Any]
) -> dict[str, Any]:
    second = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
    known = {
        **dict.fromkeys(column.name for column in schema.RUNS.columns),
        **environment,
        "run_id": run_id,
        "experiment": f"e{number % 4}",
        "config_id": f"{number % 40:016x}",
        "optimization": ("unoptimized", "cached")[number % 2],
        "workload": "synthetic",
        "seed": number,
        "replicate": number // 40,
        "status": "completed",
        "started_at": f"2026-01-{1 + number // 86_400:02}T{second}+00:00",
        "n_cycles": cycles,
        "wall_s": cycles * CYCLE_NS / 1e9,
        "traced": False,
        "tags": [],
        "notes": [],
        "config": {"name": f"e{number % 4}", "cycles": cycles},
    }
    conditions = [
        {"condition": name, "position": k, "mechanisms": {}, "condition_cycles": cycles // 2}
        for k, name in enumerate(("OFF-OFF", "ON-OFF"))
    ]
    rest = {"conditions": conditions, "modules": ["sys"], "observer": {}}
    return {"format": schema.FORMAT, **known, **rest, "files": dict(files)}
