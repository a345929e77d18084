"""The stretches of cycles that digests hold, by the condition that they lie in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from store.catalog import Catalog

MORE = ("rss_bytes", "sampling_ns", "sampling_calls")

CONDITIONS = """
-- one row per condition of the selected runs, in the order in which they ran
select run_id, condition, condition_cycles from conditions order by run_id, position
"""


class Batch(NamedTuple):
    """A stretch of a run's cycles from its digest: their mean number, the signal's mean and median, how many."""

    x: float
    mean: float
    median: float
    n: int = 1


Parts: TypeAlias = Mapping[str, Sequence[Batch]]
"""Condition → its batches; of a run without any, '' → all."""
Signals: TypeAlias = Mapping[str, Parts]
"""Signal → its batches by condition."""


def read(catalog: Catalog, ids: Sequence[str]) -> dict[str, Signals]:
    """Read what each run's digest holds of its cycle time, and of more signals where it has several conditions."""
    spans = _spans(catalog, ids) if ids else {}
    several = [run_id for run_id in ids if len(spans.get(run_id, ())) > 1]
    found: dict[str, dict[str, Parts]] = {run_id: {} for run_id in ids}
    for signal, wanted in (("net_ns", ids), *((name, several) for name in MORE)):
        for run_id, batches in _batches(catalog, wanted, signal).items():
            found[run_id][signal] = _parted(batches, spans.get(run_id, {}))
    return {**found}


def _spans(catalog: Catalog, ids: Sequence[str]) -> dict[str, dict[str, tuple[int, int]]]:
    """Return the first cycle of each condition of a run, and that after its last; none where these are not known."""
    rows: dict[str, list[Mapping[str, Any]]] = {}
    for row in catalog.query(CONDITIONS, runs=ids):
        rows.setdefault(row["run_id"], []).append(row)
    found = {}
    for run_id, of in rows.items():
        if len(of) > 1:
            ends = list(accumulate(row["condition_cycles"] or 0 for row in of))
            known = all(row["condition_cycles"] is not None for row in of)
            starts = [0, *ends]
            found[run_id] = {
                row["condition"]: (starts[k], ends[k]) if known else (0, 0) for k, row in enumerate(of)
            }
    return found


def _batches(catalog: Catalog, ids: Sequence[str], signal: str) -> dict[str, list[Batch]]:
    rows = catalog.digest(ids, part="batch", signal=signal) if ids else None
    if rows is None:
        return {}
    rows = rows.select(["run_id", "place", "x_mean", "y_mean", "y_median", "n"]).sort_by("place")
    found: dict[str, list[Batch]] = {}
    columns = (rows[name].to_pylist() for name in ("run_id", "x_mean", "y_mean", "y_median", "n"))
    for run_id, *values in zip(*columns, strict=True):
        found.setdefault(run_id, []).append(Batch(*values))
    return found


def _parted(batches: Sequence[Batch], spans: Mapping[str, tuple[int, int]]) -> Parts:
    """Return the batches that lie in each condition; one that may reach into two is in none."""
    if not spans:
        return {"": batches}
    return {
        name: [
            b
            for b, w in zip(batches, _widths([batch.x for batch in batches]), strict=True)
            if first <= b.x - w / 2 + 0.5 and b.x + w / 2 <= end
        ]
        for name, (first, end) in spans.items()
    }


def _widths(x: Sequence[float]) -> Iterator[float]:
    """Yield how much of x each of some batches spans, at the most."""
    gaps = [b - a for a, b in pairwise(x)] or [0.0]
    for k in range(len(x)):
        yield max(gaps[max(0, k - 1) : k + 1] or gaps[-1:])
