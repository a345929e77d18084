"""One question over a fleet: the slope of cycle time of each run, from digests, from rows, and loaded into pandas.

Also a join that selects one run in a hundred, as users may write it, and the rows of one run: on the locked connection,
beside DuckDB reading the same files itself; and the verdict on every run of the fleet, from digests and from rows.
Every block opens the store, or a connection of DuckDB with a view over the files, asks and reads the answer.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from unittest.mock import patch

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.document import Goal, Measured, Result, compared, valued
from benchmarks.measuring import interleaved
from benchmarks.stores import fill
from stats import judge
from store import open_catalog
from store.catalog import Catalog

UNIT: Final = "s"
OVER_NATIVE: Final = Goal("<=", 2.0)
"""Asked for; without reading the statement's conditions beforehand it was 18."""

SLOPES: Final = """
-- one row per run: its slope of cycle time [ns per cycle]
select run_id, regr_slope(net_ns, cycle) as slope from cycles where cycle >= 0 and process = 0 group by run_id
"""
JOIN: Final = """
-- one row per experiment among one run in a hundred: cycles and their mean time [ns]
select experiment, count(*) as n, avg(net_ns) as mean
from cycles join runs using (run_id)
where seed % 100 = 7
group by experiment
order by experiment
"""
SPELLINGS: Final = {
    "one_run": "select count(*) as n, avg(net_ns) as mean from cycles where run_id = $run",
    "natural_join": "select count(*) as n, avg(net_ns) as mean from cycles natural join runs where seed % 100 = 7",
    "semi_join": "select count(*) as n, avg(net_ns) as mean from cycles semi join (select run_id from runs "
    "where seed % 100 = 7) chosen using (run_id)",
    "in_select": "select count(*) as n, avg(net_ns) as mean from cycles where run_id in "
    "(select run_id from runs where seed % 100 = 7)",
    "latest_10": "select count(*) as n, avg(net_ns) as mean from cycles join (select run_id from runs "
    "order by started_at desc limit 10) latest using (run_id)",
}
"""One row each: cycles and their mean time [ns], of one run in a hundred but for what the name says."""
SCAN: Final = "select sum(net_ns), sum(cycle) from cycles"
VIEW: Final = "create view cycles as select * from read_parquet($files, hive_partitioning = true)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many runs of how many cycles, and how often; verdicts from rows once, on so many runs at most."""

    runs: Sequence[int]
    cycles: int = 12_000
    rounds: int
    judged: int


QUICK: Final = Plan(runs=(100, 1_000), rounds=5, judged=100)
FULL: Final = Plan(runs=(100, 1_000), rounds=15, judged=1_000)


def measure(*, quick: bool, seed: int) -> Measured:
    """Measure everything."""
    return carried_out(QUICK if quick else FULL, seed=seed)


def carried_out(plan: Plan, *, seed: int) -> Measured:
    """Measure what the plan holds."""
    results: list[Result] = []
    for runs in plan.runs:
        sys.stderr.write(f"query: {runs} runs x {plan.cycles} cycles\n")
        with tempfile.TemporaryDirectory(prefix="query-") as place:
            root = Path(place) / "store"
            fill(root, runs, plan.cycles, seed=seed)
            results += _asked(root, runs, plan, seed=seed)
            results += _judged(root, runs, plan, seed=seed)
    return Measured(results, [])


def _asked(root: Path, runs: int, plan: Plan, *, seed: int) -> list[Result]:
    slopes = {
        "digests": partial(_digests, root),
        "rows": partial(_rows, root),
        "pandas": partial(_pandas, root),
    }
    _check_same({name: ask() for name, ask in slopes.items()})
    with open_catalog(root) as catalog:
        known = catalog.runs()
    joins = _both_ways(root, known, JOIN, "")
    for name, question in SPELLINGS.items():
        joins |= _both_ways(root, known, question, f" {name}")
    floor = {"scan": partial(_native, root, known, SCAN)}
    asks: Mapping[str, Callable[[], object]] = {**slopes, **joins, **floor}
    blocks = {name: partial(_timed, ask) for name, ask in asks.items()}
    seconds = interleaved(blocks, plan.rounds, seed=seed)
    said = f"slope of cycle time of each of {runs} runs x {plan.cycles} cycles"
    found = [
        valued(f"slopes_{name}_{runs}", (name, seconds[name]), unit=UNIT, reason=said, seed=seed)
        for name in slopes
    ]
    scan = "DuckDB reads both columns of all rows and adds them up"
    found.append(valued(f"scan_floor_{runs}", ("scan", seconds["scan"]), unit=UNIT, reason=scan, seed=seed))
    for name, spelling in (("join_of_1_percent", ""), *((name, f" {name}") for name in SPELLINGS)):
        pair = [(way, seconds[f"{way}{spelling}"]) for way in ("locked", "native")]
        found.append(compared(f"{name}_{runs}", *pair, unit=UNIT, goal=OVER_NATIVE, seed=seed))
    return found


def _both_ways(
    root: Path, known: pa.Table, question: str, name: str
) -> dict[str, Callable[[], list[tuple[object, ...]]]]:
    """Return a question to the locked connection and to DuckDB's own, which answer it alike."""
    params = {"run": known["run_id"][len(known) // 2].as_py()} if "$run" in question else {}
    locked, native = partial(_locked, root, question, params), partial(_native, root, known, question, params)
    if locked() != native():
        raise ArithmeticError(f"the locked connection and DuckDB's own differ in their answer to {question}")
    return {f"locked{name}": locked, f"native{name}": native}


def _judged(root: Path, runs: int, plan: Plan, *, seed: int) -> Iterator[Result]:
    """Judge all runs: what digests say must be what rows say."""
    _verdict(root)  # the first reader of many digests leaves them merged
    digests = [_timed(partial(_verdict, root)) for _ in range(plan.rounds)]
    said = f"the paper's five tests, the accounts and every check on {runs} runs, opened anew"
    yield valued(f"verdict_digests_{runs}", ("digests", digests), unit=UNIT, reason=said, seed=seed)
    if runs > plan.judged:
        return
    with patch.object(Catalog, "sums", return_value=None):
        rows = [_timed(partial(_verdict, root))]
        expected = _verdict(root) if runs <= QUICK.judged else None
    if expected not in (None, _verdict(root)):
        raise ArithmeticError("verdicts from digests and from rows differ")
    yield valued(f"verdict_rows_{runs}", ("rows", rows), unit=UNIT, reason=f"{said}, once", seed=seed)


def _verdict(root: Path) -> list[tuple[str, str, str]]:
    with open_catalog(root) as catalog:
        verdict = judge(catalog)
    return [(one.hypothesis, one.finding.verdict, one.finding.reason) for one in verdict.verdicts]


def _timed(ask: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    ask()
    return time.perf_counter() - began_s


def _digests(root: Path) -> dict[str, float]:
    with open_catalog(root) as catalog:
        table = catalog.digest(part="line", signal="net_ns")
    slopes = table["sxy"].to_numpy() / table["sxx"].to_numpy()
    return dict(zip(table["run_id"].to_pylist(), slopes.tolist(), strict=True))


def _rows(root: Path) -> dict[str, float]:
    with open_catalog(root) as catalog:
        return {row["run_id"]: row["slope"] for row in catalog.query(SLOPES)}


def _pandas(root: Path) -> dict[str, float]:
    """Load one run after another, as trackers hand them out."""
    found = {}
    for path in sorted((root / "runs").iterdir()):
        rows = pq.read_table(
            path / "cycles.parquet", columns=["cycle", "net_ns"], partitioning=None
        ).to_pandas()
        slope = np.polyfit(rows["cycle"].to_numpy(), rows["net_ns"].to_numpy(), 1)[0]
        found[path.name.removeprefix("run_id=")] = float(slope)
    return found


def _check_same(answers: Mapping[str, Mapping[str, float]]) -> None:
    first, *others = answers.items()
    for name, answer in others:
        same = answer.keys() == first[1].keys()
        if not same or any(not math.isclose(answer[k], v, rel_tol=1e-9) for k, v in first[1].items()):
            raise ArithmeticError(f"{name} and {first[0]} differ in the slopes of the same runs")


def _locked(root: Path, question: str, params: Mapping[str, object]) -> list[tuple[object, ...]]:
    with open_catalog(root) as catalog, catalog.sql(question, params) as found:
        return [tuple(row.values()) for batch in found for row in batch.to_pylist()]


def _native(
    root: Path, runs: pa.Table, question: str, params: Mapping[str, object] | None = None
) -> list[tuple[object, ...]]:
    files = str(root / "runs" / "*" / "cycles.parquet").replace("'", "''")
    with duckdb.connect() as native:
        native.register("runs", runs)
        native.execute(VIEW.replace("$files", f"'{files}'"))
        return native.execute(question, dict(params or {})).fetchall()
