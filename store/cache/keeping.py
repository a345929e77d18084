"""Bring ``catalog*`` up to date: a line for each new run, or everything again where that is not enough."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from store.cache import foreign, index, segments, stamps
from store.cache.index import Fleet
from store.cache.segments import Segments
from store.cache.stamps import HIVE_KEY, Stamp

MOST_LINES = 100
"""Each costs a reader 30 us; more are merged."""


def is_kept(fleet: Fleet) -> bool:
    """Tell whether the cache holds exactly these runs, and the foreign clients' file is the one that was built."""
    return _held(fleet) and _views(fleet) == fleet.kept.views


def _held(fleet: Fleet) -> bool:
    return bool(fleet.kept.name) and not (fleet.kept.torn or fleet.fresh or fleet.stale)


def damages(fleet: Fleet) -> Iterator[str]:
    """Yield one sentence for each part of the cache that is there and of no use."""
    head, file = fleet.root / segments.HEAD, fleet.kept.views.get("file")
    if not fleet.kept.name and head.exists():
        yield f"{head} was damaged, moved or of another version: it is built again from the runs"
    if file and _views(fleet)["file"] != file:
        yield f"{fleet.root / foreign.NAME} was changed or removed: it is built again from the runs"


def keep(
    root: Path, fleet: Fleet | None = None, *, wait: bool = True, note: Callable[[str], None] | None = None
) -> bool:
    """Bring the cache up to date, one process at a time where the file system has locks.

    Parameters
    ----------
    root : Path
        The store.
    fleet : Fleet, optional
        Its runs, if they are known already.
    wait : bool
        Wait for somebody else who is at it.
    note : callable, optional
        Receives one sentence for each table that no foreign client can read, when the views are built.

    Returns
    -------
    bool
        Whether anything was written; not if it was fresh, or, without ``wait``, if somebody else is at it.

    Raises
    ------
    OSError
        If the store cannot be written.
    """
    with exclusive(root, wait=wait) as alone:
        if fleet is None or fleet.stamp != segments.stamp(root):  # somebody else built it while we waited
            fleet = index.survey(root)
        views = _views(fleet)
        if not alone or (_held(fleet) and views == fleet.kept.views):
            return False
        kept = _extended(fleet)
        known = views == fleet.kept.views and not fleet.gone and _new_layouts(fleet) <= set(views["layouts"])
        if kept and known:
            segments.append(root, kept, list(fleet.fresh))
            return True
        kept = kept or _again(fleet)
        segments.write(root, replace(kept, views={}))  # even if the views cannot be built
        if not known:
            layouts = index.layouts(fleet.table)
            foreign.build(root, layouts, fleet.others)
            if note:
                for conflict in foreign.conflicts(layouts):
                    note(conflict)
            views = _views(fleet, sorted(set(fleet.table["layout"].to_pylist())))
        segments.write(root, replace(kept, views=views))
    return True


def _extended(fleet: Fleet) -> Segments | None:
    """Add the new runs' lines; None where the cache has to be written again."""
    kept = fleet.kept
    if not kept.name or fleet.stale or len(kept.added) + len(fleet.fresh) > MOST_LINES:
        return None
    rows = [index.row(run) for run in fleet.fresh.values()]
    return segments.extend(fleet.root, kept, rows, _stamped(fleet, fleet.fresh))


def _again(fleet: Fleet) -> Segments:
    """Write a new generation of the cache."""
    table = fleet.table
    generation = max(fleet.kept.generation, _newest(fleet.root)) + 1
    runs = _stamped(fleet, (HIVE_KEY + run_id for run_id in table["run_id"].to_pylist()))
    kept = segments.create(fleet.root, generation, table, runs)
    _sweep(fleet.root, kept, readers=bool(fleet.kept.name) and not fleet.gone)
    return kept


def _stamped(fleet: Fleet, names: Iterable[str]) -> dict[str, Stamp]:
    now_ns = time.time_ns()
    return {
        name: stamps.kept(fleet.found[name], now_ns=now_ns, sure=name not in fleet.unsure) for name in names
    }


def _new_layouts(fleet: Fleet) -> set[str]:
    return {index.layout_text(run) for run in fleet.fresh.values()}


def _views(fleet: Fleet, layouts: list[str] | None = None) -> Mapping[str, Any]:
    """Return what the foreign clients' file is now, and would be built from."""
    try:
        told = os.stat(fleet.root / foreign.NAME)  # noqa: PTH116 - half the time
        file = [told.st_ino, told.st_mtime_ns, told.st_size]
    except OSError:
        file = []
    known = fleet.kept.views.get("layouts", []) if layouts is None else layouts
    return {"made_by": foreign.made_by(), "file": file, "others": fleet.others, "layouts": known}


def _newest(root: Path) -> int:
    return max((generation for generation, _ in _files(root)), default=0)


def _files(root: Path) -> Iterator[tuple[int, Path]]:
    for path in root.glob(f"{segments.NAME}.*.*.*"):
        if (generation := path.name.split(".")[2]).isdecimal():
            yield int(generation), path


def _sweep(root: Path, kept: Segments, *, readers: bool) -> None:
    """Remove what nobody reads: a client may be reading the generation before, if it was sound and no run is gone."""
    for generation, path in _files(root):
        orphan = generation == kept.generation and kept.name not in path.name
        if orphan or generation < kept.generation - readers:
            path.unlink(missing_ok=True)
    for path in root.glob("catalog.*.tmp*"):  # of killed builders: nobody else builds now
        path.unlink(missing_ok=True)


@contextmanager
def exclusive(root: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock of the cache's builders; where there are no locks, go on: the last replace wins."""
    descriptor = os.open(root / "catalog.lock", os.O_RDWR | os.O_CREAT, 0o666)
    alone = True
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            alone = False
        except OSError:
            pass
        yield alone
    finally:
        with suppress(OSError):
            os.close(descriptor)
