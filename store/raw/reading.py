"""Bring a raw result file of the study into a store, as ordinary runs."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from probes.identity import new_run_id
from store import manifest, publishing
from store.cache import index
from store.raw import (
    cycle_list,
    first_form,
    history,
    own_cycles,
    process_readings,
    recording,
    run_times,
    second_form,
    tables,
    text,
)
from store.raw.fields import Field, NotImportable
from store.raw.recording import Reader, Recording
from store.values import UNREADABLE, plain

READERS: tuple[Reader, ...] = (first_form, run_times, second_form, history, cycle_list, process_readings)
"""Every form that the study recorded; the first that recognises a document reads it."""

Key: TypeAlias = tuple[str, str, int | None, str]
Held: TypeAlias = dict[Key, str]
"""Runs that hold a file, or a part of it, by its sha256, experiment, entry and the map of its columns."""


class ImportResult(NamedTuple):
    """What an import did: the runs that hold the file, what to know of it, whether all were there before."""

    run_ids: tuple[str, ...]
    notes: tuple[str, ...]
    skipped: bool

    @property
    def run_id(self) -> str:
        """Return the run of a file that holds one."""
        if len(self.run_ids) != 1:
            raise ValueError(f"the file holds {len(self.run_ids)} runs, not one; use run_ids")
        return self.run_ids[0]


def import_file(
    path: Path,
    root: Path,
    *,
    experiment: str | None = None,
    columns: Sequence[str] = (),
    held: Held | None = None,
) -> ImportResult:
    """Bring one raw result file, or a table of cycles in CSV or Parquet, into a store.

    Every form that the study recorded is read, plain or gzip; a file of several runs (a sequence of run times,
    readings of several processes) becomes as many.  They have status ``imported``; what the file does not
    hold is NULL.

    Parameters
    ----------
    path : Path
        The file.
    root : Path
        The store; created if it is missing.
    experiment : str, optional
        The experiment's name; else what the file names for each run, ``c<N>`` from a cycle number in metadata
        or file name, or the file's stem.
    columns : sequence of str
        Of a table of cycles: which column of ours is which of its, as ``column=name`` or ``column=name:unit``.
    held : dict, optional
        What ``held_by`` said of the store before the first of several files; what is published is added.

    Returns
    -------
    ImportResult
        ``skipped`` if this experiment holds the same bytes already; ``run_ids`` are then those runs.  An
        import that was cut off goes on where it stopped.

    Raises
    ------
    NotImportable
        A ``ValueError``: the file is foreign or damaged; nothing is written.
    CannotPublish
        An ``OSError``: the store cannot be written.
    """
    found, records = _runs(path.name, text.read_bytes(path), experiment, columns)
    held = held_by(root) if held is None else held
    present = [held.get(_key(record)) for record in records]
    for record, run, there in zip(records, found, present, strict=True):
        if there is None:
            _publish(root, record, run)
            held[_key(record)] = record["run_id"]
    return ImportResult(
        tuple(there or record["run_id"] for there, record in zip(present, records, strict=True)),
        _said(path.name, records, present),
        skipped=None not in present,
    )


def _runs(
    name: str, data: bytes, experiment: str | None, columns: Sequence[str]
) -> tuple[Sequence[Recording], list[dict[str, Any]]]:
    """Return the runs that a file holds, and their records, which a reader of the store will take."""
    notes: list[str] = []
    source: dict[str, Any] = {"file": name, "sha256": hashlib.sha256(data).hexdigest()}
    if columns:
        source["map"] = list(columns)
    try:
        document, found = _read(name, data, columns, notes)
        # Within a millisecond ids stand in no order; the runs of a file keep theirs.
        ids = sorted(new_run_id() for _ in found)
        records = [
            _record(run, run_id, experiment or run.experiment or recording.experiment(document), notes)
            | {"source": source if len(found) == 1 else {**source, "entry": entry}}
            for entry, (run, run_id) in enumerate(zip(found, ids, strict=True))
        ]
    except (ArithmeticError, RecursionError) as error:
        raise _no_run(name, error) from error
    try:
        for record in records:
            manifest.parsed(Path(), plain(publishing.document(record, {})))
    except UNREADABLE as error:
        raise _no_run(name, error) from error
    return found, records


def _no_run(name: str, error: Exception) -> NotImportable:
    return NotImportable(f"{name} makes no run ({error}); correct the file or leave it out")


def _read(
    name: str, data: bytes, columns: Sequence[str], notes: list[str]
) -> tuple[Field, Sequence[Recording]]:
    csv = name.lower().removesuffix(".gz").endswith(".csv") and not text.is_readings(data)
    if columns or csv or tables.is_parquet(name, data):
        found = own_cycles.read(name, data, columns, notes)
        return Field(name, "", None), [found]
    document = text.document(name, data)
    return document, _recordings(document, notes)


def _recordings(document: Field, notes: list[str]) -> Sequence[Recording]:
    for reader in READERS:
        if reader.recognises(document):
            return reader.read(document, notes)
    raise document.refusal("; ".join(reader.EXPECTED for reader in READERS))


def _record(run: Recording, run_id: str, experiment: str, notes: Sequence[str]) -> dict[str, Any]:
    return {
        **run.run,
        "run_id": run_id,
        "experiment": experiment,
        "status": "imported",
        "config": run.config,
        "conditions": run.conditions,
        "notes": [*notes, *run.notes],
    }


def held_by(root: Path) -> Held:
    """Return the runs of a store that hold files, or parts of them."""
    found: Held = {}
    for run in index.survey(root).table.select(["run_id", "experiment", "source"]).to_pylist():
        with suppress(*UNREADABLE):  # of no file, or a source of somebody else's form
            found.setdefault(_key({**run, "source": json.loads(run["source"] or "{}")}), run["run_id"])
    return found


def _key(record: Mapping[str, Any]) -> Key:
    source = record["source"]
    return source["sha256"], record["experiment"], source.get("entry"), " ".join(source.get("map", ()))


def _said(name: str, records: Sequence[Mapping[str, Any]], present: Sequence[str | None]) -> tuple[str, ...]:
    """Return what is to be said of an import: of runs that are new their notes, of others that they are there."""
    there = [run_id for run_id in present if run_id is not None]
    fresh = [record for record, run_id in zip(records, present, strict=True) if run_id is None]
    notes = list(dict.fromkeys(note for record in fresh for note in record["notes"]))
    if there:
        runs = f"run {there[0]}" if len(there) == 1 else f"{len(there)} runs"
        experiments = _listed(record["experiment"] for record in records)
        notes.append(f"{name} is in the store already, as {runs} of experiment {experiments}")
    return tuple(notes)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names))


def _publish(root: Path, record: Mapping[str, Any], found: Recording) -> None:
    staging = root / "runs" / f"{publishing.UNFINISHED}{record['run_id']}"
    tables = {name: table for name, table in found.tables.items() if table.num_rows}
    try:
        publishing.publish(root, record, tables, staging=staging, called=record["source"]["file"])
    finally:
        shutil.rmtree(staging, ignore_errors=True)
