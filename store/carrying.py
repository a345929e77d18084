"""Take published runs from one store to another as they are: files, layers, names.  Nothing is lost or renamed."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from probes import durable
from store import manifest, notes, publishing
from store.upkeep import damage, quarantine


def runs_in(place: Path) -> list[Path]:
    """Return the directories of published runs that ``place`` is or holds, a store's among them, sorted."""
    if place.name.startswith("run_id=") and publishing.is_published(place):
        return [place]
    found = place.rglob("run_id=*/run.json")
    return sorted(path.parent for path in found if quarantine.NAME not in path.relative_to(place).parts)


def carry(source: Path, root: Path) -> bool:
    """Copy one run into store ``root``, with the layers over it; tell whether it was new there.

    Parameters
    ----------
    source : Path
        The run's directory, ``run_id=<id>``; its layers are looked for where its store has them.
    root : Path
        The store; created if it is missing.

    Raises
    ------
    ValueError
        If the run is damaged, or the store holds another run of that id; nothing is written.
    CannotPublish
        An ``OSError``: the store cannot be written.
    """
    for problem in damage.verify_run(source):
        raise ValueError(
            f"{source}: {problem.file} {problem.problem}; copy the run again from where it is whole"
        )
    run_id = manifest.load(source).run_id
    final = publishing.run_directory(root, run_id)
    try:
        new = not publishing.is_published(final) and _copy(source, final)
        if not new and publishing.sha256(final / "run.json") != publishing.sha256(source / "run.json"):
            raise ValueError(
                f"store {root} holds another run {run_id}; import {source} into a store of its own"
            )
        _copy_layers(source, root / "notes" / run_id)
    except OSError as error:
        raise publishing.CannotPublish(
            f"run {run_id} cannot be written into {root} ({error.strerror or error}); make room, or make it writable"
        ) from error
    return new


def _copy(source: Path, final: Path) -> bool:
    """Copy a run's files; False if somebody else brought the same run meanwhile: theirs stands."""
    # A name of its own: another import of this run may be under way, and would lose its files to ``prepare``.
    staging = final.with_name(f"{publishing.UNFINISHED}{uuid.uuid4().hex}")
    try:
        publishing.prepare(staging)
        for path in _manifest_last(source):
            shutil.copyfile(path, staging / path.name)
            durable.sync(staging / path.name)
        return publishing.place(staging, final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy_layers(source: Path, directory: Path) -> None:
    layers = source.parent.parent / "notes" / source.name.removeprefix("run_id=")
    for path in sorted(layers.glob("*.json")):
        if not (directory / path.name).exists():
            durable.make(directory)
            with suppress(FileExistsError):
                notes.put(directory / path.name, path.read_bytes())


def _manifest_last(source: Path) -> Iterator[Path]:
    yield from sorted(path for path in source.iterdir() if path.name != "run.json")
    yield source / "run.json"
