"""Take runs out of a store for good, with what was noted of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from store import manifest, publishing


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
        If one is still running.
    """
    runs = {run.run_id: run.run for run in manifest.scan(root) if run.run_id in set(run_ids)}
    for run_id, run in runs.items():
        if run["status"] == "running":
            raise ValueError(f"run {run_id} is still running; stop it or wait for its end, then remove it")
    return [_going(root, runs[run_id]) for run_id in run_ids]


def remove(root: Path, run_ids: Sequence[str]) -> None:
    """Remove runs: each disappears at once, by a rename, before its files go.

    Raises
    ------
    OSError
        If the store cannot be written; one sentence.
    """
    for run_id in run_ids:
        hidden = root / "runs" / f".removed-{run_id}"
        try:
            publishing.run_directory(root, run_id).rename(hidden)
            publishing.sync(hidden.parent)
            shutil.rmtree(hidden)
            shutil.rmtree(root / "notes" / run_id, ignore_errors=True)
        except OSError as error:
            raise OSError(
                f"run {run_id} cannot be removed from {root} ({error.strerror}); make the store writable"
            ) from error


def _going(root: Path, run: Mapping[str, Any]) -> Going:
    sizes = [path.stat().st_size for path in _files(root, run["run_id"])]
    return Going(run["run_id"], run["experiment"], run["status"], run["n_cycles"], len(sizes), sum(sizes))


def _files(root: Path, run_id: str) -> Iterator[Path]:
    for directory in (publishing.run_directory(root, run_id), root / "notes" / run_id):
        yield from (path for path in directory.rglob("*") if path.is_file())
