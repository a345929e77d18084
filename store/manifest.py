"""What ``run.json`` says: one published run, or one that still runs."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from probes import ownership
from store import notes, schema, spooled, values
from store.notes import Layer
from store.publishing import is_published, run_directory


class File(NamedTuple):
    """One file of a run; ``rows`` is None and ``columns`` empty where it holds no table."""

    sha256: str
    rows: int | None
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One run: ``run`` is its row of table ``runs``, ``conditions`` its rows of that table.

    ``layers`` are what was added to ``run`` after it was published; ``load`` gives a run without them.
    ``directory`` is ``runs/run_id=<id>``, or the spool of a run whose ``status`` is ``running``.
    """

    directory: Path
    run: Mapping[str, Any]
    conditions: tuple[Mapping[str, Any], ...] = ()
    files: Mapping[str, File] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    observer: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()

    @property
    def run_id(self) -> str:
        """Return the run's name."""
        return str(self.run["run_id"])

    def columns(self, table: str) -> Mapping[str, str]:
        """Return names and DuckDB types of a row table's columns in this run; empty if it has none."""
        file = self.files.get(f"{table}.parquet")
        return file.columns if file else {}


class NewerFormat(ValueError):  # noqa: N818 - reads as the sentence it is
    """A run that a later version wrote: not damaged, and not for this version to touch."""


def load(directory: Path) -> Manifest:
    """Read one published run's ``run.json``.

    Raises
    ------
    ValueError
        If it cannot be read, or was written by a later version; one sentence that names the file.
    """
    path = directory / "run.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        written = document["format"]
        found = parsed(directory, document) if written == schema.FORMAT else None
    except values.UNREADABLE as error:
        raise ValueError(
            f"{path} cannot be read ({spooled.reason(error)}); restore it, or let `python -m store verify --repair` "
            "put the run aside"
        ) from error
    if found is None:
        raise NewerFormat(
            f"{path} has format {written!r}, this version reads {schema.FORMAT}; update driftlab"
        )
    if directory.name != f"run_id={found.run_id}":
        raise ValueError(
            f"{path} is the manifest of run {found.run_id}, whose place is run_id={found.run_id}; restore it, or "
            "let `python -m store verify --repair` put the run aside"
        )
    return found


def read(root: Path, run_id: str, problems: list[str]) -> Manifest:
    """Read one run with what was added to it later; a layer that cannot be read is named in ``problems``.

    Raises
    ------
    ValueError
        If the run is neither published nor running, or its ``run.json`` cannot be read; one sentence.
    """
    directory = run_directory(root, run_id)
    # The spool only where there is no run: a run published meanwhile is then found, and an adopted one has ended.
    live = None if is_published(directory) else _live(root / "spool" / run_id)
    try:
        return _layered(root, live or load(directory), problems)
    except ValueError as error:
        if directory.is_dir():
            raise
        raise ValueError(
            f"run {run_id} is not in store {root}; `python -m store ls` lists the ids"
        ) from error


def published(root: Path) -> list[Path]:
    """Return the directories of a store's published runs, sorted; whatever else lies there is ignored."""
    return sorted(path for path in (root / "runs").glob("run_id=*") if is_published(path))


def spools(root: Path) -> list[Path]:
    """Return the spool directories of a store that hold a job, sorted."""
    try:
        names = sorted(os.listdir(root / "spool"))  # noqa: PTH208 - glob takes 0.1 ms to say that there is none
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = (root / "spool" / name for name in names)
    return [path for path in found if (path / "job.json").exists()]


class Columned(Protocol):
    """A run, or what stands for runs with the same tables."""

    @property
    def run_id(self) -> str:
        """Return the run's name."""

    def columns(self, table: str) -> Mapping[str, str]:
        """Return names and DuckDB types of a table's columns; empty if there are none."""


class Union(NamedTuple):
    """The columns of a table over runs; of two types or spellings the first, and ``conflict`` names both runs."""

    columns: pa.Schema
    conflict: str | None = None


def columns(manifests: Iterable[Columned], table: str) -> pa.Schema:
    """Return the union of a row table's columns over runs, the core ones and ``run_id`` first.

    Raises
    ------
    ValueError
        If one name has two types or spellings; both runs are named.
    """
    found = union(manifests, table)
    if found.conflict:
        raise ValueError(found.conflict)
    return found.columns


def union(manifests: Iterable[Columned], table: str) -> Union:
    """Return what ``columns`` does, and what is in its way."""
    core = schema.arrow(table) if table in schema.TABLES else pa.schema([("run_id", pa.string())])
    types = {name: schema.duckdb_type(kind) for name, kind in zip(core.names, core.types, strict=True)}
    spelled = {_folded(name): name for name in types}
    origin: dict[str, str] = {}
    conflict = None
    for manifest in manifests:
        for name, kind in manifest.columns(table).items():
            first = spelled.setdefault(_folded(name), name)
            other = f"run {origin[first]}" if first in origin else "the schema"
            if first != name:
                conflict = conflict or (
                    f"{table}.{name} in run {manifest.run_id} is {first} in {other}, and to SQL, which ignores case, "
                    "both are one column; select runs of one spelling, and give the observable one name"
                )
            elif types.setdefault(name, kind) != kind:
                conflict = conflict or (
                    f"{table}.{name} is {kind} in run {manifest.run_id} and {types[name]} in {other}; "
                    "select runs of one kind, or rename the column"
                )
            origin.setdefault(first, manifest.run_id)
    return Union(pa.schema([(name, schema.ARROW[kind]) for name, kind in types.items()]), conflict)


def _folded(name: str) -> bytes:
    """Return what DuckDB compares names by: of other letters than ASCII's it heeds the case."""
    return name.encode().lower()


def parsed(directory: Path, document: Mapping[str, Any]) -> Manifest:
    """Return what a ``run.json`` of this version says; whatever is wrong with it is raised as it is."""
    run = values.row(schema.RUNS, document)
    rows = [values.row(schema.CONDITIONS, {**row, "run_id": run["run_id"]}) for row in document["conditions"]]
    if unnamed := [row for row in rows if row["condition"] is None]:
        raise ValueError(f"a condition has no name: {unnamed[0]}")
    files = {name: _file(name, entry) for name, entry in document["files"].items()}
    return Manifest(
        directory=directory,
        run=run,
        conditions=tuple(rows),
        files=files,
        modules=tuple(document.get("modules", ())),
        observer=values.ledger(document.get("observer", {})),
    )


def _file(name: str, entry: Mapping[str, Any]) -> File:
    columns: Mapping[str, str] = entry.get("columns", {})
    unknown = [f"column {column} of {kind!r}" for column, kind in columns.items() if kind not in schema.ARROW]
    if unknown or not isinstance(entry["sha256"], str) or Path(name).name != name:
        raise ValueError(f"files[{name!r}] is no entry of a file: {unknown or entry['sha256']}")
    return File(entry["sha256"], entry.get("rows"), columns)


def running_runs(root: Path) -> list[Manifest]:
    """Return the runs whose owner lives, from their ``job.json``, with their layers."""
    found = (_live(spool) for spool in spools(root))
    return [_layered(root, run, []) for run in found if run is not None]


def _layered(root: Path, run: Manifest, problems: list[str]) -> Manifest:
    layers = tuple(notes.layers(root, run.run_id, problems))
    return replace(run, run=notes.applied(run.run, layers), layers=layers) if layers else run


def _live(spool: Path) -> Manifest | None:
    if ownership.state(spool) != "running":
        return None
    try:
        job = spooled.read_job(spool)
    except ValueError:  # published and removed while we looked, or no job of this version
        return None
    now: dict[str, Any] = {"started_at": _born(spool.name), "status": "running", "tags": [], "notes": []}
    return Manifest(directory=spool, run={**job.run, **now}, conditions=job.conditions)


def _born(run_id: str) -> datetime | None:
    """Return when a UUIDv7 was made: of a running run that is its start, to the millisecond."""
    try:
        made = uuid.UUID(run_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((made.int >> 80) / 1000, UTC) if made.version == 7 else None
