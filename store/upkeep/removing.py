"""Take runs out of a store for good, with what was noted of them."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from probes import durable
from store import manifest, publishing

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


def remove(root: Path, run_ids: Sequence[str]) -> None:
    """Remove runs: each disappears at once, by a rename, before its files go.

    What is noted of a run goes before it: left behind, it would stand over a later import of the same run.

    Raises
    ------
    OSError
        If the store cannot be written; one sentence.
    """
    for run_id in run_ids:
        try:
            for hidden in _hidden(root, run_id):
                with suppress(FileNotFoundError):  # a refresh sweeps here, too
                    shutil.rmtree(hidden)
        except OSError as error:
            raise OSError(
                f"run {run_id} cannot be removed from {root} ({error.strerror}); make the store writable"
            ) from error


def sweep(root: Path, names: Sequence[str]) -> None:
    """Delete what killed removals and imports left among the runs; what cannot be deleted now goes another time.

    ``names`` lie in ``runs/`` and are none of a run.
    """
    for name in names:
        path = root / "runs" / name
        unfinished = name.startswith(publishing.UNFINISHED)
        if name.startswith(REMOVED) or (unfinished and _age_s(path) > ABANDONED_S):
            shutil.rmtree(path, ignore_errors=True)


def _hidden(root: Path, run_id: str) -> list[Path]:
    """Rename a run and its layers to names that nobody reads; return them."""
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
