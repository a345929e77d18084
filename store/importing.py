"""What ``import`` is given: result files, tables of cycles, stores, and trees of all of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from probes import durable
from store import carrying, raw
from store.commandline import sentence

KNOWN = (".json", ".json.gz", ".csv", ".csv.gz", ".parquet")
NAMED_LEFT = 5
"""Files of a tree whose reason is told; the others are counted."""


class Wanted(NamedTuple):
    """How to bring things in: the experiment's name, and what columns of a table mean."""

    experiment: str | None = None
    columns: Sequence[str] = ()


class Brought(NamedTuple):
    """The runs that are in the store now, and whether everything that was named is."""

    run_ids: list[str]
    whole: bool


def bring(paths: Sequence[Path], root: Path, wanted: Wanted, note: Callable[[str], None]) -> Brought:
    """Bring files and directories in; one that is refused does not stop the others.

    Of a directory every run of a store and every file of a known form is taken, and what is left is said: that
    alone is no failure, but a directory that brings no run is one.
    """
    durable.named(root)
    ids: list[str] = []
    whole = True
    into = _Import(root, wanted, raw.held_by(root), note)
    for path in paths:
        try:
            ids += _tree(path, into) if path.is_dir() else _file(path, into, named=len(paths) > 1)
        except (ValueError, OSError) as error:
            note(sentence(error))
            whole = False
    return Brought(ids, whole)


class _Import(NamedTuple):
    """Where to, and how; ``held`` is built once a command, for it takes a look at every run of the store."""

    root: Path
    wanted: Wanted
    held: raw.Held
    note: Callable[[str], None]


def _file(path: Path, into: _Import, *, named: bool) -> Sequence[str]:
    root, wanted, held, note = into
    result = raw.import_file(path, root, experiment=wanted.experiment, columns=wanted.columns, held=held)
    for remark in result.notes:
        note(f"{path.name}: {remark}" if named else remark)
    return result.run_ids


def _tree(place: Path, into: _Import) -> list[str]:
    runs = carrying.runs_in(place)
    if runs and into.wanted.experiment is not None:
        raise ValueError(f"{place} holds published runs, which keep their names; leave --experiment out")
    ids = [_carried(run, into) for run in runs]
    if runs:
        into.held.update(raw.held_by(into.root))
    left: list[str] = []
    files = list(_files(place))
    for path in files:
        try:
            if not path.name.lower().endswith(KNOWN):
                raise raw.NotImportable(f"{path.name} is of no known form")
            ids += _file(path, into, named=True)
        except raw.NotImportable as error:
            left.append(sentence(error))
    for reason in left[:NAMED_LEFT]:
        into.note(f"left out: {reason}")
    if not runs and len(left) == len(files):
        found = f"none of its {len(files)} files is" if files else "no file in it is"
        raise ValueError(
            f"{place} brings no run: {found} a result file, a table of cycles or a run of a store"
        )
    if left:
        into.note(f"{place}: {len(files) - len(left)} of {len(files)} files were taken, {len(left)} left out")
    return ids


def _carried(run: Path, into: _Import) -> str:
    run_id = run.name.removeprefix("run_id=")
    if not carrying.carry(run, into.root):
        into.note(f"run {run_id} is in store {into.root} already")
    return run_id


def _files(place: Path) -> Iterator[Path]:
    """Yield the files of a tree, sorted; those of runs, and what a store keeps beside them, are no result files."""
    runs = [path for path in (place / "runs", *place.rglob("runs")) if any(path.glob("run_id=*"))]
    stores = {path.parent for path in runs}
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        parts = path.relative_to(place).parts
        hidden = any(part.startswith((".", "run_id=")) for part in parts) or place.name.startswith("run_id=")
        if not hidden and not any(_beside(path, store) for store in stores):
            yield path


def _beside(path: Path, store: Path) -> bool:
    """Tell whether a store keeps such a file for itself: layers of notes, spools, the cache."""
    part = path.relative_to(store).parts[0] if path.is_relative_to(store) else ""
    return part in ("notes", "spool", "quarantine") or part.startswith("catalog")
