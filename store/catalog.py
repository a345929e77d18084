"""A store, opened for reading: choose runs, ask them, and nothing on disk changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from store import live as spooled
from store import damage, manifest, query, schema
from store.manifest import Manifest
from store.query import Connection, Refused, Rows, Source

KEPT_CONNECTIONS = 8
CHECKED = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
"""A flipped bit is an error and not another number; costs 20 ms on 24 million values."""
_START = datetime.min.replace(tzinfo=UTC)


def open_catalog(path: str | PathLike[str], *, live: bool = False, timeout_s: float | None = None) -> Catalog:
    """Open a store for reading.

    Parameters
    ----------
    path : path
        The store: any existing directory.
    live : bool
        Count running runs in, with the rows that they have written so far.
    timeout_s : float, optional
        Limit of each ad hoc predicate given to ``select`` [s]; none by default.

    Returns
    -------
    Catalog
        The store as it is now; runs published later are not seen.

    Raises
    ------
    FileNotFoundError
        If there is no such directory.
    """
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(
            f"store {root} is not a directory; name another with --store, or run an experiment"
        )
    return Catalog(root, manifest.survey(root), live=live, timeout_s=timeout_s)


class Catalog:
    """Runs of a store and their tables; made by ``open_catalog``."""

    def __init__(
        self, root: Path, survey: manifest.Survey, *, live: bool = False, timeout_s: float | None = None
    ) -> None:
        self.root = root
        self.problems = tuple(survey.problems)
        self._manifests = {run.run_id: run for run in sorted(survey.runs, key=_age)}
        self._spooled: dict[str, Mapping[str, pa.Table]] = {}
        for run in [run for run in self._manifests.values() if live and _is_running(run)]:
            self._manifests[run.run_id], rows = spooled.snapshot(run)
            if rows:
                self._spooled[run.run_id] = rows
        self._live = live
        self._timeout_s = timeout_s
        self._connections: dict[tuple[str, ...], Connection] = {}

    def select(
        self,
        where: str | Sequence[str] = (),
        runs: Sequence[str] = (),
        tags: Sequence[str] = (),
        *,
        latest: bool = False,
        last: int | None = None,
        running: bool | None = None,
    ) -> list[str]:
        """Return the ids of the runs that satisfy all that is asked, oldest first.

        Parameters
        ----------
        where : str or sequence of str
            Predicates over table ``runs``, in SQL.
        runs : sequence of str
            Ids, or beginnings of ids that name one run each.
        tags : sequence of str
            Tags that a run must have, all of them.
        latest : bool
            Only the newest of each (experiment, config_id, seed, replicate).
        last : int, optional
            Only so many of the newest, after everything else.
        running : bool, optional
            Count running runs in; as the catalog was opened by default.

        Raises
        ------
        ValueError
            If a predicate is empty or wrong, or a run is unknown or ambiguous.
        """
        live = self._live if running is None else running
        found = [run for run in self._manifests.values() if live or not _is_running(run)]
        if runs:
            named = {self._named(text) for text in runs}
            found = [run for run in found if run.run_id in named]
        predicates = [where] if isinstance(where, str) else list(where)
        if predicates:
            table = manifest.runs_table(found)
            matching = query.matching(table, predicates, timeout_s=self._timeout_s)
            found = [run for run in found if run.run_id in matching]
        found = [run for run in found if set(tags) <= set(run.run["tags"] or ())]
        if latest:
            found = _latest(found)
        if last is not None:
            found = _last(found, last)
        return [run.run_id for run in found]

    def runs(self, ids: Sequence[str] | None = None) -> pa.Table:
        """Return table ``runs``, oldest first, running ones included; of ``ids`` only, if given."""
        return manifest.runs_table(self._chosen(ids))

    def query(
        self, sql: str, params: Mapping[str, object] | None = None, *, runs: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """Run one of our own static statements over the tables of ``runs`` (all by default).

        NULL is None and NaN stays NaN.
        """
        try:
            return query.rows(self._connection(runs), sql, params)
        except Refused as error:
            raise damage.explained(error, self._chosen(runs)) from error

    def reduce(
        self,
        kernel_sql: str,
        source_sql: str,
        params: Mapping[str, object] | None = None,
        *,
        runs: Sequence[str] | None = None,
    ) -> list[dict[str, Any]]:
        """Run ``kernel_sql`` over relation ``sample``, which is what ``source_sql`` returns."""
        try:
            return query.reduce(self._connection(runs), kernel_sql, source_sql, params)
        except Refused as error:
            raise damage.explained(error, self._chosen(runs)) from error

    def sql(
        self,
        sql: str,
        params: Mapping[str, object] | None = None,
        *,
        runs: Sequence[str] | None = None,
        timeout_s: float | None = 60.0,
    ) -> Rows:
        """Run somebody's statement on a locked connection of its own.

        Parameters
        ----------
        sql : str
            Exactly one statement of type SELECT (DESCRIBE, SHOW and SUMMARIZE are).
        params : mapping, optional
            Values of ``$name``.
        runs : sequence of str, optional
            Runs whose rows the tables hold; all by default.
        timeout_s : float or None
            Limit of the time until the last row; a statement that does not listen 2 s later ends the process
            with code 2.

        Returns
        -------
        Rows
            Iterator of Arrow record batches with a ``schema``.

        Raises
        ------
        ValueError
            If the statement is refused or fails; one sentence.
        TimeoutError
            If it takes too long.
        """
        return Rows(
            query.connect(self.tables(runs)),
            sql,
            params,
            timeout_s=timeout_s,
            explained=lambda error: damage.explained(error, self._chosen(runs)),
        )

    def tables(self, runs: Sequence[str] | None = None) -> dict[str, Source]:
        """Return every table but ``samples`` over the chosen runs, as Arrow data.

        Raises
        ------
        ValueError
            If a column has two types among these runs.
        """
        chosen = self._chosen(runs)
        tables: dict[str, Source] = {
            "runs": manifest.runs_table(chosen),
            "conditions": manifest.conditions_table(chosen),
        }
        for name in dict.fromkeys((*schema.ROW_TABLES, *_extra(chosen))):
            tables[name] = self._rows(name, chosen)
        return tables

    def columns(self, runs: Sequence[str] | None = None) -> dict[str, pa.Schema]:
        """Return every table's columns over the chosen runs, observables included."""
        chosen = self._chosen(runs)
        names = dict.fromkeys((*schema.TABLES, *_extra(chosen)))
        whole = ("runs", "conditions", "samples")
        return {
            name: schema.arrow(name) if name in whole else manifest.columns(chosen, name) for name in names
        }

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connection(self, runs: Sequence[str] | None) -> Connection:
        key = tuple(self._manifests) if runs is None else tuple(runs)
        if key not in self._connections:
            if len(self._connections) >= KEPT_CONNECTIONS:
                self._connections.pop(next(iter(self._connections))).close()
            self._connections[key] = query.connect(self.tables(runs))
        return self._connections[key]

    def _chosen(self, ids: Sequence[str] | None) -> list[Manifest]:
        if ids is None:
            return list(self._manifests.values())
        named = {self._named(run_id) for run_id in ids}
        return [run for run in self._manifests.values() if run.run_id in named]

    def _rows(self, table: str, runs: Sequence[Manifest]) -> Source:
        """Return one row table: files of published runs, and what running ones had written."""
        columns = manifest.columns(runs, table)
        holding = [run for run in runs if f"{table}.parquet" in run.files]
        written = [run for run in holding if run.run_id not in self._spooled]
        live = [self._spooled[run.run_id][table] for run in holding if run.run_id in self._spooled]
        parts = [ds.dataset(_as(columns, rows)) for rows in live]
        if written:
            parts.append(_files(table, columns, written))
        if not parts:
            return columns.empty_table()
        return parts[0] if len(parts) == 1 else ds.dataset(parts, schema=columns)

    def _named(self, text: str) -> str:
        if text in self._manifests:
            return text
        found = [run_id for run_id in self._manifests if text and run_id.startswith(text)]
        if len(found) == 1:
            return found[0]
        problem = f"names {len(found)} runs" if found else "is not there"
        raise ValueError(f"run {text!r} {problem} in store {self.root}; `python -m store ls` lists the ids")


def _is_running(run: Manifest) -> bool:
    return bool(run.run["status"] == "running")


def _age(run: Manifest) -> tuple[datetime, str]:
    return run.run["started_at"] or _START, run.run_id


def _latest(runs: Iterable[Manifest]) -> list[Manifest]:
    newest = {
        tuple(run.run[key] for key in ("experiment", "config_id", "seed", "replicate")): run for run in runs
    }
    return sorted(newest.values(), key=_age)


def _last(runs: list[Manifest], last: int) -> list[Manifest]:
    if last < 1:
        raise ValueError(f"--last {last} selects nothing; give 1 or more")
    return runs[-last:]


def _extra(runs: Iterable[Manifest]) -> list[str]:
    names = {name.removesuffix(".parquet") for run in runs for name in run.files if name.endswith(".parquet")}
    return sorted(names - set(schema.TABLES))


def _files(table: str, columns: pa.Schema, runs: Sequence[Manifest]) -> Source:
    """Return one row table over the files of ``runs``; ``run_id`` is each file's partition, not a column of it."""
    key = ds.field("run_id")
    # from_paths opens nothing: with an explicit schema no file is read before it is asked for.
    return ds.FileSystemDataset.from_paths(
        [str((run.directory / f"{table}.parquet").absolute()) for run in runs],
        schema=columns,
        format=ds.ParquetFileFormat(default_fragment_scan_options=CHECKED),
        filesystem=fs.LocalFileSystem(),
        partitions=[key == run.run_id for run in runs],
    )


def _as(columns: pa.Schema, rows: pa.Table) -> pa.Table:
    """Return ``rows`` in the table's columns; what they lack is NULL."""
    absent = pa.nulls(rows.num_rows)
    return pa.table(
        [(rows[c.name] if c.name in rows.column_names else absent).cast(c.type) for c in columns],
        schema=columns,
    )
