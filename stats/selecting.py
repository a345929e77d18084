"""Which runs a judgement is about: those chosen, those of them that are whole, and what to say where none is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

from store.catalog import Catalog
from store.choosing import several

WHOLE = ("completed", "imported")
"""Runs that hold all that they declared; a part of a run has no comparable total."""

SHOWN = 6
"""Experiments that one sentence names."""


class Options(TypedDict, total=False):
    """What every judgement takes besides its predicates, by keyword."""

    runs: str | Sequence[str]
    """Ids, or beginnings of ids."""
    tags: str | Sequence[str]
    """Tags that a run must have, all of them."""
    latest: bool
    """Only the newest of each experiment, configuration, seed and replicate."""
    last: int | None
    """Only so many of the newest."""
    across: bool
    """Judge runs together that are unlike (see ``stats.comparable``), with a note, instead of refusing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The same, with its defaults."""

    runs: str | Sequence[str] = ()
    tags: str | Sequence[str] = ()
    latest: bool = False
    last: int | None = None
    across: bool = False

    def ids(self, catalog: Catalog, where: str | Sequence[str]) -> list[str]:
        """Return the ids of the chosen runs, oldest first."""
        return catalog.select(where, self.runs, self.tags, latest=self.latest, last=self.last)


class Selected(NamedTuple):
    """The runs of one side: the predicates that chose them, and their ids."""

    where: tuple[str, ...]
    runs: tuple[str, ...]

    def to_json(self) -> dict[str, list[str]]:
        """Return the ``selection`` of the JSON documents."""
        return {"where": list(self.where), "runs": list(self.runs)}


def chosen(catalog: Catalog, where: str | Sequence[str], choice: Choice) -> list[str]:
    """Return the ids of the chosen runs, oldest first; none of a store that is empty, if nothing was asked of it.

    Raises
    ------
    ValueError
        If no run satisfies what was asked: an answer about no run would pass for one.
    """
    ids, texts = choice.ids(catalog, where), several(where)
    asked = texts or choice.runs or choice.tags
    if not ids and (asked or catalog.runs().num_rows):
        raise ValueError(nothing(catalog, [*texts, *(f"--tag {tag}" for tag in several(choice.tags))]))
    return ids


def pick(
    catalog: Catalog, where: str | Sequence[str], choice: Choice, name: str
) -> tuple[Selected, list[str]]:
    """Choose the whole runs that satisfy ``where``; notes say which were left out, or why none is left."""
    texts, ids = several(where), choice.ids(catalog, where)
    status = {row["run_id"]: row["status"] for row in catalog.runs(ids).to_pylist()}
    whole = tuple(run for run in ids if status[run] in WHOLE)
    left_out = Counter(status[run] for run in ids if status[run] not in WHOLE)
    if not ids:
        return Selected(texts, ()), [nothing(catalog, texts, name)]
    if not whole:
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(left_out.items()))
        only = f"selects no whole run, only {kinds}; select completed or imported ones"
        return Selected(texts, ()), [f"{_called(name, texts)} {only}"]
    notes = [
        f"{name}: {n} {kind} run{'s' * (n > 1)} left out, not being whole"
        for kind, n in sorted(left_out.items())
    ]
    return Selected(texts, whole), notes


def nothing(catalog: Catalog, where: Sequence[str], name: str = "the selection") -> str:
    """Return the sentence for a choice that no run satisfies: what there is instead, and how to choose it."""
    rows = catalog.runs().to_pylist()
    if not rows:
        remedy = "record some with run.py or track(), or bring files in with: python -m store import FILE"
        return f"{_called(name, where)} selects no run: store {catalog.root} holds none; {remedy}"
    running = sum(row["status"] == "running" for row in rows)
    held = f"{_experiments(rows)}{f', {running} of them running (--live counts those)' if running else ''}"
    remedy = "choose among them; `python -m store ls` lists them"
    return f"{_called(name, where)} selects no run: store {catalog.root} holds {held}; {remedy}"


def _called(name: str, where: Sequence[str]) -> str:
    return f"{name} ({' and '.join(where)})" if where else name


def _experiments(rows: Sequence[Mapping[str, str | None]]) -> str:
    counts = Counter(row["experiment"] or "unnamed" for row in rows)
    named = [f"{n} of {experiment}" for experiment, n in sorted(counts.items())]
    more = len(named) - SHOWN
    listed = named if more <= 0 else [*named[:SHOWN], f"and of {more} more experiment{'s' * (more > 1)}"]
    return f"{len(rows)} run{'s' * (len(rows) > 1)} ({', '.join(listed)})"
