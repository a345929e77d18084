"""The stretches of cycles that digests hold, by the condition that they lie in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from store.reduced.moments import Floats

if TYPE_CHECKING:
    from store.catalog import Catalog

SIGNALS = {"h2": ("rss_bytes",), "h3": ("sampling_ns", "sampling_calls"), "h5": ("net_ns",)}
"""What the notes on each hypothesis read."""

COLUMNS = ("x_mean", "y_mean", "y_median", "n")
"""Of a digest, in the order of ``Batches``."""

CONDITIONS = """
-- one row per condition of the selected runs, in the order in which they ran
select run_id, condition, condition_cycles from conditions order by run_id, position
"""


class Batches(NamedTuple):
    """Stretches of a run's cycles from its digest: their mean number, the signal's mean and median, how many."""

    x: Floats
    mean: Floats
    median: Floats
    n: Floats

    def only(self, kept: Any) -> Batches:
        """Return some of them, as numpy would choose."""
        return Batches(*(values[kept] for values in self))


Parts: TypeAlias = Mapping[str, Batches]
"""Condition → its batches; of a run of one condition, '' → all."""
Signals: TypeAlias = Mapping[str, Parts]
"""Signal → its batches by condition."""


def read(catalog: Catalog, decided: Mapping[str, Sequence[str]]) -> dict[str, Signals]:
    """Read the digests of runs for the hypotheses that were ``decided`` on them.

    Of a run that has one condition only cycle time is read: nothing else is asked of it.
    """
    ids = sorted({run_id for runs in decided.values() for run_id in runs})
    spans = _spans(catalog, ids) if ids else {}
    found: dict[str, dict[str, Parts]] = {}
    for hypothesis, signals in SIGNALS.items():
        wanted = [run_id for run_id in decided[hypothesis] if hypothesis == "h5" or run_id in spans]
        for signal in signals if wanted else ():
            for run_id, batches in _batches(catalog, wanted, signal).items():
                found.setdefault(run_id, {})[signal] = _parted(batches, spans.get(run_id, {}))
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


def _batches(catalog: Catalog, ids: Sequence[str], signal: str) -> dict[str, Batches]:
    rows = catalog.digest(ids, part="batch", signal=signal).select(["run_id", "place", *COLUMNS])
    rows = rows.sort_by([("run_id", "ascending"), ("place", "ascending")])
    runs = rows["run_id"].combine_chunks().dictionary_encode()
    starts = np.unique(runs.indices.to_numpy(), return_index=True)[1].tolist()
    read = Batches(*(rows[name].to_numpy().astype(float) for name in COLUMNS))
    ends = [*starts, rows.num_rows][1:]
    return {
        run_id: read.only(slice(start, end))
        for run_id, start, end in zip(runs.dictionary.to_pylist(), starts, ends, strict=True)
    }


def _parted(batches: Batches, spans: Mapping[str, tuple[int, int]]) -> Parts:
    """Return the batches that lie in each condition; one that may reach into two is in none."""
    if not spans:
        return {"": batches}
    gaps = np.concatenate(([0.0], np.diff(batches.x), [0.0]))
    half = np.maximum(gaps[:-1], gaps[1:]) / 2
    low, high = batches.x - half, batches.x + half
    return {name: batches.only((low >= first - 0.5) & (high <= end)) for name, (first, end) in spans.items()}
