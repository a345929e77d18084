"""Synergy of two factors: is the effect of both together more than the sum of their effects alone?"""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from stats.comparable import Choice, Selected, pick
from store.catalog import Catalog
from store.schema import CONDITIONS

CELLS = ("OFF-OFF", "ON-OFF", "OFF-ON", "ON-ON")
CELL = re.compile(r"(ON|OFF)(-(ON|OFF))*")

# The study's bound, in agents: |synergy| <= 0.1 of a mean population counts as additive.
ADDITIVE_WITHIN = 0.1

NUMERIC = tuple(c.name for c in CONDITIONS.columns if c.type in ("BIGINT", "DOUBLE") and c.name != "position")
POPULATION = tuple(name for name in NUMERIC if name.startswith("population"))

OUTCOMES = """
-- one row per condition of a run
select experiment, optimization, conditions.*
from runs join conditions using (run_id)
order by experiment, optimization nulls first, run_id, position
"""


class Key(NamedTuple):
    """What is summarised apart."""

    experiment: str
    optimization: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Synergy of one experiment under one optimization, unrounded, in units of the outcome."""

    experiment: str
    optimization: str | None
    outcome: str
    n_runs: int
    cells: Mapping[str, float]
    effects: Mapping[str, float]
    additive: float
    synergy: float
    fold_change: float | None
    classification: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Synergy:
    """All entries of a selection; ``to_json`` is its published shape."""

    selection: Selected
    entries: Sequence[Entry]
    notes: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``stats synergy``."""
        return {
            "selection": self.selection.to_json(),
            "synergy": [asdict(entry) for entry in self.entries],
            "notes": list(self.notes),
        }


def synergy(
    catalog: Catalog,
    *,
    where: str | Sequence[str] = (),
    runs: Sequence[str] = (),
    outcome: str = "population_mean",
    tags: Sequence[str] = (),
    latest: bool = False,
    last: int | None = None,
) -> Synergy:
    """Compute the factorial synergy of two factors, per experiment and optimization.

    Parameters
    ----------
    catalog : Catalog
        The store, opened.
    where, runs, tags, latest, last
        The selection, as everywhere; only whole runs count.
    outcome : str
        A numeric column of ``conditions``; each cell is its mean over the runs that hold the cell.

    Returns
    -------
    Synergy
        ``additive`` = y(OFF-OFF) + both effects; ``synergy`` = y(ON-ON) - additive, SYNERGISTIC above +0.1,
        ANTAGONISTIC below -0.1, else ADDITIVE; ``fold_change`` = y(ON-ON)/y(OFF-OFF), ``None`` for a base of 0.
        What has no synergy has no entry, and a note that says why.

    Raises
    ------
    ValueError
        If the outcome is no numeric column of ``conditions``, or the selection is not valid.
    """
    if outcome not in NUMERIC:
        raise ValueError(
            f"outcome {outcome!r} is no numeric column of conditions; choose {', '.join(NUMERIC)}"
        )
    choice = Choice(runs=runs, tags=tags, latest=latest, last=last)
    selection, notes = pick(catalog, where, choice, "the selection")
    entries = []
    for key, rows in _grouped(catalog.query(OUTCOMES, runs=selection.runs)).items():
        flaw = _flaw(key, rows, outcome)
        if flaw is None:
            entries.append(_entry(key, rows, outcome))
        notes += _cautions(key, rows, outcome) if flaw is None else [flaw]
    if not notes and not entries:
        notes.append("the selected runs recorded no conditions; select a factorial experiment")
    if entries and outcome not in POPULATION:
        notes.append(
            f"the bound of {ADDITIVE_WITHIN} is meant for mean populations; {outcome} has its own scale"
        )
    return Synergy(selection=selection, entries=entries, notes=notes)


Rows = Sequence[Mapping[str, Any]]


def _grouped(rows: Iterable[Mapping[str, Any]]) -> dict[Key, list[Mapping[str, Any]]]:
    groups: dict[Key, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(Key(row["experiment"], row["optimization"]), []).append(row)
    return groups


def _flaw(key: Key, rows: Rows, outcome: str) -> str | None:
    """Return why these rows give no synergy, or None."""
    names = list(dict.fromkeys(row["condition"] for row in rows))
    factors = max((name.count("-") + 1 for name in names if CELL.fullmatch(name)), default=0)
    if factors > 2:
        return f"{_title(key)} has {factors} factors ({names[0]}, ...); synergy takes two: {_listed(CELLS)}"
    missing = [cell for cell in CELLS if cell not in names]
    if missing:
        return f"{_title(key)} has the conditions {_listed(names)}; synergy also needs {_listed(missing)}"
    unknown = [cell for cell in CELLS if not _values(rows, cell, outcome)]
    if unknown:
        return f"{_title(key)} recorded no {outcome} in {_listed(unknown)}; choose another --outcome"
    return None


def _entry(key: Key, rows: Rows, outcome: str) -> Entry:
    cells = {cell: statistics.fmean(_values(rows, cell, outcome)) for cell in CELLS}
    base = cells["OFF-OFF"]
    effects = [cells["ON-OFF"] - base, cells["OFF-ON"] - base]
    additive = base + effects[0] + effects[1]
    beyond = cells["ON-ON"] - additive
    return Entry(
        experiment=key.experiment,
        optimization=key.optimization,
        outcome=outcome,
        n_runs=len({row["run_id"] for row in rows}),
        cells=cells,
        effects=dict(zip(_factors(rows), effects, strict=True)),
        additive=additive,
        synergy=beyond,
        fold_change=cells["ON-ON"] / base if base else None,
        classification=_classify(beyond),
    )


def _classify(beyond: float) -> str:
    if beyond > ADDITIVE_WITHIN:
        return "SYNERGISTIC"
    return "ANTAGONISTIC" if beyond < -ADDITIVE_WITHIN else "ADDITIVE"


def _cautions(key: Key, rows: Rows, outcome: str) -> list[str]:
    notes = []
    counts = {cell: len(_values(rows, cell, outcome)) for cell in CELLS}
    if len(set(counts.values())) > 1:
        shown = _listed(f"{cell} {n}" for cell, n in counts.items())
        notes.append(f"{_title(key)}: the cells rest on unequal numbers of runs ({shown})")
    if _one_order(rows):
        notes.append(
            f"{_title(key)}: every run had the conditions in the same order, so a drift of the process cannot be told "
            "from an effect"
        )
    return notes


def _one_order(rows: Rows) -> bool:
    """Tell whether the runs hold several conditions, always in one order; rows stand in each run's order."""
    orders: dict[str, tuple[str, ...]] = {}
    for row in rows:
        orders[row["run_id"]] = (*orders.get(row["run_id"], ()), row["condition"])
    return len(set(orders.values())) == 1 and all(len(order) > 1 for order in orders.values())


def _values(rows: Rows, cell: str, outcome: str) -> list[float]:
    found = (row[outcome] for row in rows if row["condition"] == cell)
    return [float(value) for value in found if value is not None and math.isfinite(value)]


def _factors(rows: Rows) -> tuple[str, str]:
    """Return the names of the factors: the mechanism that is on in ON-OFF alone, and the one in OFF-ON alone."""
    alone = [_on(rows, "ON-OFF") - _on(rows, "OFF-ON"), _on(rows, "OFF-ON") - _on(rows, "ON-OFF")]
    if all(len(names) == 1 for names in alone):
        return min(alone[0]), min(alone[1])
    return "A", "B"


def _on(rows: Rows, cell: str) -> set[str]:
    texts = {row["mechanisms"] for row in rows if row["condition"] == cell and row["mechanisms"]}
    return {name for text in texts for name, is_on in json.loads(text).items() if is_on}


def _title(key: Key) -> str:
    return f"{key.experiment} ({key.optimization})" if key.optimization else key.experiment


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
