"""Take published runs from one store to another as they are: files, layers, names.  Nothing is lost or renamed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from store import manifest, publishing
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
    new = not publishing.is_published(final)
    if not new and publishing.sha256(final / "run.json") != publishing.sha256(source / "run.json"):
        raise ValueError(f"store {root} holds another run {run_id}; import {source} into a store of its own")
    try:
        if new:
            _copy(source, final)
        _copy_layers(source, root / "notes" / run_id)
    except OSError as error:
        raise publishing.CannotPublish(
            f"run {run_id} cannot be written into {root} ({error.strerror or error}); make room, or make it writable"
        ) from error
    return new


def _copy(source: Path, final: Path) -> None:
    staging = final.with_name(f".import-{final.name}")
    try:
        publishing.prepare(staging)
        for path in _manifest_last(source):
            shutil.copyfile(path, staging / path.name)
            publishing.sync(staging / path.name)
        publishing.sync(staging)
        staging.rename(final)
        publishing.sync(final.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy_layers(source: Path, notes: Path) -> None:
    layers = source.parent.parent / "notes" / source.name.removeprefix("run_id=")
    for path in sorted(layers.glob("*.json")):
        if not (notes / path.name).exists():
            notes.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, notes / path.name)
            publishing.sync(notes / path.name)


def _manifest_last(source: Path) -> Iterator[Path]:
    yield from sorted(path for path in source.iterdir() if path.name != "run.json")
    yield source / "run.json"
