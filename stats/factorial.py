"""Synergy of factors: is the effect of all together more than the sum of their effects alone?"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from string import ascii_uppercase
from typing import Any, NamedTuple, Unpack

from stats.cells import CELL, Outcomes, Weights, beyond, cell, contrasts, interval, names, value
from stats.comparable import alike, pooled
from stats.selecting import Choice, Options, Selected, chosen, pick
from stats.text import title
from store.catalog import Catalog
from store.checks import sanity
from store.configured import mapping
from store.schema import CONDITIONS

# The study's bound, in agents: |synergy| <= 0.1 of a mean population counts as additive.
ADDITIVE_WITHIN = 0.1

NUMERIC = tuple(c.name for c in CONDITIONS.columns if c.type in ("BIGINT", "DOUBLE") and c.name != "position")
SHOWN = 6
"""Missing cells that one note names."""
POPULATION = tuple(name for name in NUMERIC if name.startswith("population"))

OUTCOMES = """
-- one row per condition of a run
select experiment, optimization, seed, conditions.*
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
    intervals: Mapping[str, list[float]]
    """Of each effect and of ``synergy``, over replicates; what has no interval is absent, and a note says why."""


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
    outcome: str = "population_mean",
    **options: Unpack[Options],
) -> Synergy:
    """Compute the factorial synergy of two or more factors, per experiment and optimization.

    Parameters
    ----------
    catalog : Catalog
        The store, opened.
    where, runs, tags, latest, last, across
        The selection, as everywhere; only whole runs count.
    outcome : str
        A numeric column of ``conditions``; each cell is its mean over the runs that hold the cell.

    Returns
    -------
    Synergy
        ``additive`` = y(all OFF) + every main effect; ``synergy`` = y(all ON) - additive, SYNERGISTIC above +0.1,
        ANTAGONISTIC below -0.1, else ADDITIVE; ``fold_change`` = y(all ON)/y(all OFF), ``None`` for a base of 0.
        ``effects`` holds the main effects and, from three factors on, the interactions of every order, named
        ``a×b``, with the other factors off; of two factors the one interaction is ``synergy`` itself, of more it
        is the sum of all interactions.  ``intervals`` are 95 %, by t over runs.
        What has no synergy has no entry, and a note that says why.

    Raises
    ------
    ValueError
        If the outcome is no numeric column of ``conditions``, or the selection is not valid or empty.
    """
    if outcome not in NUMERIC:
        raise ValueError(
            f"outcome {outcome!r} is no numeric column of conditions; choose {', '.join(NUMERIC)}"
        )
    choice = Choice(**options)
    chosen(catalog, where, choice)
    selection, notes = pick(catalog, where, choice, "the selection")
    notes = [*alike(catalog, selection.runs, across=choice.across), *notes]
    entries: list[Entry] = []
    for key, rows in _grouped(catalog.query(OUTCOMES, runs=selection.runs)).items():
        flaw = _flaw(key, rows, outcome)
        if flaw is None:
            entries.append(_entry(key, rows, outcome))
        notes += [flaw] if flaw else _cautions(key, rows, entries[-1])
    if entries:
        notes += _of_all(catalog, selection.runs, outcome)
    elif not notes:
        notes.append("the selected runs recorded no conditions; select a factorial experiment")
    return Synergy(selection=selection, entries=entries, notes=notes)


def _of_all(catalog: Catalog, runs: Sequence[str], outcome: str) -> Iterator[str]:
    """Yield what is to bear in mind of all entries together."""
    if outcome not in POPULATION:
        yield f"the bound of {ADDITIVE_WITHIN} is meant for mean populations; {outcome} has its own scale"
    # A sweep may give each run cells of its own: no two configurations are then alike, nor need they be.
    yield from pooled(catalog, runs, apart=("conditions", "factors", "mechanisms"))
    yield from sanity.notes(catalog, runs, alone=False)


Rows = Sequence[Mapping[str, Any]]


def _grouped(rows: Iterable[Mapping[str, Any]]) -> dict[Key, list[Mapping[str, Any]]]:
    groups: dict[Key, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(Key(row["experiment"], row["optimization"]), []).append(row)
    return groups


def _flaw(key: Key, rows: Rows, outcome: str) -> str | None:
    """Return why these rows give no synergy, or None."""
    found = list(dict.fromkeys(row["condition"] for row in rows))
    sizes = sorted({name.count("-") + 1 for name in found if CELL.fullmatch(name)})
    if len(sizes) > 1:
        several = " and of ".join(map(str, sizes))
        return f"{title(*key)} mixes cells of {several} factors ({_listed(found)}); select runs of one design"
    missing = (name for name in names(max([2, *sizes])) if name not in found)
    lacking = list(islice(missing, SHOWN + 1))
    if lacking:
        more = lacking[:SHOWN] + ["..."] * (len(lacking) > SHOWN)
        return f"{title(*key)} has the conditions {_listed(found)}; synergy also needs {_listed(more)}"
    unknown = [name for name in found if CELL.fullmatch(name) and not _values(rows, name, outcome)]
    if unknown:
        return f"{title(*key)} recorded no {outcome} in {_listed(unknown)}; choose another --outcome"
    return None


def _entry(key: Key, rows: Rows, outcome: str) -> Entry:
    factors = _factors(rows)
    n = len(factors)
    means = {name: statistics.fmean(_values(rows, name, outcome)) for name in names(n)}
    base, together = means[cell(n, [])], means[cell(n, range(n))]
    weights = {**contrasts(factors), "synergy": beyond(n)}
    found = {name: value(each, means) for name, each in weights.items()}
    if n == 2:  # the one interaction is the synergy
        del found["×".join(factors)]
    effects = {name: y for name, y in found.items() if name != "synergy"}
    return Entry(
        experiment=key.experiment,
        optimization=key.optimization,
        outcome=outcome,
        n_runs=len({row["run_id"] for row in rows}),
        cells=means,
        effects=effects,
        additive=base + sum(effects[name] for name in factors),
        synergy=found["synergy"],
        fold_change=together / base if base else None,
        classification=_classify(found["synergy"]),
        intervals=_intervals(found, weights, _outcomes(rows, outcome)),
    )


def _intervals(
    found: Mapping[str, float], weights: Mapping[str, Weights], runs: Outcomes
) -> dict[str, list[float]]:
    """Return the bounds of what was found, as far from it as the contrast over runs says."""
    bounds = {}
    for name, y in found.items():
        over = interval(weights[name], runs)
        if over is not None and over.high is not None:
            half = over.high - over.value
            bounds[name] = [y - half, y + half]
    return bounds


def _outcomes(rows: Rows, outcome: str) -> Outcomes:
    runs: dict[str, dict[str, float]] = {}
    for row in rows:
        if CELL.fullmatch(row["condition"]) and _known(row[outcome]):
            runs.setdefault(row["run_id"], {})[row["condition"]] = float(row[outcome])
    return runs


def _classify(beyond: float) -> str:
    if beyond > ADDITIVE_WITHIN:
        return "SYNERGISTIC"
    return "ANTAGONISTIC" if beyond < -ADDITIVE_WITHIN else "ADDITIVE"


def _cautions(key: Key, rows: Rows, entry: Entry) -> list[str]:
    notes = []
    counts = {name: len(_values(rows, name, entry.outcome)) for name in entry.cells}
    if len(set(counts.values())) > 1:
        shown = _listed(f"{name} {n}" for name, n in counts.items())
        notes.append(f"{title(*key)}: the cells rest on unequal numbers of runs ({shown})")
    if len(entry.intervals) <= len(entry.effects):  # the synergy has one too
        single = min(counts.values()) == 1
        why = "a cell rests on n = 1 run" if single else "its runs hold different parts of the factorial"
        which = "some effects are" if entry.intervals else "its effects are"
        notes.append(f"{title(*key)}: {why}, so {which} without an interval; add replicates of every cell")
    if min(counts.values()) > 1 and (seed := _repeated_seed(rows, entry.outcome)) is not None:
        notes.append(
            f"{title(*key)}: its {entry.n_runs} runs repeat seed {seed} and are identical in {entry.outcome}, so the "
            "width of the intervals says nothing about other seeds; sweep seed"
        )
    if _one_order(rows):
        notes.append(
            f"{title(*key)}: every run had the conditions in the same order, so a drift of the process cannot be told "
            "from an effect"
        )
    return notes


def _repeated_seed(rows: Rows, outcome: str) -> int | None:
    """Return the one seed of runs that came out the same in every cell; None where there is no such one."""
    seeds = {row["seed"] for row in rows}
    found = {(row["condition"], row[outcome]) for row in rows}
    same = len(found) == len({row["condition"] for row in rows})
    return seeds.pop() if same and len(seeds) == 1 else None


def _one_order(rows: Rows) -> bool:
    """Tell whether the runs hold several conditions, always in one order; rows stand in each run's order."""
    orders: dict[str, tuple[str, ...]] = {}
    for row in rows:
        orders[row["run_id"]] = (*orders.get(row["run_id"], ()), row["condition"])
    return len(set(orders.values())) == 1 and all(len(order) > 1 for order in orders.values())


def _values(rows: Rows, name: str, outcome: str) -> list[float]:
    return [float(row[outcome]) for row in rows if row["condition"] == name and _known(row[outcome])]


def _known(y: float | None) -> bool:
    return y is not None and math.isfinite(y)


def _factors(rows: Rows) -> list[str]:
    """Return the names of the factors: the mechanism that is on where one factor is on, and in no other such cell."""
    n = max(row["condition"].count("-") + 1 for row in rows if CELL.fullmatch(row["condition"]))
    on = [_on(rows, cell(n, [place])) for place in range(n)]
    alone = [on[place].difference(*(on[other] for other in range(n) if other != place)) for place in range(n)]
    if all(len(found) == 1 for found in alone):
        return [min(found) for found in alone]
    return list(ascii_uppercase[:n])


def _on(rows: Rows, cell: str) -> set[str]:
    texts = {row["mechanisms"] for row in rows if row["condition"] == cell and row["mechanisms"]}
    return {name for text in texts for name, is_on in mapping(text).items() if is_on}


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words)
