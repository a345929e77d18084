"""What a sweep found: where the time went, verdicts, comparison, synergy, and what to ask next."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TextIO

from tabulate import tabulate

from stats import compare, judge, synergy
from stats.report import comparison_table, synergy_table, verdict_table
from store.catalog import Catalog

Thresholds = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""Experiment → hypothesis → threshold → value."""

ACCOUNTS = """
-- one row per experiment and optimization: how often it sampled, and the shares of its cycles' wall time
with run_totals as (
    select
        run_id,
        count(*) as cycles,
        sum(sampling_calls) as calls,
        sum(wall_ns) as wall_ns,
        sum(cpu_ns) as cpu_ns,
        sum(runq_ns) as runq_ns,
        sum(offcpu_ns) as offcpu_ns,
        sum(gc_ns) as gc_ns,
        sum(sampling_ns) as sampling_ns,
        sum(probe_ns) as probe_ns
    from cycles
    group by run_id
)
select
    experiment,
    optimization,
    count(*) as runs,
    sum(cycles)::bigint as cycles,
    avg(calls) as "sampling calls a run",
    avg(wall_ns) / 1e9 as "wall s a run",
    100 * sum(cpu_ns) / sum(wall_ns) as "cpu %",
    100 * sum(runq_ns) / sum(wall_ns) as "run queue %",
    100 * sum(offcpu_ns) / sum(wall_ns) as "off-CPU %",
    100 * sum(sampling_ns) / sum(wall_ns) as "in sampling calls %",
    100 * sum(gc_ns) / sum(wall_ns) as "in gc %",
    100 * sum(probe_ns) / sum(wall_ns) as "in our probes %"
from run_totals
join runs using (run_id)
group by experiment, optimization
order by experiment, min(run_id)
"""

CYCLE_TIMES = (
    "select experiment, optimization, condition, avg(net_ns) / 1e6 as cycle_ms "
    "from cycles join runs using (run_id) group by all order by all"
)


def duration(seconds: float) -> str:
    """Return ``seconds`` in the unit a person would use: 174 h, 12 min, 3 s."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.3g} s"


def write(
    out: TextIO,
    catalog: Catalog,
    run_ids: Sequence[str],
    declared: Thresholds,
    contrasts: Collection[tuple[str, str]] = (),
) -> None:
    """Write the summary of the runs ``run_ids`` of one command to ``out``.

    ``declared`` holds the experiments, and the thresholds that each declares for its hypotheses; ``contrasts`` are
    sections that take the place of the comparison of an experiment's two modes.
    """
    rows = catalog.runs(list(run_ids)).to_pylist() if run_ids else []
    if not any(row["n_cycles"] for row in rows):
        out.write("No run recorded a cycle; there is nothing to judge.\n")
        return
    section(out, "Where the time went", _accounts(catalog, run_ids))
    for experiment, thresholds in declared.items():
        of = [row for row in rows if row["experiment"] == experiment and row["n_cycles"]]
        completed = [row for row in of if row["status"] == "completed"]
        modes = list(dict.fromkeys(row["optimization"] for row in of))
        for mode in modes:
            ids = [row["run_id"] for row in of if row["optimization"] == mode]
            judgement = judge(catalog, runs=ids, thresholds=thresholds, across=True)
            section(out, f"{experiment}, {mode}: verdicts", verdict_table(judgement))
        if not contrasts and len({row["optimization"] for row in completed}) == 2:
            title = f"{experiment}: {modes[0]} (A) against {modes[1]} (B)"
            section(out, title, _comparison(catalog, completed, modes))
        factorial = synergy(catalog, runs=[row["run_id"] for row in of], across=True)
        if factorial.entries:
            section(out, f"{experiment}: synergy of the factorial", synergy_table(factorial))
    for title, text in contrasts:
        section(out, title, text)
    _where_and_next(out, catalog, rows)


def section(out: TextIO, title: str, text: str) -> None:
    """Write one part of a summary under its title."""
    out.write(f"\n{title}\n{'-' * len(title)}\n{text.rstrip()}\n")


def _accounts(catalog: Catalog, run_ids: Sequence[str]) -> str:
    rows = catalog.query(ACCOUNTS, runs=list(run_ids))
    return tabulate(rows, headers="keys", floatfmt=".4g", intfmt=",", missingval="-")


def _comparison(catalog: Catalog, rows: Sequence[dict[str, Any]], modes: Sequence[str]) -> str:
    a, b = (_predicate(catalog, [row for row in rows if row["optimization"] == mode]) for mode in modes)
    return comparison_table(compare(catalog, a=a, b=b, across=True))


def _predicate(catalog: Catalog, rows: Sequence[dict[str, Any]]) -> str:
    """Return a predicate over ``runs`` that selects just these rows, a short one if the store holds no others."""
    ids = [row["run_id"] for row in rows]
    short = f"{_of(rows[0]['experiment'])} and optimization='{rows[0]['optimization']}'"
    if sorted(catalog.select(where=[short])) == sorted(ids):
        return short
    return f"run_id in ({', '.join(map(repr, ids))})"


def _of(experiment: str) -> str:
    return "experiment='{}'".format(experiment.replace("'", "''"))


def _where_and_next(out: TextIO, catalog: Catalog, rows: Sequence[dict[str, Any]]) -> None:
    where = _of(rows[0]["experiment"])
    modes = list(dict.fromkeys(r["optimization"] for r in rows if r["experiment"] == rows[0]["experiment"]))
    commands = [
        f'python -m store sql "{CYCLE_TIMES}" --where "{where}"',
        f'python -m stats verdict --where "{where}" --by run_id --format json',
    ]
    if len(modes) == 2:
        a, b = (f"{where} and optimization='{mode}'" for mode in modes)
        commands.append(f'python -m stats compare --a "{a}" --b "{b}"')
    else:
        commands.append(f"python -m store export {rows[0]['run_id']} --out run.json")
    commands = [f"{command} --store {shlex.quote(str(catalog.root))}" for command in commands]
    section(
        out, f"{len(rows)} run{'s' * (len(rows) != 1)} kept in {catalog.root}; ask next", "\n".join(commands)
    )
