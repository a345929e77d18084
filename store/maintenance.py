"""Keep a store in order: adopt what died, rebuild what is derived, check what was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from probes import ownership
from store import foreign, manifest, publishing
from store.adopting import adopt
from store.manifest import Manifest


class Problem(NamedTuple):
    """One thing that is wrong with a published run; ``file`` is a name in its directory."""

    run_id: str
    file: str
    problem: str


def refresh(root: Path, *, note: Callable[[str], None] | None = None) -> list[str]:
    """Publish every run whose owner died, then bring the foreign clients' catalog up to date.

    Any number of processes may do so at once; what lives or is being born is left alone.

    Parameters
    ----------
    root : Path
        An existing store.
    note : callable
        Receives one sentence for everything that could not be done; nothing of it stops the rest.

    Returns
    -------
    list of str
        Runs that this call published, sorted.
    """
    note = note or _silent
    adopted = [run_id for spool in _leftover(root) if (run_id := _adopt(root, spool, note)) is not None]
    refresh_catalog(root, note)
    return adopted


def verify(root: Path) -> list[Problem]:
    """Check every published run against its manifest: checksums, row counts, columns, missing and extra files.

    Returns
    -------
    list of Problem
        Empty if all is as it was written.
    """
    return [problem for directory in _directories(root) for problem in _verify_run(directory)]


def _silent(sentence: str) -> None:
    """Drop a note that nobody asked for."""


def _leftover(root: Path) -> list[Path]:
    """Return spools to look at: those with a job, and what is left of published ones."""
    found = set(manifest.spools(root))
    for path in (root / "spool").glob("*"):
        if publishing.is_published(publishing.run_directory(root, path.name)):
            found.add(path)
    return sorted(found)


def _adopt(root: Path, spool: Path, note: Callable[[str], None]) -> str | None:
    """Adopt one spool if its owner is dead; return the run's id if this call published it."""
    state = ownership.state(spool)
    if state == "unlockable":
        note(
            f"{spool} is left alone: its file system has no locks; if the run has ended, adopt it with --force"
        )
    if state != "dead":
        return None
    before = publishing.is_published(publishing.run_directory(root, spool.name))
    try:
        run_id = adopt(spool)
    except (OSError, ValueError) as error:
        note(str(error))
        return None
    return None if before else run_id


def refresh_catalog(root: Path, note: Callable[[str], None]) -> None:
    """Rebuild the foreign clients' catalog if it is missing, stale, moved or corrupt."""
    runs, problems = manifest.survey(root)
    for problem in problems:
        note(problem)
    finished = [run for run in runs if run.run["status"] != "running"]
    try:
        if not foreign.is_fresh(root, finished):
            foreign.rebuild(root, finished)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        note(f"{root / foreign.NAME} is not up to date: {reason}")


def _directories(root: Path) -> list[Path]:
    return sorted(path for path in (root / "runs").glob("run_id=*") if path.is_dir())


def _verify_run(directory: Path) -> Iterator[Problem]:
    run_id = directory.name.removeprefix("run_id=")
    try:
        run = manifest.load(directory)
    except ValueError as error:
        yield Problem(run_id, "run.json", str(error))
        return
    if run.run_id != run_id:
        yield Problem(run_id, "run.json", f"it is the manifest of run {run.run_id}")
    found = {path.name for path in directory.iterdir()} - {"run.json"}
    for name in sorted(found.difference(run.files)):
        yield Problem(run_id, name, "is not in the manifest")
    for name in sorted(run.files):
        problem = _verify_file(run, name) if name in found else "is missing"
        if problem:
            yield Problem(run_id, name, problem)


def _verify_file(run: Manifest, name: str) -> str | None:
    path, entry = run.directory / name, run.files[name]
    try:
        checksum = publishing.sha256(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if checksum != entry.sha256:
        return f"has sha256 {checksum[:12]}..., the manifest says {entry.sha256[:12]}..."
    return _verify_table(path, entry) if entry.columns else None


def _verify_table(path: Path, entry: manifest.File) -> str | None:
    try:
        parquet = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        return f"is no Parquet file ({str(error).splitlines()[0]})"
    with parquet:
        rows, names = parquet.metadata.num_rows, parquet.schema_arrow.names
    if rows != entry.rows:
        return f"has {rows} rows, the manifest says {entry.rows}"
    if names != list(entry.columns):
        return f"has columns {names}, the manifest says {list(entry.columns)}"
    return None
