"""What the numbers of runs say against themselves: times above what is possible, units mixed up, ends of a scale.

A note holds the value, why it cannot be (or what it means), and the run.  Silence proves nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from store.checks import clocks, plateaus, proportions, spending, study
from store.checks.claims import READINGS, claim, duration, thread_count, unit_apart

if TYPE_CHECKING:
    from store.catalog import Catalog

Row = Mapping[str, Any]

SLACK, SLACK_S = 1.01, 0.1
"""Two clocks disagree by ticks (CPU times of ps and of getrusage have 10 ms); a part may exceed its whole by that."""

PEERS, ALIKE = 3, 2.0
"""Runs of one configuration are peers where at least so many others agree within this factor."""

CONSTANT = "a constant, so they rise together whatever happens in time"

STATED = """
-- one row per run: what it says of itself and of its conditions [s]
select
    runs.run_id, any_value(experiment) as experiment, any_value(status) as status, any_value(wall_s) as wall_s,
    any_value(runs.cpu_s) as process_s, sum(condition_wall_s) as conditions_s
from runs left join conditions using (run_id)
group by runs.run_id
order by any_value(started_at), runs.run_id
"""

KNOWN = ("run_id", "experiment", "optimization", "config_id", "n_cycles", "status", "wall_s", "cpu_s")


_PARTS = (
    ("cpu_s", "cpu_of_s", "of CPU time and waiting for one", "its cycles"),
    ("gc_s", "gc_of_s", "of garbage collection", "its cycles"),
    ("probe_s", "probe_of_s", "in probes", "its cycles"),
    ("sampling_s", "sampling_of_s", "in sampling calls", "its cycles"),
    ("cycles_s", "wall_s", "in its cycles", "the whole run"),
    ("conditions_s", "wall_s", "in its conditions", "the whole run"),
)
_SPENT = {
    "cycles_s": "wall",
    "cpu_s": "busy",
    "cpu_of_s": "cpu_wall",
    **{f"{name}_s": name for name in ("gc", "probe", "sampling")},
    **{f"{name}_of_s": f"{name}_wall" for name in ("gc", "probe", "sampling")},
}


class Finding(NamedTuple):
    """One sentence about one run; of several of a ``kind`` only the first is printed."""

    kind: str
    run_id: str
    sentence: str


class Survey(NamedTuple):
    """What was found in some runs; ``notes`` tells it of all of them, or of a few."""

    findings: Sequence[Finding]
    caps: Sequence[Row]
    known: Sequence[Row]

    def notes(self, runs: Sequence[str], *, alone: bool = True) -> list[str]:
        """Return one sentence for each kind of finding in ``runs``."""
        chosen = set(runs)
        found = [one for one in self.findings if one.run_id in chosen]
        kinds = dict.fromkeys(one.kind for one in found)
        said = [_joined([one for one in found if one.kind == kind]) for kind in kinds]
        return [
            *said,
            *_capped([row for row in self.caps if row["run_id"] in chosen]),
            *(_single(runs, self.known) if alone else ()),
        ]


def notes(catalog: Catalog, runs: Sequence[str], *, alone: bool = True) -> list[str]:
    """Return what does not add up in the chosen runs, and what limits them: one sentence for each kind.

    Parameters
    ----------
    catalog : Catalog
        The store, opened.
    runs : sequence of str
        Ids of the runs to look at; peers of theirs are sought in the whole store.
    alone : bool, optional
        Whether to say n = 1, for those who do not say so themselves.

    Returns
    -------
    list of str
        CPU time above wall time x threads, parts above the whole, accounts that do not add up to it, totals and peers
        a unit apart, claims that readings exclude, rates that are a total over a constant, populations at a cap, and
        n = 1.
    """
    return survey(catalog, runs).notes(runs, alone=alone)


def survey(catalog: Catalog, runs: Sequence[str]) -> Survey:
    """Look at the chosen runs, all in one pass."""
    if not runs:
        return Survey((), (), ())
    known = catalog.runs().select(KNOWN).to_pylist()
    found = [
        *_clocks(catalog, [row for row in known if row["run_id"] in set(runs)]),
        *_times(_spent(catalog, runs)),
        *_readings(catalog, runs),
        *_peers([row for row in known if row["status"] in ("completed", "imported")], set(runs)),
        *_rates(proportions.observed(catalog, runs)),
    ]
    return Survey(found, plateaus.capped(catalog, runs), known)


def _spent(catalog: Catalog, runs: Sequence[str]) -> Iterator[Row]:
    """Yield what each run says of itself, and what its cycles add up to [s]."""
    spent = spending.of_runs(catalog, runs)
    for row in catalog.query(STATED, runs=runs):
        own = spent[row["run_id"]]
        sums = {name: None if own[key] is None else own[key] / 1e9 for name, key in _SPENT.items()}
        missing = spending.unaccounted(own)
        sums["missing_s"] = None if missing is None else missing / 1e9
        yield {**row, **sums, "threads": own["threads"]}


def _clocks(catalog: Catalog, rows: Sequence[Row]) -> Iterator[Finding]:
    imported = {row["run_id"]: _who(row) for row in rows if row["status"] == "imported"}
    for kind, run_id, what in clocks.impossible(catalog, [*imported]):
        yield Finding(kind, run_id, f"{imported[run_id]}: {what}")


def _times(rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        who, threads = _who(row), row["threads"] or 1
        if _above(row["process_s"], row["wall_s"], threads):
            yield Finding("cpu", row["run_id"], f"{who}: {_beyond(row['process_s'], row['wall_s'], threads)}")
        for part, whole, name, of in _PARTS:
            if not row[part] or row[whole] is None:
                continue
            sums = f"{who}: {duration(row[part])} {name}, {duration(row[whole])} for {of}"
            # Our own clocks know one unit, and much of a short run is outside its cycles.
            factor = unit_apart(row[part], row[whole]) if row["status"] == "imported" else None
            if factor and whole == "wall_s":
                yield Finding("unit", row["run_id"], f"{sums}: {_mistaken(factor)}")
            elif _above(row[part], row[whole], slack_s=_slack_s(row, whole)):
                yield Finding(part, row["run_id"], f"{sums}: a part cannot be above the whole")
        yield from _accounts(row)


def _accounts(row: Row) -> Iterator[Finding]:
    """Hold the three accounts that divide a cycle against the whole; ours, off-CPU time being a residual, add up."""
    missing, whole, slack_s = row["missing_s"], row["cycles_s"], _slack_s(row, "cpu_of_s")
    if missing is None or _above(row["cpu_s"], whole, slack_s=slack_s):
        return
    if abs(missing) > (SLACK - 1) * whole + slack_s:
        sums = f"{duration(whole - missing)} on a CPU, waiting for one and off it, {duration(whole)} for its cycles"
        share = f"{100 * abs(missing) / whole:.3g} %"
        said = f"{share} is in no account" if missing > 0 else f"the accounts are {share} above the whole"
        yield Finding("accounts", row["run_id"], f"{_who(row)}: {sums}: {said}")


def _readings(catalog: Catalog, runs: Sequence[str]) -> Iterator[Finding]:
    rows = groupby(catalog.query(READINGS, runs=runs), key=lambda row: row["run_id"])
    found = {run_id: list(readings) for run_id, readings in rows}
    own = study.recorded(catalog, found)
    for run_id, readings in found.items():
        who, threads = _who(readings[0]), readings[0]["threads"]
        above = [row for row in readings if _above(row["cpu_s"], row["wall_s"], threads)]
        if above:
            yield Finding("cpu", run_id, f"{who}: {_beyond(above[0]['cpu_s'], above[0]['wall_s'], threads)}")
        if run_id in own:
            yield from _published(run_id, who, readings)


def _published(run_id: str, who: str, readings: Sequence[Row]) -> Iterator[Finding]:
    """Hold what the study published of its run against the readings that it was taken from."""
    if excluded := claim(readings, 3600 * study.CPU_H):
        yield Finding("claim", run_id, f"{who}: as published, {excluded}")
    if constant := proportions.divisor([(float(m.excess), float(m.rate)) for m in study.MILESTONES]):
        rates = ", ".join(dict.fromkeys(milestone.rate for milestone in study.MILESTONES))
        said = f"the published rates of its excess ({rates} %/h) are the excess divided by {constant:.3g} each time"
        yield Finding("published rate", run_id, f"{who}: {said}: {CONSTANT}")


def _rates(rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        said = f"{row['rate']} is {row['total']} divided by {row['divisor']:.4g} in every cycle"
        yield Finding("rate", row["run_id"], f"{_who(row)}: {said}: {CONSTANT}")


def _peers(rows: Sequence[Row], chosen: set[str]) -> Iterator[Finding]:
    """Look for a run whose time lies a unit away from those of the other runs of its configuration."""
    for _, group in groupby(sorted(rows, key=_configuration), key=_configuration):
        members = list(group)
        for name, clock in (("wall_s", "wall"), ("cpu_s", "CPU")):
            yield from _apart([row for row in members if row[name]], name, clock, chosen)


def _apart(alike: Sequence[Row], name: str, clock: str, chosen: set[str]) -> Iterator[Finding]:
    for row in alike if len(alike) > PEERS else ():
        others = [other[name] for other in alike if other is not row]
        factor = unit_apart(row[name], median(others))
        if row["run_id"] in chosen and factor and max(others) <= ALIKE * min(others):
            said = f"{duration(row[name])} of {clock} time, {len(others)} runs like it {duration(median(others))}"
            yield Finding("peer", row["run_id"], f"{_who(row)}: {said}: {_mistaken(factor)}")


def _capped(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    caps = sorted({row["cap"] for row in rows})
    at = ", ".join(f"{_few([r['condition'] for r in rows if r['cap'] == cap])} ({cap:g})" for cap in caps[:3])
    runs = len({row["run_id"] for row in rows})
    where = _who(rows[0]) if runs == 1 else f"{runs} runs"
    more = ", …" if len(caps) > 3 else ""
    said = f"population is at its cap for the last half or more of {at}{more}"
    return [f"{where}: {said}: means and synergies measure the cap"]


def _single(runs: Sequence[str], everything: Sequence[Row]) -> list[str]:
    """Say which of the chosen runs have no other of their configuration beside them."""
    chosen = set(runs)
    own = [row for row in everything if row["run_id"] in chosen]
    sizes = Counter(_configuration(row) for row in own)
    alone = [row for row in own if sizes[_configuration(row)] == 1]
    if not alone:
        return []
    if len(own) == 1:
        held = sum(_configuration(row) == _configuration(own[0]) for row in everything)
        who = _who(own[0])
        of = f", of {held} runs of its configuration in the store" if held > 1 else ""
    else:
        who = _few([row["experiment"] for row in alone])
        of = f" in {len(alone)} of {len(sizes)} configurations"
        if all(any(_alike(row, other) for other in own if other is not row) for row in alone):
            done = _few([f"{row['n_cycles']} ({row['status']})" for row in alone])
            of = f" by cycles done, {done}, beside runs of the same configuration"
    return [f"{who}: n = 1{of}: one run does not show how much runs differ"]


def _configuration(row: Row) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("experiment", "optimization", "config_id", "n_cycles"))


def _alike(row: Row, other: Row) -> bool:
    """Tell whether runs are known to be of one configuration, however many cycles each did."""
    return row["config_id"] is not None and _configuration(row)[:-1] == _configuration(other)[:-1]


def _above(part: float | None, whole: float | None, times: int = 1, *, slack_s: float = SLACK_S) -> bool:
    return part is not None and whole is not None and part > whole * times * SLACK + slack_s


def _slack_s(row: Row, whole: str) -> float:
    """Return the ticks' slack; the cycles of an import are one table, whose columns need no other clock's."""
    return 0.0 if row["status"] == "imported" and whole.endswith("_of_s") else SLACK_S


def _beyond(cpu_s: float, wall_s: float, threads: int) -> str:
    said = f"{duration(cpu_s)} of CPU time within {duration(wall_s)} of wall time cannot be on {thread_count(threads)}"
    factor = unit_apart(cpu_s, wall_s * threads)
    return f"{said}: {_mistaken(factor)}" if factor else said


def _mistaken(factor: int) -> str:
    return f"about {factor:,} times apart, so one of them is probably in another unit"


def _who(row: Row) -> str:
    return f"{row['experiment']} (run {row['run_id']})"


def _joined(found: Sequence[Finding]) -> str:
    others = len({one.run_id for one in found}) - 1
    also = "" if others < 1 else "; so in 1 more run" if others == 1 else f"; so in {others} more runs"
    return found[0].sentence + also


def _few(names: Iterable[str | None]) -> str:
    known = list(dict.fromkeys(name or "all" for name in names))
    return ", ".join(known[:4]) + (f" and {len(known) - 4} more" if len(known) > 4 else "")
