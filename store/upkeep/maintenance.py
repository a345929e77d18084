"""Keep a store in order: adopt what died, rebuild what is derived."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from probes import durable, ownership
from store import manifest, publishing
from store.adopting import adopt
from store.cache import foreign, index, keeping
from store.upkeep import removing


def refresh(root: Path, *, note: Callable[[str], None] | None = None) -> list[str]:
    """Publish every run whose owner died, then sweep up and bring the foreign clients' catalog up to date.

    Any number of processes may do so at once; what lives or is being born is left alone.

    Parameters
    ----------
    root : Path
        An existing store.
    note : callable
        Receives one sentence for everything that could not be done; nothing of it stops the rest.

    Returns
    -------
    list of str
        Runs that this call published, sorted.

    Raises
    ------
    OSError
        If the store's path is no UTF-8 text.
    """
    durable.named(root)
    note = note or _silent
    adopted = [run_id for spool in _leftover(root) if (run_id := _adopt(root, spool, note)) is not None]
    refresh_catalog(root, note)
    return adopted


def unpublished(root: Path) -> list[Path]:
    """Return the spools of runs that ended without being published, sorted."""
    dead = (spool for spool in manifest.spools(root) if ownership.state(spool) == "dead")
    return [
        spool for spool in dead if not publishing.is_published(publishing.run_directory(root, spool.name))
    ]


def _silent(sentence: str) -> None:
    """Drop a note that nobody asked for."""


def _leftover(root: Path) -> list[Path]:
    """Return spools to look at: those with a job, and what is left of published ones."""
    found = set(manifest.spools(root))
    for path in (root / "spool").glob("*"):
        if publishing.is_published(publishing.run_directory(root, path.name)):
            found.add(path)
    return sorted(found)


def _adopt(root: Path, spool: Path, note: Callable[[str], None]) -> str | None:
    """Adopt one spool if its owner is dead; return the run's id if this call published it."""
    state = ownership.state(spool)
    if state == "unlockable":
        note(
            f"{spool} is left alone: its file system has no locks; if the run has ended, adopt it with --force"
        )
    if state != "dead":
        return None
    before = publishing.is_published(publishing.run_directory(root, spool.name))
    try:
        run_id = adopt(spool)
    except (OSError, ValueError) as error:
        note(str(error))
        return None
    return None if before else run_id


def refresh_catalog(root: Path, note: Callable[[str], None]) -> None:
    """Rebuild what is derived if it is missing, stale, moved or corrupt."""
    fleet = index.survey(root)
    removing.sweep(root, fleet, note)
    for problem in fleet.problems:
        note(problem)
    if keeping.is_kept(fleet):
        return
    for sentence in keeping.damages(fleet):
        note(sentence)
    try:
        keeping.keep(root, fleet, note=note)
    except OSError as error:
        note(f"{root / foreign.NAME} is not up to date: {error.strerror or error}")
