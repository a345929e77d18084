"""Add what is known of a run and was not recorded with it, as a layer that says where it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from store import manifest, notes, schema
from store.layers.inferring import infer
from store.manifest import Manifest

_LEAST = {"replicate": 0, "cores": 1, "memory_bytes": 1}
_TYPES = {column.name: column.type for column in schema.RUNS.columns}
_KINDS = {
    "VARCHAR": "a text of at least one letter, in UTF-8",
    "BIGINT": "a whole number of 64 bits",
    "BOOLEAN": "true or false",
    "TIMESTAMPTZ": "a time such as 2025-10-27T03:15:00+00:00",
}


def enrich(
    root: Path, run_ids: Sequence[str], values: Mapping[str, Any], *, source: Mapping[str, Any]
) -> list[str]:
    """Add the same values to runs that lack them.

    Parameters
    ----------
    root : Path
        The store.
    run_ids : sequence of str
        Published runs.
    values : mapping
        Values by column of table ``runs``, one of ``notes.COLUMNS``.
    source : mapping
        Where the values come from: ``by``, and a ``file`` with its ``sha256`` if there is one.

    Returns
    -------
    list of str
        The runs, each with a new layer.

    Raises
    ------
    ValueError
        If a column may not be added, a value is not of its type, was recorded with a run, or a run is still
        running or cannot be read; then nothing is written.
    OSError
        If the store cannot be written.
    """
    if not values:
        raise ValueError(f"nothing is to be added; give values of {', '.join(notes.COLUMNS)}")
    checked = {name: checked_value(name, value) for name, value in values.items()}
    for run_id in run_ids:
        _refuse_recorded(manifest.load(_published(root, run_id).directory), checked)
    for run_id in run_ids:
        notes.write(root, run_id, checked, source)
    return list(run_ids)


def enrich_by_inference(root: Path, run_ids: Sequence[str], *, note: Callable[[str], None]) -> list[str]:
    """Add what each run's configuration, metadata and file name say of columns that are NULL.

    Parameters
    ----------
    root : Path
        The store.
    run_ids : sequence of str
        Published runs.
    note : callable
        Receives a sentence for everything that was inferred, and from where.

    Returns
    -------
    list of str
        Runs with a new layer; those of which nothing more can be inferred are left as they are.

    Raises
    ------
    ValueError
        If a run is still running, or cannot be read.
    OSError
        If the store cannot be written.
    """
    runs = [_published(root, run_id) for run_id in run_ids]
    enriched = []
    for run in runs:
        values, origins = _inferred(run, note)
        if values:
            notes.write(root, run.run_id, values, {"by": "--infer", "from": origins})
            enriched.append(run.run_id)
    return enriched


def checked_value(name: str, value: Any) -> Any:
    """Return a value as its column's type has it in JSON; a text of another type is read as such.

    Raises
    ------
    ValueError
        If the column may not be added, or the value is not of its type.
    """
    if name not in notes.COLUMNS:
        what = "was measured or is the run's name" if name in _TYPES else "is no column of runs"
        raise ValueError(f"{name} {what} and cannot be added; choose {', '.join(notes.COLUMNS)}")
    try:
        return _typed(_TYPES[name], value, _LEAST.get(name))
    except (ValueError, TypeError, OverflowError) as error:
        least = f" of at least {_LEAST[name]}" if name in _LEAST else ""
        shown = json.dumps(value)
        kind = _KINDS[_TYPES[name]]
        raise ValueError(f"{name}={shown}, expected {kind}{least}; correct it or leave it out") from error


def _typed(kind: str, value: Any, least: int | None) -> Any:
    if kind == "TIMESTAMPTZ":
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    if kind != "VARCHAR" and isinstance(value, str):
        value = json.loads(value)
    wanted = {"VARCHAR": str, "BIGINT": int, "BOOLEAN": bool}[kind]
    if type(value) is not wanted or value == "":
        raise TypeError(f"{value!r} is not of type {kind}")
    if isinstance(value, str):
        value.encode()
    if isinstance(value, int) and not (-(2**63) if least is None else least) <= value < 2**63:
        raise ValueError(f"{value} is out of range")
    return value


def _published(root: Path, run_id: str) -> Manifest:
    run = manifest.read(root, run_id, [])
    if run.run["status"] == "running":
        raise ValueError(f"run {run_id} is still running; enrich it when it has ended")
    return run


def _refuse_recorded(run: Manifest, values: Mapping[str, Any]) -> None:
    for name in values:
        if run.run[name] is not None:
            raise ValueError(
                f"run {run.run_id} was recorded with {name} {str(run.run[name])!r}, which stays; "
                "add only what is missing"
            )


def _inferred(run: Manifest, note: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, str]]:
    values, origins = {}, {}
    for column, value, origin in infer(run):
        try:
            values[column] = checked_value(column, value)
        except ValueError as error:
            note(f"run {run.run_id}: {origin} was not used: {error}")
            continue
        origins[column] = origin
        note(f"run {run.run_id}: {column} is {values[column]!r} by {origin}")
    return values, origins
