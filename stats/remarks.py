"""What the selected runs say about themselves: what was expected of them, and what a reader must know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stats.hypotheses import known
from store.configured import mapping, within

if TYPE_CHECKING:
    from store.catalog import Catalog

# The error rates of the paper's criteria were measured at 3,000 and at 12,000 cycles, and they move between the two:
# under slow noise (AR .99) H2 is right by chance in .20 of the runs at 3,000 and in .02 at 12,000.  Nothing is
# known below.
CALIBRATED_CYCLES = 3000

QUEUED = 0.1
"""Share of the time spent waiting for a CPU from which wall times say little."""

# The experiments for which the study says what it expects, its phases and its variants of C255 and C256 included.
STUDY = frozenset(
    [
        *(f"c{number}" for number in range(255, 264)),
        *("c255_light", "c255_high_capacity", "c256_pattern_memory"),
        *("phase1a", "phase1b", "phase2"),
    ]
)

SQL = """
-- one row per selected run
select run_id, experiment, optimization, status, n_cycles, config
from runs
order by started_at, run_id
"""

RECORDED = """
-- one row per run that has cycles: how many
select run_id, count(*) as n_cycles
from cycles
where cycle >= 0 and coalesce(process, 0) = 0
group by run_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What one run says about itself; ``config`` is its resolved configuration, empty where it has none."""

    run_id: str
    experiment: str | None
    optimization: str | None
    status: str | None
    n_cycles: int
    config: Mapping[str, Any]


def read(catalog: Catalog, ids: Sequence[str]) -> list[Record]:
    """Read the records of the selected runs, oldest first; where no cycles are stated those that are recorded count."""
    if not ids:
        return []
    rows = list(catalog.query(SQL, runs=ids))
    uncounted = [row["run_id"] for row in rows if row["n_cycles"] is None]
    counted = (
        {row["run_id"]: row["n_cycles"] for row in catalog.query(RECORDED, runs=uncounted)}
        if uncounted
        else {}
    )
    return [
        Record(
            **row
            | {
                "config": mapping(row["config"]),
                "n_cycles": counted.get(row["run_id"], 0) if row["n_cycles"] is None else row["n_cycles"],
            }
        )
        for row in rows
    ]


def expected(records: Sequence[Record], hypothesis: str) -> str | None:
    """Return the verdict that was expected of all these runs, or None where there is none or no single one."""
    verdicts = {_expected(record, hypothesis) for record in records}
    return verdicts.pop() if len(verdicts) == 1 else None


def _expected(record: Record, hypothesis: str) -> str | None:
    declared = within(record.config, "expected")
    if declared:
        verdict = declared.get(hypothesis)
        return None if verdict is None else str(verdict)
    return known()[hypothesis].EXPECTED if record.experiment in STUDY else None


def notes(records: Sequence[Record], limits: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    """Return what limits the verdicts on these runs, judged by the thresholds ``limits``."""
    if not records:
        return ("no run is selected",)
    said = [_short(records), *_statuses(records), *_other_thresholds(records, limits)]
    return tuple(note for note in said if note)


def _short(records: Sequence[Record]) -> str:
    short = [record.n_cycles for record in records if 0 < record.n_cycles < CALIBRATED_CYCLES]
    if not short:
        return ""
    return (
        f"the paper profile is not calibrated on short runs ({_of(short, records)} under {CALIBRATED_CYCLES:,} "
        f"cycles, down to {min(short):,}): its error rates are known from {CALIBRATED_CYCLES:,} cycles on"
    )


def _statuses(records: Sequence[Record]) -> list[str]:
    meanings = {
        "imported": "imported: judged on the signals that the file holds",
        "interrupted": "interrupted: judged on the cycles that were done",
        "failed": "failed: judged on the cycles that were done",
        "running": "still running: judged on what is published of it",
    }
    found = {status: [r for r in records if r.status == status] for status in meanings}
    return [f"{_of(runs, records)} {meanings[status]}" for status, runs in found.items() if runs]


def waiting(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Say where the machine was so busy that wall times hide what the code did; ``rows`` as of ``accounts.read``."""
    read = [row for row in rows if row["runq_wall"]]
    share = sum(row["runq"] for row in read) / sum(row["runq_wall"] for row in read) if read else 0.0
    if share < QUEUED:
        return []
    how = "wall times say little; `stats timeline --clock cpu` judges the CPU time"
    return [f"waiting for a CPU is {100 * share:.0f} % of the time: {how}"]


def mixed(records: Sequence[Record]) -> list[str]:
    """Say where one verdict is asked of runs that were made to differ."""
    said = []
    for name, values in (
        ("experiments", {record.experiment or "none" for record in records}),
        ("optimizations", {record.optimization or "none" for record in records}),
    ):
        if len(values) > 1:
            said.append(f"the selection mixes {name} ({', '.join(sorted(values))})")
    return said


def _other_thresholds(records: Sequence[Record], limits: Mapping[str, Mapping[str, float]]) -> list[str]:
    said = []
    for name, used in ((f"{h}.{key}", value) for h, each in limits.items() for key, value in each.items()):
        hypothesis, key = name.split(".")
        said_of = [within(r.config, "hypothesis", hypothesis).get(key) for r in records]
        declared = [value if isinstance(value, int | float) else used for value in said_of]
        other = sorted({value for value in declared if value != used})
        if other:
            runs = [value for value in declared if value != used]
            values = ", ".join(f"{value:g}" for value in other)
            said.append(f"{_of(runs, records)} declared with {name}={values}, judged with {used:g}")
    return said


def _of(some: Sequence[object], records: Sequence[Record]) -> str:
    return "the run is" if len(records) == 1 else f"{len(some)} of {len(records)} runs are"
