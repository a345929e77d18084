"""Choose rows of table ``runs``, oldest first, as the options of a command line ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from store.notes import matches

Texts: TypeAlias = str | Iterable[str]
"""One text, or many of them."""


def several(given: Texts | None) -> tuple[str, ...]:
    """Return one text, or many, as a tuple: a text is many letters, and none of them is meant."""
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


def only(runs: pa.Table, ids: set[str]) -> pa.Table:
    """Return the rows of these runs, in their order."""
    return runs.filter(pc.field("run_id").isin(pa.array(sorted(ids), pa.string())))


def latest_of(runs: pa.Table) -> pa.Table:
    """Return the newest run of each experiment, configuration, seed and replicate."""
    keys = zip(
        *(runs[key].to_pylist() for key in ("experiment", "config_id", "seed", "replicate")), strict=True
    )
    newest = {key: place for place, key in enumerate(keys)}
    return runs.take(pa.array(sorted(newest.values()), pa.int64()))


def last_of(runs: pa.Table, last: int) -> pa.Table:
    """Return so many of the newest runs.

    Raises
    ------
    ValueError
        If that is fewer than one.
    """
    if last < 1:
        raise ValueError(f"last={last} selects nothing; give 1 or more")
    return runs.slice(max(0, runs.num_rows - last))


def tagged(runs: pa.Table, tags: Sequence[str]) -> pa.Table:
    """Return the runs that have all of these tags.

    Raises
    ------
    ValueError
        If one is empty.
    """
    if not all(tag.strip() for tag in tags):
        raise ValueError("a tag is empty, which no run has; give its name, or name=value")
    found = [all(matches(tag, has or ()) for tag in tags) for has in runs["tags"].to_pylist()]
    return runs.filter(pa.array(found, pa.bool_()))


def named(text: str, ids: Collection[str], root: Path, problems: Sequence[str]) -> str:
    """Return the run that an id, or the beginning of one, names.

    Raises
    ------
    ValueError
        If there is none, more than one, or one that cannot be read.
    """
    if text in ids:
        return text
    found = [run_id for run_id in ids if text and run_id.startswith(text)]
    unreadable = [problem for problem in problems if text and f"run_id={text}" in problem]
    if unreadable:  # another run that begins so is not what was meant
        raise ValueError(unreadable[0])
    if len(found) == 1:
        return found[0]
    problem = f"names {len(found)} runs" if found else "is not there"
    raise ValueError(f"run {text!r} {problem} in store {root}; `python -m store ls` lists the ids")


def narrowed(table: pa.Table, tags: Sequence[str], *, latest: bool, last: int | None) -> pa.Table:
    """Return the runs with all ``tags``; of those the newest of each configuration; of those so many of the newest.

    Raises
    ------
    ValueError
        If a tag is empty, or ``last`` is less than one.
    """
    found = tagged(table, tags) if tags else table
    if latest:
        found = latest_of(found)
    return found if last is None else last_of(found, last)
