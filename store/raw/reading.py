"""Bring a raw result file of the study into a store, as an ordinary run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from probes.identity import new_run_id
from store import manifest, publishing
from store.raw import first_form, recording, second_form, text
from store.raw.fields import Field
from store.raw.recording import Recording

_EXPECTED = "conditions, with per_cycle_metrics or system_metrics where they are a list"


class ImportResult(NamedTuple):
    """What an import did: the run that holds the file, what to know of it, and whether it was there before."""

    run_id: str
    notes: tuple[str, ...]
    skipped: bool


def import_file(path: Path, root: Path, *, experiment: str | None = None) -> ImportResult:
    """Bring one raw result file into a store.

    Both forms that the study recorded are read, plain or gzip.  The run has status ``imported``; what the file
    does not hold is NULL.

    Parameters
    ----------
    path : Path
        The file.
    root : Path
        The store; created if it is missing.
    experiment : str, optional
        The experiment's name; else ``c<N>`` from a cycle number in metadata or file name, else the file's stem.

    Returns
    -------
    ImportResult
        ``skipped`` if this experiment holds the same bytes already; ``run_id`` is then that run.

    Raises
    ------
    NotImportable
        A ``ValueError``: the file is foreign or damaged; nothing is written.
    CannotPublish
        An ``OSError``: the store cannot be written.
    """
    data = text.read_bytes(path)
    document = text.document(path.name, data)
    notes: list[str] = []
    found = _recording(document, notes)
    name = experiment or recording.experiment(document)
    checksum = hashlib.sha256(data).hexdigest()
    held = _holder(root, name, checksum)
    if held is not None:
        said = f"{path.name} is in the store already, as run {held} of experiment {name}"
        return ImportResult(held, (said,), skipped=True)
    record = {
        **found.run,
        "run_id": new_run_id(),
        "experiment": name,
        "status": "imported",
        "config": {"cycle_scope": found.cycle_scope, "file": recording.leftover(document)},
        "source": {"file": path.name, "sha256": checksum},
        "conditions": found.conditions,
        "notes": notes,
    }
    _publish(root, record, found)
    return ImportResult(record["run_id"], tuple(notes), skipped=False)


def _recording(document: Field, notes: list[str]) -> Recording:
    if isinstance(document.value, dict):
        if isinstance(document.get("conditions").value, dict):
            return second_form.read(document, notes)
        rows = document.has("per_cycle_metrics") or document.has("system_metrics")
        if isinstance(document.get("conditions").value, list) and rows:
            return first_form.read(document, notes)
    raise document.refusal(f"a recorded result: an object with {_EXPECTED}")


def _holder(root: Path, experiment: str, checksum: str) -> str | None:
    """Return the run of this experiment that holds a file with this checksum."""
    for run in manifest.scan(root):
        source = run.run["source"]
        if run.run["experiment"] == experiment and source and json.loads(source).get("sha256") == checksum:
            return run.run_id
    return None


def _publish(root: Path, record: Mapping[str, Any], found: Recording) -> None:
    staging = root / "runs" / f".import-{record['run_id']}"
    tables = {name: table for name, table in found.tables.items() if table.num_rows}
    try:
        publishing.publish(root, record, tables, staging=staging)
    except OSError as error:
        raise publishing.CannotPublish(
            f"{record['source']['file']} cannot be imported into {root} ({error}); make the store writable"
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
