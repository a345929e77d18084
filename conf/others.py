"""What of a sweep somebody else has completed, or is at work on: two sweeps at once do not run the same twice."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
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
        self._names: tuple[list[str], ...] = ()
        self._rows: dict[Identity, Row] = {}

    def completed(self, job: Job) -> str | None:
        """Return the id of the run that completed ``job``; one that still goes on is waited for."""
        row = self._known().get(job.identity)
        if row is None:
            return None
        done = row["status"] == "completed" or completes(self._root, job, row["run_id"])
        return str(row["run_id"]) if done else None

    def published(self, job: Job) -> str | None:
        """Return the id of a run that completed ``job`` since it was last looked for."""
        if self._names and _listed(self._root / "runs") == self._names[0]:
            return None
        row = self._known().get(job.identity)
        return str(row["run_id"]) if row is not None and row["status"] == "completed" else None

    def _known(self) -> dict[Identity, Row]:
        """Return what is completed, and what runs where nothing is, by identity."""
        names = tuple(_listed(self._root / place) for place in ("runs", "spool"))
        if names != self._names:
            self._rows, self._names = _read(self._root), names
        return self._rows


def _listed(directory: Path) -> list[str]:
    with suppress(OSError):
        return sorted(path.name for path in directory.iterdir())
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
    spool = root / "spool" / run_id
    if spool.exists():
        note(f"{job.label} is running already as {run_id}; waiting for it")
    while ownership.state(spool) == "born":  # its owner is starting: there is no lock yet to wait for
        time.sleep(STARTING_S)
    with suppress(OSError, ValueError):  # what cannot be published is no completed run
        adopt(spool, wait=True)
    with open_catalog(root) as catalog:
        rows: list[Row] = catalog.runs().to_pylist()
    return any(row["run_id"] == run_id and row["status"] == "completed" for row in rows)


def yielded(spool: Path, job: Job, others: Others, *, but: Collection[str] = ()) -> str | None:
    """Give a spool that has only been written up for another run of the same identity; return that one's id.

    Both of two that start at once have written their job before they look here, and the later one yields.  What
    has ended counts until its run is published, and then as published: in between nobody would see it.
    """
    rivals = (rival for rival in _rivals(spool, job) if rival.name not in but)
    older = (r.name for r in rivals if (r / "owner.pid").exists() or r.name < spool.name)
    found = next(older, None) or others.published(job)
    if found is not None:
        shutil.rmtree(spool)
    return found


def _rivals(spool: Path, job: Job) -> Iterator[Path]:
    for other in sorted(spool.parent.iterdir()):
        with suppress(OSError, ValueError, LookupError, TypeError):
            alike = other != spool and identity(json.loads((other / "job.json").read_bytes())) == job.identity
            if alike and ownership.state(other) != "unlockable":
                yield other
