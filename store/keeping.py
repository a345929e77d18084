"""Bring ``catalog*`` up to date: one small segment for new runs, everything again where that is not enough."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from store import foreign, index, stamps
from store.index import Fleet, Segments
from store.stamps import HIVE_KEY, Stamp

MOST_SEGMENTS = 24
"""Each costs a reader 1 ms; more are merged."""


def is_kept(fleet: Fleet) -> bool:
    """Tell whether the cache holds exactly these runs, and the foreign clients' file is the one that was built."""
    kept = fleet.kept
    return bool(kept.files) and not fleet.fresh and not fleet.stale and _views(fleet) == kept.views


def damages(fleet: Fleet) -> Iterator[str]:
    """Yield one sentence for each part of the cache that is there and of no use."""
    head, file = fleet.root / index.HEAD, fleet.kept.views.get("file")
    if not fleet.kept.files and head.exists():
        yield f"{head} was damaged, moved or of another version: it is built again from the runs"
    if file and _views(fleet)["file"] != file:
        yield f"{fleet.root / foreign.NAME} was changed or removed: it is built again from the runs"


def keep(root: Path, fleet: Fleet | None = None, *, wait: bool = True) -> bool:
    """Bring the cache up to date, one process at a time where the file system has locks.

    Parameters
    ----------
    root : Path
        The store.
    fleet : Fleet, optional
        Its runs, if they are known already.
    wait : bool
        Wait for somebody else who is at it.

    Returns
    -------
    bool
        Whether anything was written; not if it was fresh, or, without ``wait``, if somebody else is at it.

    Raises
    ------
    OSError
        If the store cannot be written.
    ValueError
        If the runs do not fit into one table; see ``manifest.columns``.
    """
    with exclusive(root, wait=wait) as alone:
        if fleet is None or fleet.kept.stamp != index.head_stamp(
            root
        ):  # somebody else built it while we waited
            fleet = index.survey(root)
        if not alone or is_kept(fleet):
            return False
        kept = _segments(root, fleet)
        added = kept.files.keys() - fleet.kept.files.keys()
        views = _views(fleet)
        texts = {index.layout_text(run) for run in fleet.fresh.values()}
        if (
            kept.generation == fleet.kept.generation
            and views == fleet.kept.views
            and texts <= set(views["layouts"])
        ):
            for name in added:
                index.append(root, name, kept.files[name])
            return True
        _sweep(root, kept, readers=bool(fleet.kept.files))
        index.write(root, Segments(kept.generation, kept.files))  # even if the runs do not fit into one table
        if views != fleet.kept.views or not texts <= set(views["layouts"]):
            foreign.build(root, index.layouts(fleet.table), fleet.others)
            fleet.kept.views = {"layouts": sorted(set(fleet.table["layout"].to_pylist()))}
        index.write(root, Segments(kept.generation, kept.files, _views(fleet)))
    return True


def _segments(root: Path, fleet: Fleet) -> Segments:
    """Write what the cache lacks: a segment of new runs, or a new generation of one segment with all."""
    kept, now_ns = fleet.kept, time.time_ns()

    def stamped(names: Iterator[str]) -> dict[str, Stamp]:
        return {
            name: stamps.kept(fleet.found[name], now_ns=now_ns, sure=name not in fleet.unsure)
            for name in names
        }

    if not kept.files or fleet.stale or len(kept.files) >= MOST_SEGMENTS:
        table = fleet.table
        generation = max(kept.generation, _newest(root)) + 1
        name = index.write_segment(root, generation, table)
        return Segments(generation, {name: stamped(HIVE_KEY + run for run in table["run_id"].to_pylist())})
    if not fleet.fresh:
        return kept
    name = index.write_segment(root, kept.generation, index.rows(list(fleet.fresh.values())))
    return Segments(kept.generation, {**kept.files, name: stamped(iter(fleet.fresh))})


def _views(fleet: Fleet) -> Mapping[str, Any]:
    """Return what the foreign clients' file is now, and would be built from."""
    try:
        told = (fleet.root / foreign.NAME).stat()
        file = [told.st_ino, told.st_mtime_ns, told.st_size]
    except OSError:
        file = []
    layouts = fleet.kept.views.get("layouts", [])
    return {"made_by": foreign.made_by(), "file": file, "others": fleet.others, "layouts": layouts}


def _newest(root: Path) -> int:
    names = (path.name.split(".")[2] for path in root.glob(f"{index.SEGMENT}.*.parquet"))
    return max((int(text) for text in names if text.isdecimal()), default=0)


def _sweep(root: Path, kept: Segments, *, readers: bool) -> None:
    """Remove segments that nobody reads: a client may still be reading those of the generation before, if sound."""
    for path in root.glob(f"{index.SEGMENT}.*.parquet"):
        generation = path.name.split(".")[2]
        old = generation.isdecimal() and int(generation) < kept.generation - readers
        orphan = generation.isdecimal() and int(generation) == kept.generation and path.name not in kept.files
        if old or orphan:
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
            for left in root.glob(
                "catalog.*.tmp*"
            ):  # nobody else builds now: what lies there is of killed builders
                left.unlink(missing_ok=True)
        except BlockingIOError:
            alone = False
        except OSError:
            pass
        yield alone
    finally:
        with suppress(OSError):
            os.close(descriptor)
