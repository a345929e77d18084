"""What ``run.json`` says of all runs: from the cache where it is right, from the run where it is not.

Ten thousand ``run.json`` take 1.2 s to read, their stamps 0.03 s.  A run whose stamp differs is read from its own file,
whoever made the cache; so it is right when it is stale, and what cannot be read of it is as if it were not there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from store import choosing, manifest, schema
from store.cache import segments, stamps
from store.cache.segments import COLUMNS, CONDITION, Segments
from store.cache.stamps import HIVE_KEY, Stamp
from store.manifest import Manifest
from store.reduced import digest

Layout = Mapping[str, Mapping[str, str]]
"""Table → column → DuckDB type."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The tables of one run."""

    run_id: str
    tables: Layout

    def columns(self, table: str) -> Mapping[str, str]:
        """Return names and DuckDB types of a table's columns; empty if the run has none."""
        return self.tables.get(table, {})


@dataclass
class Fleet:
    """The published runs of a store: what is on disk, what of it is cached, and what had to be read."""

    root: Path
    found: dict[str, Stamp]
    empty: Sequence[str]
    hidden: Sequence[str]
    kept: Segments
    stamp: tuple[int, ...]
    problems: list[str] = field(default_factory=list)
    fresh: dict[str, Manifest] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    @cached_property
    def table(self) -> pa.Table:
        """Return a row of ``COLUMNS`` per run, oldest first."""
        return ordered(pa.concat_tables([self._cached(), rows(list(self.fresh.values()))]))

    @cached_property
    def others(self) -> list[str]:
        """Return the directories among the runs that are none, or cannot be read."""
        runs, fresh = self.kept.runs, self.fresh
        unread = (name for name, stamp in self.found.items() if name not in fresh and runs.get(name) != stamp)
        return sorted([*self.empty, *unread])

    @cached_property
    def stale(self) -> bool:
        """Tell whether the cache holds runs that are gone, or have changed."""
        return any(self.found.get(name) != stamp for name, stamp in self.kept.runs.items())

    @cached_property
    def gone(self) -> bool:
        """Tell whether the cache holds runs that are not there any more."""
        return not self.kept.runs.keys() <= self.found.keys()

    def _cached(self) -> pa.Table:
        """Return the rows of the cache that are right."""
        runs = self.kept.runs
        if not runs:
            return COLUMNS.empty_table()
        right = {name.removeprefix(HIVE_KEY) for name, stamp in runs.items() if self.found.get(name) == stamp}
        table = self.kept.table()
        return table if len(right) == len(runs) else choosing.only(table, right)


def survey(root: Path) -> Fleet:
    """Return the published runs of a store; only those that the cache does not hold are read."""
    stamp = segments.stamp(root)  # first: a list that is replaced meanwhile is read again
    fleet = Fleet(root, *stamps.listing(root), segments.read(root), stamp)
    if fleet.found != fleet.kept.base:
        runs = fleet.kept.runs
        unknown = sorted(name for name, stamp in fleet.found.items() if runs.get(name) != stamp)
        fleet.fresh, fleet.unsure = _load(root, unknown, fleet.problems)
        for name in [name for name in unknown if name not in fleet.fresh and not _is_there(root, name)]:
            del fleet.found[name]
    return fleet


def row(run: Manifest) -> dict[str, Any]:
    """Return one run as a row of ``COLUMNS``."""
    conditions = [{field.name: row[field.name] for field in CONDITION} for row in run.conditions]
    return {**run.run, "conditions": conditions, "layout": layout_text(run)}


def rows(runs: Sequence[Manifest]) -> pa.Table:
    """Return runs as rows of ``COLUMNS``."""
    return pa.Table.from_pylist([row(run) for run in runs], schema=COLUMNS)


def layout_text(run: Manifest) -> str:
    """Return the columns of a run's tables as JSON."""
    held = {
        name.removesuffix(".parquet"): dict(file.columns)
        for name, file in run.files.items()
        if name.endswith(".parquet") and name != digest.FILE
    }
    return json.dumps(held)


def ordered(table: pa.Table) -> pa.Table:
    """Return runs oldest first; those of an unknown start before all others."""
    started = pc.fill_null(table["started_at"].cast(pa.int64()), -(2**62))
    keys = pa.table([started, table["run_id"]], ["started_at", "run_id"])
    return table.take(pc.sort_indices(keys, [("started_at", "ascending"), ("run_id", "ascending")]))


def layouts(table: pa.Table) -> list[Holding]:
    """Return each distinct set of tables once, with a run that has it."""
    first = (
        table.select(["run_id", "layout"])
        .group_by("layout", use_threads=False)
        .aggregate([("run_id", "first")])
    )
    pairs = zip(first["run_id_first"].to_pylist(), first["layout"].to_pylist(), strict=True)
    return [Holding(run_id, json.loads(text)) for run_id, text in pairs]


def holders(table: pa.Table) -> dict[str, dict[str, frozenset[str]]]:
    """Return the runs that have each table, in the order of ``table``, and its columns in each."""
    texts = table["layout"].combine_chunks().dictionary_encode()
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    held = [
        {name: frozenset(columns) for name, columns in json.loads(text).items()}
        for text in texts.dictionary.to_pylist()
    ]
    found: dict[str, dict[str, frozenset[str]]] = {}
    for run_id, kind in zip(table["run_id"].to_pylist(), texts.indices.to_pylist(), strict=True):
        for name, columns in held[kind].items():
            found.setdefault(name, {})[run_id] = columns
    return found


def conditions(table: pa.Table) -> pa.Table:
    """Return table ``conditions`` of these runs."""
    lists = table["conditions"].combine_chunks()
    parents, cells = pc.list_parent_indices(lists), pc.list_flatten(lists)
    columns = {"run_id": table["run_id"].combine_chunks().take(parents)}
    columns |= {field.name: pc.struct_field(cells, field.name) for field in CONDITION}
    return pa.table(columns, schema=schema.arrow("conditions"))


def _load(root: Path, names: Sequence[str], problems: list[str]) -> tuple[dict[str, Manifest], set[str]]:
    """Return runs with their layers, and the names of those whose layers cannot all be read."""
    found: dict[str, Manifest] = {}
    unsure: set[str] = set()
    for name in names:
        said = len(problems)
        try:
            found[name] = manifest.read(root, name.removeprefix(HIVE_KEY), problems)
        except ValueError as error:
            if _is_there(root, name):
                problems.append(str(error))
            continue
        if len(problems) > said:
            unsure.add(name)
    return found, unsure


def _is_there(root: Path, name: str) -> bool:
    """Tell whether a run was not removed since it was listed."""
    return (root / "runs" / name).is_dir()
