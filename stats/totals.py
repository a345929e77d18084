"""Totals of runs by measure and side, reduced in SQL to what a comparison needs of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stats.kernels import two_sample
from stats.kernels.two_sample import Group, Interval

WORDS = {"runtime": "run time", "calls": "number of sampling calls", "overhead": "time in sampling calls"}

TOTALS = """
-- one row per measure and run that recorded it: (grp, y); grp is '<measure> a' or '<measure> b'
with accounts as (
    select
        run_id,
        sum(sampling_calls) as calls,
        sum(sampling_ns) as sampling_ns,
        sum(wall_ns - sampling_ns - coalesce(probe_ns, 0)) as rest_ns
    from cycles
    where cycle >= 0 and coalesce(process, 0) = 0
    group by run_id
),
timed as (
    select run_id, sum(condition_wall_s) as wall_s from conditions group by run_id
),
totals as (
    select
        case when list_contains($a, run_id) then 'a' else 'b' end as side,
        coalesce(runs.wall_s, timed.wall_s) as runtime,
        coalesce(runs.total_sampling_calls, accounts.calls)::double as calls,
        accounts.sampling_ns / nullif(accounts.rest_ns, 0) as overhead,
        accounts.calls / nullif(accounts.rest_ns, 0) as calls_per_rest,
        accounts.calls / nullif(accounts.sampling_ns, 0) as calls_per_sampling
    from runs left join accounts using (run_id) left join timed using (run_id)
),
measures as (
    select side, unnest([
        {'name': 'runtime', 'y': runtime},
        {'name': 'log runtime', 'y': case when runtime > 0 then ln(runtime) end},
        {'name': 'calls', 'y': calls},
        {'name': 'log calls', 'y': case when calls > 0 then ln(calls) end},
        {'name': 'overhead', 'y': overhead},
        {'name': 'log overhead', 'y': case when overhead > 0 then ln(overhead) end},
        {'name': 'calls per rest', 'y': calls_per_rest},
        {'name': 'calls per sampling', 'y': calls_per_sampling}
    ]) as measure
    from totals
)
select measure.name || ' ' || side as grp, measure.y as y
from measures
where measure.y is not null
"""

RUNTIMES = """
-- one row per run whose time is known: (grp, y) [s]
with timed as (
    select run_id, sum(condition_wall_s) as wall_s from conditions group by run_id
)
select
    case when list_contains($a, run_id) then 'a' else 'b' end as grp,
    coalesce(runs.wall_s, timed.wall_s) as y
from runs left join timed using (run_id)
"""


class Totals(NamedTuple):
    """Run totals by ``<measure> <side>``, their logarithms by ``log <measure> <side>``."""

    groups: Mapping[str, Group]

    def group(self, measure: str, side: str) -> Group | None:
        """Return one side's totals; None where no run recorded them."""
        return self.groups.get(f"{measure} {side}")

    def words(self, measure: str) -> str:
        """Return what a measure is called in a sentence."""
        return WORDS[measure]

    def n(self, measure: str, side: str) -> int:
        """Return how many runs of a side recorded a measure."""
        group = self.group(measure, side)
        return 0 if group is None else group.n

    def log_ratio(self, measure: str) -> tuple[Interval | None, float | None]:
        """Return A/B with its interval and p; nothing where a total has no logarithm."""
        if any(self.n(measure, side) != self.n(f"log {measure}", side) for side in "ab"):
            return None, None
        a, b = self.groups[f"log {measure} a"], self.groups[f"log {measure} b"]
        # Equal totals within both groups leave nothing to test, and an interval of no width.
        testable = a.var is not None and b.var is not None and a.var + b.var > 0
        return two_sample.log_ratio(a, b), two_sample.welch(a, b).p if testable else None

    def no_interval(self, measure: str) -> str:
        """Return why the ratio of a measure has no interval."""
        single = [side.upper() for side in "ab" if self.n(measure, side) == 1]
        if single:
            return f"n = 1 in {' and in '.join(single)}: no interval"
        return f"no interval: the {WORDS[measure]} is not above 0 in every run"
