"""Take runs out of a store for good, with what was noted of them."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from probes import durable
from store import manifest, publishing
from store.adopting import adopt
from store.cache import forgetting
from store.cache.index import Fleet

REMOVED = ".removed-"
"""What the name of a run begins with once it is removed, until its files are gone."""

ABANDONED_S = 3600.0
"""An import into which nothing was written for so long has ended; the files of a run take seconds."""


class Going(NamedTuple):
    """A run that would go, and what its files take."""

    run_id: str
    experiment: str | None
    status: str
    n_cycles: int | None
    files: int
    bytes: int


def going(root: Path, run_ids: Sequence[str]) -> list[Going]:
    """Return what ``remove`` of these runs would remove.

    Raises
    ------
    ValueError
        If one is still running, or cannot be read.
    """
    runs = [manifest.read(root, run_id, []).run for run_id in run_ids]
    for run in runs:
        if run["status"] == "running":
            raise ValueError(
                f"run {run['run_id']} is still running; stop it or wait for its end, then remove it"
            )
    return [_going(root, run) for run in runs]


def remove(root: Path, run_ids: Sequence[str], note: Callable[[str], None]) -> None:
    """Remove runs: each disappears at once, by a rename, then its rows from what is merged, then its files.

    What is noted of a run goes before it: left behind, it would stand over a later import of the same run.  The next
    refresh takes runs out of table ``runs`` of the cache.

    Parameters
    ----------
    root : Path
        An existing store.
    run_ids : sequence of str
        Published runs.
    note : callable
        Receives one sentence for each merged table that could not be kept.

    Raises
    ------
    OSError
        If the store cannot be written; one sentence.
    """
    hidden: list[Path] = []
    for run_id in run_ids:
        try:
            hidden += _hidden(root, run_id)
        except OSError as error:
            with suppress(OSError):  # what it leaves is the next refresh's
                _delete(root, hidden, note)
            raise OSError(
                f"run {run_id} cannot be removed from {root} ({error.strerror}); make the store writable"
            ) from error
    _delete(root, hidden, note)


def sweep(root: Path, fleet: Fleet, note: Callable[[str], None]) -> None:
    """Delete what is left of runs that are gone, and of killed imports; what cannot be deleted goes another time."""
    if fleet.gone or any(name.startswith(REMOVED) for name in fleet.hidden):
        with suppress(OSError):
            forgetting.forget(root, note)
    for name in fleet.hidden:
        path = root / "runs" / name
        unfinished = name.startswith(publishing.UNFINISHED)
        if name.startswith(REMOVED) or (unfinished and _age_s(path) > ABANDONED_S):
            shutil.rmtree(path, ignore_errors=True)


def _delete(root: Path, hidden: Sequence[Path], note: Callable[[str], None]) -> None:
    """Delete what was hidden, last of all: as long as it is there, a refresh goes on where a killed removal ended."""
    try:
        forgetting.forget(root, note)
        for path in hidden:
            with suppress(FileNotFoundError):  # a refresh sweeps here, too
                shutil.rmtree(path)
    except OSError as error:
        raise OSError(
            f"not all of what was removed from {root} could be deleted ({error.strerror or error}); make the store "
            "writable, then refresh it"
        ) from error


def _hidden(root: Path, run_id: str) -> list[Path]:
    """Rename a run and its layers to names that nobody reads; return them.  A spool that is left of it goes first."""
    spool = root / "spool" / run_id
    if spool.is_dir():  # else a refresh would publish the run again
        adopt(spool, force=True)
    runs, layers = root / "runs", root / "notes" / run_id
    run, noted = (runs / f"{REMOVED}{uuid.uuid4().hex}" for _ in range(2))
    annotated = layers.is_dir()
    if annotated:
        layers.rename(noted)
        durable.sync(layers.parent)
    try:
        publishing.run_directory(root, run_id).rename(run)
    except OSError:
        if annotated:
            noted.rename(layers)
        raise
    durable.sync(runs)
    return [run, noted] if annotated else [run]


def _age_s(directory: Path) -> float:
    """Return how long ago anything was written there; 0 for what is gone by now."""
    try:
        return time.time() - max(path.stat().st_mtime for path in (directory, *directory.iterdir()))
    except OSError:
        return 0.0


def _going(root: Path, run: Mapping[str, Any]) -> Going:
    sizes = [path.stat().st_size for path in _files(root, run["run_id"])]
    return Going(run["run_id"], run["experiment"], run["status"], run["n_cycles"], len(sizes), sum(sizes))


def _files(root: Path, run_id: str) -> Iterator[Path]:
    for directory in (publishing.run_directory(root, run_id), root / "notes" / run_id):
        yield from (path for path in directory.rglob("*") if path.is_file())
