"""What each run holds of the signals that a test, or an aside, reads: from the runs' digests, or from their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from stats.hypotheses.finding import Aside, Criterion, Row
from store.reduced.pairs import PAIRS

if TYPE_CHECKING:
    from store.catalog import Catalog

Signals: TypeAlias = dict[str, dict[str, Row]]
"""Run → signal → row of the kernel."""

Read: TypeAlias = Callable[[Criterion | Aside], Signals]


def reader(catalog: Catalog, ids: Sequence[str]) -> Read:
    """Return a function that gives what a test reads of the runs ``ids``.

    That is in their digests, for a test whose pairs have a name there and runs that all have a digest; else it takes
    one pass of SQL over all rows, which a test and an aside that read the same share.
    """
    sums = catalog.sums(ids) if ids else None

    @cache
    def reduced(kernel: str, sample: str) -> Signals:
        signals: Signals = {run_id: {} for run_id in ids}
        for row in catalog.reduce(kernel, sample, runs=ids) if ids else ():
            run_id, _, signal = row["grp"].rpartition("/")
            signals[run_id][signal] = row
        return signals

    def read(test: Criterion | Aside) -> Signals:
        if sums is None or not test.pairs:
            return reduced(test.kernel, test.sample)
        names = _names(test.pairs)
        return {run_id: _named(sums[run_id]["pair"], names) for run_id in ids}

    return read


def _names(test: str) -> dict[str, str]:
    """Return the signals of one test by their names in a digest: looked for once, not in each of a thousand runs."""
    named = ((pair.name, pair.name.partition("/")) for pair in PAIRS)
    return {name: signal for name, (of, _, signal) in named if of == test}


def _named(pairs: Mapping[str, Row], names: Mapping[str, str]) -> dict[str, Row]:
    return {name: pairs[key] for key, name in names.items() if key in pairs}
