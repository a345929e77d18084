"""What of a sweep somebody else has completed, or is at work on: two sweeps at once do not run the same twice."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from conf.jobs import Identity, Job
from probes import ownership
from store import adopt, open_catalog
from store.commandline import note

Row = Mapping[str, Any]
STARTING_S = 0.05


class Others:
    """The runs of a store by identity; looked at again only where something new is in it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: set[str] | None = None
        self._rows: dict[Identity, Row] = {}

    def completed(self, job: Job) -> str | None:
        """Return the id of the run that completed ``job``; one that still goes on is waited for."""
        row = self._known().get(job.identity)
        if row is None:
            return None
        done = row["status"] == "completed" or completes(self._root, job, row["run_id"])
        return str(row["run_id"]) if done else None

    def _known(self) -> dict[Identity, Row]:
        """Return what is completed, and what runs where nothing is, by identity."""
        names = {name for place in ("runs", "spool") for name in _listed(self._root / place)}
        if names != self._names:
            self._rows, self._names = _read(self._root), names
        return self._rows


def _listed(directory: Path) -> list[str]:
    with suppress(OSError):
        return [path.name for path in directory.iterdir()]
    return []


def _read(root: Path) -> dict[Identity, Row]:
    if not root.is_dir():
        return {}
    with open_catalog(root) as catalog:
        rows: list[Row] = catalog.runs().to_pylist()
    rows.sort(key=lambda row: row["status"] == "completed")
    return {identity(row): row for row in rows if row["status"] in ("completed", "running")}


def identity(row: Row) -> Identity:
    """Return who a row of table ``runs`` is."""
    return Identity(row["experiment"], row["config_id"], row["seed"], row["replicate"])


def completes(root: Path, job: Job, run_id: str) -> bool:
    """Wait for a run that somebody else started, and tell whether it completed."""
    note(f"{job.label} is running already as {run_id}; waiting for it")
    spool = root / "spool" / run_id
    while ownership.state(spool) == "born":  # its owner is starting: there is no lock yet to wait for
        time.sleep(STARTING_S)
    adopt(spool, wait=True)
    with open_catalog(root) as catalog:
        rows: list[Row] = catalog.runs().to_pylist()
    return any(row["run_id"] == run_id and row["status"] == "completed" for row in rows)


def yielded(spool: Path, job: Job) -> str | None:
    """Give a spool that has only been written up for another of the same identity; return that one's id.

    Both of two that start at once have written their job before they look here, and the later one yields.
    """
    for rival in _rivals(spool, job):
        if (rival / "owner.pid").exists() or rival.name < spool.name:
            shutil.rmtree(spool)
            return rival.name
    return None


def _rivals(spool: Path, job: Job) -> Iterator[Path]:
    for other in sorted(spool.parent.iterdir()):
        with suppress(OSError, ValueError, LookupError, TypeError):
            alike = other != spool and identity(json.loads((other / "job.json").read_bytes())) == job.identity
            if alike and ownership.state(other) in ("running", "born"):
                yield other
