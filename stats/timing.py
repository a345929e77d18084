"""The timeline of runs: time taken above what was expected, and whether a run became slower as it went on.

The module is not called ``timeline``: importing it would put it in the place of the function in ``stats``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Unpack

from stats import accounts, outline, phases, progress, remarks
from stats.comparable import alike
from stats.kernels import rates
from stats.kernels.rates import Estimate
from stats.outline import H2_DELTA_R2
from stats.phases import HOUR, Milestone, Phase
from stats.progress import CLOCKS, Memory, Series
from stats.selecting import Choice, Options, chosen
from store.catalog import Catalog
from store.checks import claims, sanity, study
from store.choosing import several

SAID = 3
"""Runs of which a note is said, for each kind of note."""
BENT = ("upwards", "downwards")
CLOCK_NAMES = {"cpu": "CPU time", "wall": "wall time"}

RUNS = """
-- one row per selected run
select
    run_id, experiment, optimization, status,
    (select count(*) from conditions where conditions.run_id = runs.run_id) as n_conditions
from runs
order by started_at, run_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """One run's clock against its progress."""

    run_id: str
    experiment: str | None
    optimization: str | None
    n_conditions: int
    expected_s: float | None
    series: Series
    bend: Estimate
    phases: Sequence[Phase]
    milestones: Sequence[Milestone]
    memory: Memory | None

    def change(self) -> dict[str, float | None]:
        """Return the bend as the change of the rate from the first point to the last, in shares of its mean."""
        x, y = self.series.x, self.series.y
        rise = y[-1] - y[0]
        scale = (x[-1] - x[0]) ** 2 / rise if rise > 0 else None
        ends = {"value": self.bend.value, "low": self.bend.low, "high": self.bend.high}
        return {name: None if y is None or scale is None else y * scale for name, y in ends.items()}

    def to_json(self) -> dict[str, Any]:
        """Return its entry in the document of ``stats timeline``."""
        series, fit = self.series, self.series.fit
        return {
            "run_id": self.run_id,
            "experiment": self.experiment,
            "optimization": self.optimization,
            "n_conditions": self.n_conditions,
            "clock": series.clock,
            "source": series.source,
            "progress": series.progress,
            "n": fit.n,
            "elapsed_s": series.y[-1],
            "progress_end": series.x[-1],
            "excess": phases.excess(series.y[-1], self.expected_s),
            "shape": outline.shape(self.bend, fit),
            "change": self.change(),
            "fit": outline.fitted(fit),
            "bend": asdict(self.bend),
            "phases": [
                {**asdict(phase), "rate": asdict(phase.rate)["value"]}
                | {key: getattr(phase.rate, key) for key in ("low", "high", "reason")}
                for phase in self.phases
            ],
            "milestones": [asdict(milestone) for milestone in self.milestones],
            "memory": self.memory and outline.remembered(self.memory),
            "points": outline.thinned(series, self.expected_s),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Timelines:
    """The timelines of a selection; ``to_json`` is their published shape."""

    where: tuple[str, ...]
    runs: tuple[str, ...]
    expected_s: float | None
    entries: tuple[Timeline, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the document of ``stats timeline``."""
        return {
            "selection": {"where": list(self.where), "runs": list(self.runs)},
            "expected_s": self.expected_s,
            "timelines": [entry.to_json() for entry in self.entries],
            "notes": list(self.notes),
        }


def timeline(
    catalog: Catalog,
    *,
    where: str | Sequence[str] = (),
    expected_s: float | None = None,
    clock: str | None = None,
    until_s: float | None = None,
    without_requoted: bool = False,
    milestones_s: Sequence[float] = (),
    **options: Unpack[Options],
) -> Timelines:
    """Lay each selected run's clock over its progress.

    Parameters
    ----------
    catalog : Catalog
        An open store.
    where, runs, tags, latest, last, across
        The selection, as everywhere.
    expected_s : float, optional
        Expected duration on that clock [s]; without it there is no excess, only the line.
    clock : str, optional
        ``wall`` or ``cpu``: what y is.  Against it stands, for readings of a process in no known cycle, the other
        clock, and for everything else the number of cycles done.  By default CPU time of readings, else wall time.
    until_s : float, optional
        Leave out what lies later after the run's start.
    without_requoted : bool
        Leave out readings that quote an older one: their CPU time lies below that of an earlier one.
    milestones_s : sequence of float
        Times on the clock that somebody claims, or wants to see; by default those that the study published.

    Returns
    -------
    Timelines
        Per run: excess at the end and at milestones, the rate in each third, line against parabola, and the bend (the
        change of the rate) with its interval.  Where that holds 0, the run is a line as far as can be told.

    Raises
    ------
    ValueError
        If the selection, the clock or a number is unknown or out of range, or no run is selected of a store that
        has some.
    """
    if clock is not None and clock not in CLOCKS:
        raise ValueError(f"clock={clock} is no clock; give one of {', '.join(CLOCKS)}")
    for name, value in (
        ("expected_s", expected_s),
        ("until_s", until_s),
        *(("milestone_s", m) for m in milestones_s),
    ):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name}={value:g} is out of range; give seconds above 0")
    choice = Choice(**options)
    ids = chosen(catalog, where, choice)
    mixed = alike(catalog, ids, across=choice.across)
    found = (
        progress.read(catalog, ids, clock=clock, until_s=until_s, unquoted=without_requoted) if ids else {}
    )
    memory = progress.memory(catalog, ids, until_s=until_s) if ids else {}
    records = catalog.query(RUNS, runs=ids) if ids else []
    own = study.recorded(catalog, ids)
    entries = tuple(
        _timeline(
            row,
            found[row["run_id"]],
            expected_s,
            milestones_s or _published(row["run_id"] in own, found[row["run_id"]]),
            memory.get(row["run_id"]),
        )
        for row in records
        if row["run_id"] in found
    )
    silent = [str(row["experiment"]) for row in records if row["run_id"] not in found]
    walled = any(entry.series.clock == "wall" for entry in entries)
    said = (
        *mixed,
        *(remarks.waiting(accounts.read(catalog, ids).values()) if walled else ()),
        *_notes(entries, silent, expected_s, until_s),
        *_claims(catalog, entries, own),
        *sanity.notes(catalog, ids),
    )
    notes = said if ids else ("no run is selected",)
    return Timelines(
        where=several(where), runs=tuple(ids), expected_s=expected_s, entries=entries, notes=notes
    )


def _notes(
    entries: Sequence[Timeline], silent: Sequence[str], expected_s: float | None, until_s: float | None
) -> list[str]:
    said = []
    if silent:
        span = "" if until_s is None else f" up to {claims.duration(until_s)} (--until-s)"
        runs = f"{len(silent)} run{'s' * (len(silent) != 1)}"
        said.append(f"no times were recorded in {runs}{span} ({', '.join(sorted(set(silent)))})")
    if entries and expected_s is None:
        said.append("no expected duration was given (--expected-s), so there is no excess: only the line")
    if any(entry.milestones for entry in entries) and expected_s is not None:
        said.append(
            f"per_expected_h is the excess over {claims.duration(expected_s)} divided by that constant again: it rises "
            "with the excess whatever the run does, and is no acceleration; per_elapsed_h divides by the time elapsed"
        )
    if expected_s is not None and any(entry.series.source == "readings" for entry in entries):
        said.append("readings do not tell whether the process had ended: the excess is that at the last one")
    bent = [_said_of_bend(entry) for entry in entries if outline.shape(entry.bend, entry.series.fit) in BENT]
    held = [f"{entry.experiment}: {outline.told(entry.memory)}" for entry in entries if entry.memory]
    return said + bent[:SAID] + held[:SAID]


def _said_of_bend(entry: Timeline) -> str:
    """Say what a bend comes to, and that the study's criterion for one asks for much more, or not."""
    change, fit = entry.change(), outline.fitted(entry.series.fit)
    faster = outline.shape(entry.bend, entry.series.fit) == "upwards"
    if entry.series.progress == "cycles":
        said = f"cycles took {'longer' if faster else 'less'} later"
    else:
        said = f"{'more' if faster else 'less'} {CLOCK_NAMES[entry.series.clock]} per hour later"
    shares = [f"{share:+.0%}" for share in change.values() if share is not None]
    by = (
        f", by {shares[0]} [{shares[1]}, {shares[2]}] of the mean from first to last"
        if len(shares) == 3
        else ""
    )
    if entry.n_conditions > 1:
        by += (
            f", which its {entry.n_conditions} conditions, one after the other, may bring about by their cost"
        )
    met = "is met" if fit["delta_r2"] > H2_DELTA_R2 else "is not met"
    study = f"ΔR² of a parabola = {fit['delta_r2']:.3g}, the study's criterion for one (above {H2_DELTA_R2:g}) {met}"
    return f"{entry.experiment} (run {entry.run_id}): {said}{by}; {study}"


def _claims(catalog: Catalog, entries: Sequence[Timeline], own: Collection[str]) -> list[str]:
    """Return why the largest milestone that a run never reached cannot have been."""
    said = []
    ids = [entry.run_id for entry in entries if entry.series.source == "readings"]
    rows = catalog.query(claims.READINGS, runs=ids) if ids else []
    for entry in entries:
        beyond = max((m.elapsed_s for m in entry.milestones if m.reached_at is None), default=None)
        if beyond is None or (beyond == study.CPU_H * HOUR and entry.run_id in own):
            continue
        readings = [row for row in rows if row["run_id"] == entry.run_id]
        excluded = claims.claim(readings, beyond) if entry.series.clock == "cpu" else None
        factor = claims.unit_apart(beyond, entry.series.y[-1])
        if excluded is None and factor:
            total = claims.duration(entry.series.y[-1])
            excluded = (
                f"{claims.duration(beyond)} is {factor:,} times the {total} that it took: a mistaken unit?"
            )
        if excluded:
            said.append(f"{entry.experiment} (run {entry.run_id}): {excluded}")
    return said


def _published(recorded: bool, series: Series) -> Sequence[float]:
    """Return the CPU times that the study published of its own run."""
    return [milestone.cpu_h * HOUR for milestone in study.MILESTONES if recorded and series.clock == "cpu"]


def _timeline(
    row: Mapping[str, Any],
    series: Series,
    expected_s: float | None,
    milestones_s: Sequence[float],
    memory: Memory | None,
) -> Timeline:
    solid = phases.solid(series)
    return Timeline(
        run_id=row["run_id"],
        experiment=row["experiment"],
        optimization=row["optimization"],
        n_conditions=row["n_conditions"],
        expected_s=expected_s,
        series=series,
        bend=rates.bend(solid.x, solid.y),
        phases=phases.thirds(solid, expected_s),
        milestones=[phases.milestone(at, solid, expected_s) for at in milestones_s],
        memory=memory,
    )
