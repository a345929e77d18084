"""What lies in a store, at the price of one ``stat`` a run: enough to tell whether a run is the one read before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, TypeAlias

HIVE_KEY = "run_id="
"""What the name of a published run's directory begins with."""

Stamp: TypeAlias = list[int]
"""``run.json``'s inode, time of change [ns] and size, and the time of change of the run's layers [ns], 0 without."""

SETTLED_NS = 1_000_000_000
"""Two changes of a directory may fall into one tick of its clock; after so long there is no second one."""

UNSETTLED = -1
"""In place of a time that may stand for two states."""


class Listing(NamedTuple):
    """What lies among the runs: the stamp of each by its directory's name, directories without one, other names."""

    found: dict[str, Stamp]
    empty: list[str]
    hidden: list[str]


def listing(root: Path) -> Listing:
    """Look at what lies in a store; a run without ``run.json`` is none: it is written last."""
    layers = _layers(root)
    found: dict[str, Stamp] = {}
    empty: list[str] = []
    hidden: list[str] = []
    try:
        runs = os.open(root / "runs", os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return Listing(found, empty, hidden)
    try:
        for name in os.listdir(runs):  # noqa: PTH208 - of a descriptor
            if not name.startswith(HIVE_KEY):
                hidden.append(name)
                continue
            try:
                told = os.stat(f"{name}/run.json", dir_fd=runs)
            except PermissionError:  # to be read, and named, like any that cannot be
                found[name] = [0, 0, 0, UNSETTLED]
                continue
            except OSError:
                empty.append(name)
                continue
            found[name] = [told.st_ino, told.st_mtime_ns, told.st_size, layers.get(name, 0)]
    finally:
        os.close(runs)
    return Listing(found, empty, hidden)


def kept(stamp: Stamp, *, now_ns: int, sure: bool) -> Stamp:
    """Return a stamp as it may be kept: one that could stand for two states, or for trouble, equals none."""
    return stamp if sure and stamp[3] < now_ns - SETTLED_NS else [*stamp[:3], UNSETTLED]


def _layers(root: Path) -> dict[str, int]:
    try:
        with os.scandir(root / "notes") as entries:
            return {f"{HIVE_KEY}{e.name}": e.stat().st_mtime_ns for e in entries if e.is_dir()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
