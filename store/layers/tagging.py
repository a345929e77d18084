"""Labels on runs, given and taken back later: layers over ``runs`` like everything learnt afterwards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from store import manifest, notes, publishing
from store.notes import matches

FORM = re.compile(r"\w[\w.:/+-]*(=[\w.:/+-]*)?")
"""Words that a shell takes without quotes; ``=`` parts a name from its value."""


def tag(root: Path, run_ids: Sequence[str], label: str, gone: list[str] | None = None) -> list[str]:
    """Give runs a label; ``name=value`` takes the place of another value of that name.

    Parameters
    ----------
    root : Path
        The store.
    run_ids : sequence of str
        Runs.
    label : str
        Name, or name=value.
    gone : list of str, optional
        Receives the runs that were removed since they were chosen; without it they are an error.

    Returns
    -------
    list of str
        The runs that did not have it.

    Raises
    ------
    ValueError
        If the label has a letter that no label has, or a run cannot be read; then nothing is written.
    OSError
        If the store cannot be written.
    """
    checked(label)
    return _change(root, run_ids, label, gone, adding=True)


def untag(root: Path, run_ids: Sequence[str], label: str, gone: list[str] | None = None) -> list[str]:
    """Take a label from runs; the name alone takes it with any value.  Returns the runs that had it."""
    checked(label)
    return _change(root, run_ids, label, gone, adding=False)


def checked(label: str) -> str:
    """Return a label.

    Raises
    ------
    ValueError
        If it is none.
    """
    if FORM.fullmatch(label):
        return label
    raise ValueError(
        f"{label!r} is no tag; write letters, digits and any of _ . : / + -, or such a name=value, without spaces"
    )


def _change(
    root: Path, run_ids: Sequence[str], label: str, gone: list[str] | None, *, adding: bool
) -> list[str]:
    tags: dict[str, Sequence[str]] = {}
    for run_id in run_ids:
        try:
            tags[run_id] = manifest.read(root, run_id, []).run["tags"] or ()
        except ValueError:
            if gone is None or publishing.run_directory(root, run_id).is_dir():
                raise
            gone.append(run_id)
    changed = [
        run_id for run_id, has in tags.items() if (label not in has if adding else matches(label, has))
    ]
    for run_id in changed:
        notes.write(root, run_id, {}, {"by": "tag"}, **{"tag" if adding else "untag": label})
    return changed
