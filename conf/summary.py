"""What a command found: where the time went, verdicts, comparison, synergy, what to ask next, and the answer."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TextIO

from conf import answer, hints
from conf.groups import Group, Row, grouped, notes, pairs, repeated
from conf.jobs import Job, thresholds
from stats import compare, judge, synergy
from stats.accounts import Level
from stats.growth import growth
from stats.judging import Judgement
from stats.report import comparison_table, synergy_table, verdict_table
from stats.text import grid, number
from store.catalog import Catalog

DETAILED = 8
"""Configurations whose verdicts are printed."""

UNASKED = ("excess_reduction",)
"""Quantities that need what no configuration declares: an expected duration."""

EXPECTED = (
    "expected is what the study foresaw at full size; found is what these runs show at the size they had"
)
LEGEND = (
    "cpu + run queue + off-CPU = the cycles' time; sampling, gc and our probes lie inside it.  s a run is that of the\n"
    "whole run, as in speedup: cycles, building what they run on, and readings between them."
)

ACCOUNTS = """
-- one row per configuration: how often it sampled, and the shares of its cycles' wall time
with light as (
    select run_id, sum(cpu_ns) as cpu_ns, sum(offcpu_ns) as offcpu_ns
    from windows
    where last_cycle is not null
    group by run_id
),
run_totals as (
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
    config_id,
    avg(wall_s) as "s a run",
    avg(wall_ns) / 1e9 as "s in cycles",
    avg(calls) as "calls a run",
    100 * sum(coalesce(run_totals.cpu_ns, light.cpu_ns)) / sum(wall_ns) as "cpu %",
    100 * sum(runq_ns) / sum(wall_ns) as "run queue %",
    100 * sum(coalesce(run_totals.offcpu_ns, light.offcpu_ns)) / sum(wall_ns) as "off-CPU %",
    100 * sum(sampling_ns) / sum(wall_ns) as "sampling %",
    100 * sum(gc_ns) / sum(wall_ns) as "gc %",
    100 * sum(probe_ns) / sum(wall_ns) as "probes %"
from run_totals
join runs using (run_id)
left join light using (run_id)
group by experiment, config_id
"""


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
    jobs: Sequence[Job],
    contrasts: Collection[tuple[str, str]] = (),
) -> None:
    """Write the summary of the runs ``run_ids`` of ``jobs`` to ``out``.

    ``contrasts`` are sections that take the place of the comparison of an experiment's two modes.
    """
    groups = grouped(catalog.runs(list(run_ids)).to_pylist() if run_ids else [], jobs)
    if not groups:
        out.write("No run recorded a cycle; there is nothing to judge.\n")
        return
    twice = repeated(groups, catalog.runs().to_pylist())
    out.write(_titled("Where the time went", _times(catalog, groups, twice)))
    judged = _verdicts(out, catalog, groups)
    levels = {label: judgement.level for label, judgement in judged.items()}
    found = [] if contrasts else _comparisons(out, catalog, groups, levels)
    together = _synergies(out, catalog, groups)
    for title, text in contrasts:
        section(out, title, text)
    kept = sum(len(group.rows) for group in groups)
    title = f"{kept} run{'s' * (kept != 1)} kept in {catalog.root}; ask next"
    section(out, title, "\n".join(hints.next_commands(catalog, groups, latest=bool(twice))))
    if contrasts:
        return
    spent = [answer.spent(group.label, levels[group.label]) for group in groups[:DETAILED]]
    questions = dict.fromkeys(group.job.config["question"] for group in groups)
    decided = [line for group in groups[:DETAILED] for line in _decided(catalog, group, judged[group.label])]
    said = [*dict.fromkeys(decided), *(found or spent), *together]
    section(out, "Answer", "\n".join([*filter(None, questions), *(f"{line}." for line in said)]))


def _decided(catalog: Catalog, group: Group, judgement: Judgement) -> Iterator[str]:
    """Yield what the experiment declares to decide its question."""
    asked = group.job.config["decides"]
    if "time" in asked:
        yield answer.takes(group.label, [row["wall_s"] or 0.0 for row in group.rows if row["n_cycles"]])
    if "drift" in asked:
        yield answer.drifts(group.label, growth(catalog, group.run_ids))
    if "verdicts" in asked:
        yield answer.judged(group.label, judgement)
    if "runs" in asked:
        yield answer.works(len(group.rows), len(group.whole))


def section(out: TextIO, title: str, text: str) -> None:
    """Write a further part of a summary under its title."""
    out.write(f"\n{_titled(title, text)}")


def _titled(title: str, text: str) -> str:
    return f"{title}\n{'-' * len(title)}\n{text.rstrip()}\n"


def _times(catalog: Catalog, groups: Sequence[Group], twice: int) -> str:
    ids = [run_id for group in groups for run_id in group.run_ids]
    found = {(row["experiment"], row["config_id"]): row for row in catalog.query(ACCOUNTS, runs=ids)}
    rows = [_time(group, found[group.experiment, group.config_id]) for group in groups]
    said = notes(groups)
    if twice:
        are = "is" if twice == 1 else "are"
        said.append(
            f"{twice} of these runs {are} in the store more than once: --latest takes the newest of each"
        )
    return "\n".join([grid(rows, "table"), "", LEGEND, *(f"note: {note}" for note in said)])


def _time(group: Group, row: Row) -> dict[str, str]:
    shown = {name: _shown(name, value) for name, value in row.items() if " " in name}
    return {"runs of": group.label, "n": str(len(group.run_ids)), **shown}


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    # Adding 0.0 takes the sign off a residual that rounds to nothing.
    return f"{round(value, 1) + 0.0:.1f}" if name.endswith("%") else number(value, 3)


def _verdicts(out: TextIO, catalog: Catalog, groups: Sequence[Group]) -> dict[str, Judgement]:
    """Write the verdicts on each configuration, and return them."""
    judged = {}
    for at, group in enumerate(groups):
        judgement = judge(catalog, runs=group.run_ids, thresholds=thresholds(group.job))
        judged[group.label] = judgement
        if at < DETAILED:
            expected = f"\n{EXPECTED}" if at == 0 and group.job.config["expected"] else ""
            section(out, f"{group.label}: verdicts", verdict_table(judgement) + expected)
    if len(groups) > DETAILED:
        left = ", ".join(group.label for group in groups[DETAILED:])
        section(out, f"Verdicts on {len(groups) - DETAILED} more", f"{left}: the commands below show them")
    return judged


def _comparisons(
    out: TextIO, catalog: Catalog, groups: Sequence[Group], levels: dict[str, Level]
) -> list[str]:
    """Write a comparison of each two modes; return what came of each, in a sentence."""
    said = []
    for a, b in pairs(groups):
        one, other = (hints.selecting(catalog, [group], group.whole) for group in (a, b))
        found = compare(catalog, a=one, b=other, runs=[*a.whole, *b.whole])
        section(out, f"{a.name}: {a.mode} (A) against {b.mode} (B)", comparison_table(found, without=UNASKED))
        before = ", ".join([*a.variant, str(a.mode)])
        document = found.to_json()
        said.append(f"{answer.spent(before, levels[a.label])}; {answer.changed(str(b.mode), document)}")
        said += answer.parted((str(a.mode), str(b.mode)), document)
    return said


def _synergies(out: TextIO, catalog: Catalog, groups: Sequence[Group]) -> list[str]:
    """Write the synergy of each factorial, whose conditions a sweep may have split; return a sentence of each."""
    factorials: dict[str, list[str]] = {}
    for group in groups:
        apart = [word for word in group.variant if not word.startswith("conditions=")]
        factorials.setdefault(", ".join([group.experiment, *apart]), []).extend(group.run_ids)
    said = []
    for name, ids in factorials.items():
        factorial = synergy(catalog, runs=ids)
        entries = factorial.to_json()["synergy"]
        if entries:
            section(out, f"{name}: synergy of the factorial", synergy_table(factorial))
            said.append(answer.together(name, entries))
    return said
