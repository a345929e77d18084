"""What each run holds of the signals that a test, or an aside, reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from stats.hypotheses.finding import Aside, Criterion, Row

if TYPE_CHECKING:
    from store.catalog import Catalog

Signals: TypeAlias = dict[str, dict[str, Row]]
"""Run → signal → row of the kernel."""

Read: TypeAlias = Callable[[Criterion | Aside], Signals]


def reader(catalog: Catalog, ids: Sequence[str]) -> Read:
    """Return a function that reduces what a test reads of the runs ``ids``, in one pass of SQL for all.

    A test and an aside that read the same share the pass.
    """

    @cache
    def reduced(kernel: str, sample: str) -> Signals:
        signals: Signals = {run_id: {} for run_id in ids}
        for row in catalog.reduce(kernel, sample, runs=ids) if ids else ():
            run_id, _, signal = row["grp"].rpartition("/")
            signals[run_id][signal] = row
        return signals

    return lambda test: reduced(test.kernel, test.sample)
