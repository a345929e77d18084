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
from store import notes, schema, values
from store.notes import Layer
from store.publishing import is_published


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


class Survey(NamedTuple):
    """All runs of a store, and one sentence for each that cannot be used."""

    runs: list[Manifest]
    problems: list[str]


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
        found = _manifest(directory, document) if written == schema.FORMAT else None
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} cannot be read ({_reason(error)}); restore it, or let `python -m store verify --repair` "
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


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no whole JSON: {error}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def survey(root: Path) -> Survey:
    """Read every run of a store; one that cannot be read is named in ``problems``, the others stay usable.

    Runs whose owner lives are there too, with status ``running``, from their ``job.json``.
    """
    # Spools first: a run published meanwhile is then seen twice, never missed.
    problems: list[str] = []
    found = {manifest.run_id: manifest for manifest in running(root)}
    for directory in published(root):
        try:
            manifest = load(directory)
            found[manifest.run_id] = manifest
        except ValueError as error:
            problems.append(str(error))
    for run_id in found.keys() & notes.annotated(root):
        found[run_id] = layered(found[run_id], tuple(notes.layers(root, run_id, problems)))
    return Survey([found[run_id] for run_id in sorted(found)], problems)


def scan(root: Path) -> list[Manifest]:
    """Return the usable runs of a store, sorted by ``run_id``; see ``survey`` for the others."""
    return survey(root).runs


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


def columns(manifests: Iterable[Columned], table: str) -> pa.Schema:
    """Return the union of a row table's columns over runs, the core ones and ``run_id`` first.

    Raises
    ------
    ValueError
        If one name has two types; both runs are named.
    """
    core = schema.arrow(table) if table in schema.TABLES else pa.schema([("run_id", pa.string())])
    types = {name: schema.duckdb_type(kind) for name, kind in zip(core.names, core.types, strict=True)}
    origin: dict[str, str] = {}
    for manifest in manifests:
        for name, kind in manifest.columns(table).items():
            if types.setdefault(name, kind) != kind:
                other = f"run {origin[name]}" if name in origin else "the schema"
                raise ValueError(
                    f"{table}.{name} is {kind} in run {manifest.run_id} and {types[name]} in {other}; "
                    "select runs of one kind, or rename the column"
                )
            origin.setdefault(name, manifest.run_id)
    return pa.schema([(name, schema.ARROW[kind]) for name, kind in types.items()])


def _manifest(directory: Path, document: Mapping[str, Any]) -> Manifest:
    run = _row("runs", document)
    rows = [_row("conditions", {**row, "run_id": run["run_id"]}) for row in document["conditions"]]
    if unnamed := [row for row in rows if row["condition"] is None]:
        raise ValueError(f"a condition has no name: {unnamed[0]}")
    files = {name: _file(name, entry) for name, entry in document["files"].items()}
    return Manifest(
        directory=directory,
        run=run,
        conditions=tuple(rows),
        files=files,
        modules=tuple(document.get("modules", ())),
        observer=_observer(document.get("observer", {})),
    )


def _file(name: str, entry: Mapping[str, Any]) -> File:
    columns: Mapping[str, str] = entry.get("columns", {})
    unknown = [f"column {column} of {kind!r}" for column, kind in columns.items() if kind not in schema.ARROW]
    if unknown or not isinstance(entry["sha256"], str) or Path(name).name != name:
        raise ValueError(f"files[{name!r}] is no entry of a file: {unknown or entry['sha256']}")
    return File(entry["sha256"], entry.get("rows"), columns)


def _observer(entries: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return what recording cost, entry by entry: numbers, rates (mappings of numbers) and the accounts' ``mode``."""
    for name, entry in entries.items():
        for key, value in entry.items():
            numbers = value.values() if isinstance(value, dict) else [value]
            if key != "mode" and not all(each is None or type(each) in (int, float) for each in numbers):
                raise ValueError(f"observer.{name}.{key} is {value!r}, and a number is expected")
    return entries


def layered(manifest: Manifest, layers: tuple[Layer, ...]) -> Manifest:
    """Return a run with what was added to it later."""
    return replace(manifest, run=notes.applied(manifest.run, layers), layers=layers)


def _row(table: str, document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        column.name: values.typed(column, document.get(column.name))
        for column in schema.TABLES[table].columns
    }


def running_runs(root: Path) -> list[Manifest]:
    """Return the runs whose owner lives, with their layers."""
    found = list(running(root))
    annotated = notes.annotated(root) if found else ()
    return [
        layered(run, tuple(notes.layers(root, run.run_id, []))) if run.run_id in annotated else run
        for run in found
    ]


def running(root: Path) -> Iterable[Manifest]:
    """Yield the runs whose owner lives, from their ``job.json``."""
    for spool in spools(root):
        if ownership.state(spool) == "running":
            try:
                job = json.loads((spool / "job.json").read_text(encoding="utf-8"))
                yield _live(spool, job)
            except (OSError, ValueError, LookupError):  # published and removed while we looked
                continue


def _born(run_id: str) -> str | None:
    """Return when a UUIDv7 was made: of a running run that is its start, to the millisecond."""
    try:
        made = uuid.UUID(run_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((made.int >> 80) / 1000, UTC).isoformat() if made.version == 7 else None


def _live(spool: Path, job: Mapping[str, Any]) -> Manifest:
    facts = {
        **job["environment"],
        **job,
        "started_at": _born(job["run_id"]),
        "status": "running",
        "tags": [],
        "notes": [],
    }
    rows = (
        {
            "run_id": job["run_id"],
            "condition": condition["name"],
            "position": condition["position"],
            "mechanisms": condition["mechanisms"],
        }
        for condition in job["conditions"]
    )
    run = _row("runs", facts)
    return Manifest(directory=spool, run=run, conditions=tuple(_row("conditions", row) for row in rows))
