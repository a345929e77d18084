"""What is wrong with a store's runs: every file against its manifest, and why a question could not be answered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from store import manifest, notes, publishing, schema
from store.cache import compacting
from store.manifest import Manifest, NewerFormat
from store.query import Refused

READING = re.compile(
    r"(?:exporting a stream from the object|reading the stream) registered as '([^']+)' failed"
)
"""What DuckDB says where a table's file is at fault, and not the question."""


EXTRA = "is not in the manifest"
LAYER = "notes"
"""Stands for a file where it is a layer over the run that cannot be read."""


class Problem(NamedTuple):
    """One thing that is wrong with a published run; ``file`` is a name in its directory."""

    run_id: str
    file: str
    problem: str


class Damaged(Refused):
    """A question that runs cannot answer because their files are damaged; one sentence."""


def verify(root: Path) -> list[Problem]:
    """Check every published run against its manifest: checksums, row counts, columns, missing and extra files.

    Returns
    -------
    list of Problem
        Empty if all is as it was written.
    """
    runs = [problem for directory in directories(root) for problem in verify_run(directory)]
    return runs + list(_layers(root))


def directories(root: Path) -> list[Path]:
    """Return the directories that are, or should be, published runs."""
    return sorted(path for path in (root / "runs").glob("run_id=*") if path.is_dir())


def verify_run(directory: Path) -> Iterator[Problem]:
    """Yield what is wrong with one run."""
    run_id = directory.name.removeprefix("run_id=")
    try:
        run = manifest.load(directory)
    except ValueError as error:
        yield Problem(run_id, "run.json", str(error))
        return
    found = {path.name for path in directory.iterdir()} - {"run.json"}
    for name in sorted(found.difference(run.files)):
        yield Problem(run_id, name, EXTRA)
    for name in sorted(run.files):
        problem = _verify_file(run, name) if name in found else "is missing"
        if problem:
            yield Problem(run_id, name, problem)


def is_newer(directory: Path) -> bool:
    """Tell whether a run was written by a later version, which is no damage."""
    try:
        manifest.load(directory)
    except NewerFormat:
        return True
    except ValueError:
        return False
    return False


def explained(error: Refused, root: Path, runs: Iterable[Manifest]) -> Refused:
    """Return why a question failed, if that is known, else ``error``.

    A run that is gone, a damaged merged copy, or a damaged file of one of ``runs``: only where a table could not be
    read, and of its files alone, since a typo must not cost reading the store, nor be blamed on what it did not read.
    """
    reading, named = READING.search(str(error)), re.findall(r"run_id=([^/\\]+)", str(error))
    if reading is None:
        return error
    for run_id in named:
        if not publishing.run_directory(root, run_id).exists():
            return Refused(f"run {run_id} was removed since the store was opened; open it anew and ask again")
    if "No such file" in str(error) and f"/{compacting.PLACE}/" in str(error):
        return Refused("rows were merged anew since the store was opened; open it anew and ask again")
    if compacting.discard_damaged(root):
        return Damaged(
            "a merged copy was damaged, and none is read any more; ask again, and compact when convenient"
        )
    name = f"{reading[1]}.parquet"
    suspects = (run for run in runs if name in run.files and (run.run_id in named or not named))
    for run in sorted(suspects, key=lambda run: run.run_id):
        problem = _verify_file(run, name) if (run.directory / name).exists() else "is missing"
        if problem:
            return Damaged(sentence(Problem(run.run_id, name, problem)))
    return error


def sentence(problem: Problem) -> str:
    """Return one damaged file, and what to do about it, in one sentence."""
    return (
        f"run {problem.run_id}: {problem.file} {problem.problem}; leave the run out "
        f"(--where \"run_id != '{problem.run_id}'\"), or let `python -m store verify --repair` put it aside"
    )


def _layers(root: Path) -> Iterator[Problem]:
    for run_id in notes.annotated(root):
        problems: list[str] = []
        list(notes.layers(root, run_id, problems))
        for problem in problems:
            yield Problem(run_id, LAYER, problem)


def _verify_file(run: Manifest, name: str) -> str | None:
    """Return what is wrong with a file: what a reader of it would miss first, then a changed byte."""
    path, entry = run.directory / name, run.files[name]
    try:
        checksum = publishing.sha256(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if entry.columns and (problem := _verify_table(path, entry)):
        return problem
    if checksum != entry.sha256:
        return f"has sha256 {checksum[:12]}..., the manifest says {entry.sha256[:12]}..."
    return None


def _verify_table(path: Path, entry: manifest.File) -> str | None:
    try:
        parquet = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        return f"is no whole Parquet file ({' '.join(str(error).split())[:120]})"
    with parquet:
        rows, names = parquet.metadata.num_rows, parquet.schema_arrow.names
        kinds = {field.name: str(field.type) for field in parquet.schema_arrow}
    if rows != entry.rows:
        return f"has {rows} rows, the manifest says {entry.rows}"
    if missing := [name for name in entry.columns if name not in names]:
        return f"lacks column {', '.join(missing)}, which the manifest lists"
    if names != list(entry.columns):
        return f"has columns {names}, the manifest says {list(entry.columns)}"
    for name, kind in entry.columns.items():
        if kinds[name] != str(schema.ARROW[kind]):
            return f"has column {name} of type {kinds[name]}, the manifest says {kind}"
    return None
