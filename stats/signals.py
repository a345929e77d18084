"""What each run holds of the signals that a test, or an aside, reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stats.hypotheses.finding import Aside, Criterion, Row

if TYPE_CHECKING:
    from store.catalog import Catalog

Signals = dict[str, dict[str, Row]]
"""Run → signal → row of the kernel."""


def read(catalog: Catalog, test: Criterion | Aside, ids: Sequence[str]) -> Signals:
    """Reduce what a test reads of the runs ``ids``, in one pass of SQL for all."""
    signals: Signals = {run_id: {} for run_id in ids}
    if not ids:
        return signals
    for row in catalog.reduce(test.kernel, test.sample, runs=ids):
        run_id, _, signal = row["grp"].rpartition("/")
        signals[run_id][signal] = row
    return signals
