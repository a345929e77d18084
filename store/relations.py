"""The tables of some runs as Arrow data: what is known of all runs in memory, their rows where they lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from store import manifest, publishing, schema
from store.cache import index
from store.cache.compacting import Compacted
from store.locked.lazy import Refusing, RunFiles
from store.query import Source

Spooled = Mapping[str, Mapping[str, pa.Table]]
"""Run → table → what it had written when it was looked at."""


def tables(
    root: Path, chosen: pa.Table, spooled: Spooled, compacted: Callable[[], Compacted]
) -> dict[str, Source]:
    """Return every table but ``samples`` over the runs ``chosen``, rows of ``index.COLUMNS``.

    One with a column of two types among these runs refuses to be read, and says why.
    """
    holdings, holders = index.layouts(chosen), index.holders(chosen)
    found: dict[str, Source] = {
        "runs": chosen.select(schema.arrow("runs").names),
        "conditions": index.conditions(chosen),
    }
    for name in dict.fromkeys((*schema.ROW_TABLES, *_extra(holdings))):
        wanted, conflict = manifest.union(holdings, name)
        if conflict:
            found[name] = Refusing(wanted, conflict)
        elif name in holders:
            found[name] = _rows(root, name, wanted, holders[name], spooled, compacted)
        else:
            found[name] = wanted.empty_table()
    return found


def columns(chosen: pa.Table) -> dict[str, pa.Schema]:
    """Return every table's columns over the runs ``chosen``, observables included.

    Raises
    ------
    ValueError
        If a column has two types among these runs.
    """
    holdings = index.layouts(chosen)
    names = dict.fromkeys((*schema.TABLES, *_extra(holdings)))
    whole = ("runs", "conditions", "samples")
    return {name: schema.arrow(name) if name in whole else manifest.columns(holdings, name) for name in names}


def _rows(
    root: Path,
    table: str,
    wanted: pa.Schema,
    holders: Mapping[str, Collection[str]],
    spooled: Spooled,
    compacted: Callable[[], Compacted],
) -> Source:
    """Return one row table: files of published runs, and what running ones had written."""
    live = [schema.conformed(spooled[run_id][table], wanted) for run_id in holders if run_id in spooled]
    written = {run_id: held for run_id, held in holders.items() if run_id not in spooled}
    before, after = os.fspath(publishing.run_directory(root.absolute(), "?")).rsplit("?", 1)
    place = before, f"{after}/{table}.parquet"
    return RunFiles(wanted, written, place, rows=live, merged=lambda: compacted().of(table))


def _extra(holdings: Iterable[index.Holding]) -> list[str]:
    return sorted({name for holding in holdings for name in holding.tables}.difference(schema.TABLES))
