"""What ``run.json`` says of all runs, kept in a few Parquet files beside a list of what they were made from.

A cache: ``catalog.index.json`` names the segments and the stamp of each of their runs.  Ten thousand ``run.json`` take
1.2 s to read, their stamps 0.03 s.  A run whose stamp differs is read from its own file, whoever made the cache; so it
is right when it is stale, and what cannot be read of it is as if it were not there.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from store import digest, manifest, notes, schema, stamps
from store.manifest import Manifest
from store.stamps import HIVE_KEY, Stamp

HEAD = "catalog.index.json"
SEGMENT = "catalog.runs"
"""``catalog.runs.<generation>.<name>.parquet``; those of the newest generation hold each run once."""

_CONDITION = pa.struct([field for field in schema.arrow("conditions") if field.name != "run_id"])
COLUMNS = pa.schema(
    [*schema.arrow("runs"), pa.field("conditions", pa.list_(_CONDITION)), pa.field("layout", pa.string())]
)
"""Of a segment: table ``runs`` with its layers, its rows of ``conditions``, the columns of its files (JSON)."""

MADE_BY = sha256(f"{schema.FORMAT} {COLUMNS} {notes.FORMAT} {notes.COLUMNS}".encode()).hexdigest()[:16]
"""Another version's segments are not read."""

Layout = Mapping[str, Mapping[str, str]]
"""Table → column → DuckDB type."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The tables of one run."""

    run_id: str
    tables: Layout

    def columns(self, table: str) -> Mapping[str, str]:
        """Return names and DuckDB types of a table's columns; empty if the run has none."""
        return self.tables.get(table, {})


@dataclass(slots=True)
class Segments:
    """The cache as it lies on the disk."""

    generation: int = 0
    files: dict[str, dict[str, Stamp]] = field(default_factory=dict)
    views: Mapping[str, Any] = field(default_factory=dict)
    stamp: tuple[int, ...] = ()


@dataclass
class Fleet:
    """The published runs of a store: what is on disk, what of it is cached, and what had to be read."""

    root: Path
    found: Mapping[str, Stamp]
    empty: Sequence[str]
    kept: Segments
    problems: list[str] = field(default_factory=list)
    fresh: dict[str, Manifest] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    @cached_property
    def table(self) -> pa.Table:
        """Return a row of ``COLUMNS`` per run, oldest first."""
        parts = [self._cached(), rows(list(self.fresh.values()))]
        return ordered(pa.concat_tables(parts))

    @property
    def others(self) -> list[str]:
        """Return the directories among the runs that are none, or cannot be read."""
        kept = {name for runs in self.kept.files.values() for name in runs}
        return sorted([*self.empty, *(self.found.keys() - kept - self.fresh.keys())])

    @property
    def stale(self) -> bool:
        """Tell whether the cache holds runs that are gone, or have changed."""
        kept = {name: stamp for runs in self.kept.files.values() for name, stamp in runs.items()}
        return any(self.found.get(name) != stamp for name, stamp in kept.items())

    def _cached(self) -> pa.Table:
        """Return the rows of the cache that are right; all from their own files if it cannot be read by now."""
        parts = [COLUMNS.empty_table()]
        try:
            for name, runs in self.kept.files.items():
                table = pq.read_table(self.root / name, schema=COLUMNS, partitioning=None)
                right = {
                    key.removeprefix(HIVE_KEY) for key, stamp in runs.items() if self.found.get(key) == stamp
                }
                whole = len(right) == table.num_rows
                parts.append(
                    table
                    if whole
                    else table.filter(pc.field("run_id").isin(pa.array(sorted(right), pa.string())))
                )
        except (OSError, pa.ArrowException):
            self.fresh |= _load(self.root, sorted(self.found.keys() - self.fresh.keys()), self.problems)[0]
            return parts[0]
        return pa.concat_tables(parts)


def survey(root: Path) -> Fleet:
    """Return the published runs of a store; only those that the cache does not hold are read."""
    (found, empty), kept = stamps.listing(root), read(root)
    fleet = Fleet(root, found, empty, kept)
    known = list(kept.files.values())
    if len(known) != 1 or found != known[0]:
        right = {name for runs in known for name, stamp in runs.items() if found.get(name) == stamp}
        fleet.fresh, fleet.unsure = _load(root, sorted(found.keys() - right), fleet.problems)
    return fleet


def read(root: Path) -> Segments:
    """Return what the cache says it holds; nothing where it is missing, damaged, of another version or moved."""
    stamp = head_stamp(root)
    try:
        first, *lines = (root / HEAD).read_bytes().splitlines()
        head = json.loads(first)
        if head["made_by"] == MADE_BY and head["root"] == os.fspath(root.absolute()):
            kept = Segments(head["generation"], {}, head["views"], stamp)
            for segment in [*head["segments"], *map(json.loads, lines)]:
                if os.path.getsize(root / segment["file"]) != segment["size"]:  # noqa: PTH202
                    return Segments(stamp=stamp)
                kept.files[segment["file"]] = segment["runs"]
            return kept
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass
    return Segments(stamp=stamp)


def head_stamp(root: Path) -> tuple[int, ...]:
    """Return what tells one list from the next."""
    try:
        told = os.stat(root / HEAD)  # noqa: PTH116 - half the time
    except OSError:
        return ()
    return told.st_ino, told.st_mtime_ns, told.st_size


def write(root: Path, kept: Segments) -> None:
    """Put the list in place of the old one."""
    head = {
        "made_by": MADE_BY,
        "root": os.fspath(root.absolute()),
        "generation": kept.generation,
        "views": kept.views,
        "segments": [_entry(root, name, runs) for name, runs in kept.files.items()],
    }
    new = root / f"catalog.{uuid.uuid4().hex}.tmp"
    new.write_text(json.dumps(head) + "\n", encoding="utf-8")
    new.replace(root / HEAD)


def append(root: Path, name: str, runs: Mapping[str, Stamp]) -> None:
    """Add one segment to the list.

    Replacing a file makes ext4 flush it, which takes 3 to 6 ms; a line at its end takes 0.1.  One that was cut off is
    no JSON, and the list is made again.
    """
    with open(root / HEAD, "a", encoding="utf-8") as file:
        file.write(json.dumps(_entry(root, name, runs)) + "\n")


def _entry(root: Path, name: str, runs: Mapping[str, Stamp]) -> dict[str, Any]:
    return {"file": name, "size": (root / name).stat().st_size, "runs": runs}


def write_segment(root: Path, generation: int, table: pa.Table) -> str:
    """Write one segment beside and rename it; return its name."""
    name = f"{SEGMENT}.{generation:08}.{uuid.uuid4().hex}.parquet"
    new = root / f"catalog.{uuid.uuid4().hex}.tmp"
    many = table.num_rows > 100
    pq.write_table(
        table, new, compression="zstd" if many else "none", use_dictionary=many, write_statistics=many
    )
    new.replace(root / name)
    return name


def rows(runs: Sequence[Manifest]) -> pa.Table:
    """Return runs as rows of ``COLUMNS``."""
    if not runs:
        return COLUMNS.empty_table()
    table = manifest.runs_table(runs)
    conditions = pa.array(
        [[dict(row) for row in run.conditions] for run in runs], COLUMNS.field("conditions").type
    )
    layouts = pa.array([layout_text(run) for run in runs], pa.string())
    return table.append_column("conditions", conditions).append_column("layout", layouts)


def layout_text(run: Manifest) -> str:
    """Return the columns of a run's tables as JSON."""
    held = {
        name.removesuffix(".parquet"): dict(file.columns)
        for name, file in run.files.items()
        if name.endswith(".parquet") and name != digest.FILE
    }
    return json.dumps(held)


def ordered(table: pa.Table) -> pa.Table:
    """Return runs oldest first; those of an unknown start before all others."""
    started = pc.fill_null(table["started_at"].cast(pa.int64()), -(2**62))
    keys = pa.table([started, table["run_id"]], ["started_at", "run_id"])
    return table.take(pc.sort_indices(keys, [("started_at", "ascending"), ("run_id", "ascending")]))


def layouts(table: pa.Table) -> list[Holding]:
    """Return each distinct set of tables once, with a run that has it."""
    first = (
        table.select(["run_id", "layout"])
        .group_by("layout", use_threads=False)
        .aggregate([("run_id", "first")])
    )
    pairs = zip(first["run_id_first"].to_pylist(), first["layout"].to_pylist(), strict=True)
    return [Holding(run_id, json.loads(text)) for run_id, text in pairs]


def holders(table: pa.Table) -> dict[str, dict[str, frozenset[str]]]:
    """Return the runs that have each table, in the order of ``table``, and its columns in each."""
    texts = table["layout"].combine_chunks().dictionary_encode()
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    held = [
        {name: frozenset(columns) for name, columns in json.loads(text).items()}
        for text in texts.dictionary.to_pylist()
    ]
    found: dict[str, dict[str, frozenset[str]]] = {}
    for run_id, kind in zip(table["run_id"].to_pylist(), texts.indices.to_pylist(), strict=True):
        for name, columns in held[kind].items():
            found.setdefault(name, {})[run_id] = columns
    return found


def conditions(table: pa.Table) -> pa.Table:
    """Return table ``conditions`` of these runs."""
    lists = table["conditions"].combine_chunks()
    parents, cells = pc.list_parent_indices(lists), pc.list_flatten(lists)
    columns = {"run_id": table["run_id"].combine_chunks().take(parents)}
    columns |= {field.name: pc.struct_field(cells, field.name) for field in _CONDITION}
    return pa.table(columns, schema=schema.arrow("conditions"))


def _load(root: Path, names: Sequence[str], problems: list[str]) -> tuple[dict[str, Manifest], set[str]]:
    """Return runs with their layers, and the names of those whose layers cannot all be read."""
    found: dict[str, Manifest] = {}
    unsure: set[str] = set()
    annotated = set(notes.annotated(root)) if names else set()
    for name in names:
        said = len(problems)
        try:
            run = manifest.load(root / "runs" / name)
            if run.run_id in annotated:
                run = manifest.layered(run, tuple(notes.layers(root, run.run_id, problems)))
            found[name] = run
        except ValueError as error:
            problems.append(str(error))
            continue
        if len(problems) > said:
            unsure.add(name)
    return found, unsure
