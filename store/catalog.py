"""A store, opened for reading: choose runs, ask them, and nothing on disk changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property, partial
from os import PathLike
from pathlib import Path
from typing import Any, Self, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from probes import durable
from store import choosing, manifest, publishing, query, relations, schema
from store.adhoc import Params, Rows
from store.cache import compacting, digests, index, keeping
from store.cache.digests import Sums
from store.cache.index import Fleet
from store.choosing import Texts, several
from store.connections import Connections
from store.live import snapshot
from store.locked import bounded
from store.locked.lazy import unsized
from store.manifest import Manifest
from store.query import Connection, Refused, Source
from store.reduced import digest
from store.upkeep import damage

T = TypeVar("T")

WORTH_KEEPING = 100
"""So many runs that no cache holds take 12 ms to read: then a reader too brings it up to date."""


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
    OSError
        If its path is no UTF-8 text.
    ValueError
        If ``timeout_s`` is no number above 0.
    """
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(
            f"store {root} is not a directory; name another with --store, or run an experiment"
        )
    durable.named(root)
    limit_s = bounded.checked(timeout_s)
    running = manifest.running_runs(root)  # first: a run published meanwhile is then seen twice, never missed
    fleet = index.survey(root)
    if len(fleet.fresh) > WORTH_KEEPING:
        with suppress(OSError, ValueError):  # a cache: a store that cannot be written is read all the same
            keeping.keep(root, fleet, wait=False)
    return Catalog(root, fleet, running, live=live, timeout_s=limit_s)


class Catalog:
    """Runs of a store and their tables; made by ``open_catalog``.

    Whatever is asked of runs by their ids raises ValueError where one is unknown.
    """

    def __init__(
        self,
        root: Path,
        fleet: Fleet,
        running: Iterable[Manifest] = (),
        *,
        live: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        self.root = root
        self._fleet = fleet
        self._running: dict[str, Manifest] = {}
        self._spooled: dict[str, Mapping[str, pa.Table]] = {}
        for run in running:
            if f"run_id={run.run_id}" not in fleet.found:
                self._add_running(run, live)
        self._live = live
        self._timeout_s = timeout_s
        self._summed: tuple[tuple[str, ...], Mapping[str, Sums] | None] | None = None
        # No method: DuckDB keeps what it is given from the collector, so a cycle through it would never end.
        self._compacted = cache(partial(compacting.read, fleet))
        self._connections = Connections()

    def _add_running(self, run: Manifest, live: bool) -> None:
        rows: Mapping[str, pa.Table] = {}
        if live:
            run, rows = snapshot(run)
        self._running[run.run_id] = run
        if rows:
            self._spooled[run.run_id] = rows

    @property
    def problems(self) -> tuple[str, ...]:
        """Return one sentence for each run that cannot be used."""
        return tuple(self._fleet.problems)

    @cached_property
    def _table(self) -> pa.Table:
        """Return every run as a row of ``index.COLUMNS``, oldest first."""
        if not self._running:
            return self._fleet.table
        return index.ordered(pa.concat_tables([self._fleet.table, index.rows(list(self._running.values()))]))

    def select(
        self,
        where: Texts = (),
        runs: Texts = (),
        tags: Texts = (),
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
        runs : str or sequence of str
            Ids, or beginnings of ids that name one run each.
        tags : str or sequence of str
            Tags that a run must have, all of them; ``phase`` also means ``phase=2``.
        latest : bool
            Only the newest of each (experiment, config_id, seed, replicate).
        last : int, optional
            Only so many of the newest, after everything else.
        running : bool, optional
            Count running runs in; as the catalog was opened by default.

        Raises
        ------
        ValueError
            If a predicate or tag is empty, a predicate wrong, or a run is unknown or ambiguous.
        """
        live = self._live if running is None else running
        found = self._table
        if not live and self._running:
            found = found.filter(pc.field("status") != "running")
        if ids := several(runs):
            found = choosing.only(found, {self._named(text) for text in ids})
        if predicates := several(where):
            table = found.select(schema.arrow("runs").names)
            found = choosing.only(found, query.matching(table, predicates, timeout_s=self._timeout_s))
        found = choosing.narrowed(found, several(tags), latest=latest, last=last)
        chosen: list[str] = found["run_id"].to_pylist()
        return chosen

    def runs(self, ids: Texts | None = None) -> pa.Table:
        """Return table ``runs``, oldest first, running ones included; of ``ids`` only, if given."""
        return self._chosen(ids).select(schema.arrow("runs").names)

    def cycles(self, run_id: str) -> pa.Table:
        """Return the cycles of one run, in their order, observables included.

        Raises
        ------
        ValueError
            If the run is unknown, or its file is damaged.
        """
        return self.sql("from cycles order by cycle, process", runs=[run_id], timeout_s=None).arrow()

    def query(
        self, sql: str, params: Mapping[str, object] | None = None, *, runs: Texts | None = None
    ) -> list[dict[str, Any]]:
        """Run one of our own static statements over the tables of ``runs`` (all by default).

        NULL is None and NaN stays NaN.

        Raises
        ------
        ValueError
            If a column has two types among these runs, or a file of one is damaged; one sentence that names it.
        """
        return self._asked(runs, lambda connected: query.rows(connected, sql, params))

    def reduce(
        self,
        kernel_sql: str,
        source_sql: str,
        params: Mapping[str, object] | None = None,
        *,
        runs: Texts | None = None,
    ) -> list[dict[str, Any]]:
        """Run ``kernel_sql`` over relation ``sample``, which is what ``source_sql`` returns.

        Raises
        ------
        ValueError
            As ``query`` does.
        """
        return self._asked(runs, lambda connected: query.reduce(connected, kernel_sql, source_sql, params))

    def sql(
        self,
        sql: str,
        params: Params | None = None,
        *,
        runs: Texts | None = None,
        timeout_s: float | None = 60.0,
        memory_limit: str | None = None,
    ) -> Rows:
        """Run somebody's statement on a locked connection of its own.

        Parameters
        ----------
        sql : str
            Exactly one statement of type SELECT (DESCRIBE, SHOW and SUMMARIZE are).
        params : mapping or sequence, optional
            Values of ``$name``, or of each ``?`` in turn.
        runs : str or sequence of str, optional
            Runs whose rows the tables hold; all by default.
        timeout_s : float or None
            Limit of the time until the last row; a statement that does not listen 2 s later ends the process
            with code 2.
        memory_limit : str, optional
            Memory that the statement may take, such as ``2GB``, the answer's own rows apart; half of the machine's
            by default.

        Returns
        -------
        Rows
            Iterator of Arrow record batches with a ``schema``, taken once.

        Raises
        ------
        ValueError
            If the statement, a parameter or the limit is refused, or the statement fails; one sentence.
        TimeoutError
            If it takes too long.
        """
        limit_s = bounded.checked(timeout_s)
        tables = self.tables(runs)
        return Rows(
            query.connect(unsized(tables), memory_limit=memory_limit or query.MEMORY_LIMIT),
            sql,
            params,
            tables=tables,
            timeout_s=limit_s,
            explained=lambda error: self._explained(error, runs),
        )

    def tables(self, runs: Texts | None = None) -> dict[str, Source]:
        """Return every table but ``samples`` over the chosen runs, as Arrow data.

        Raises
        ------
        ValueError
            If a column has two types among these runs.
        """
        return relations.tables(self.root, self._chosen(runs), self._spooled, self._compacted)

    def columns(self, runs: Texts | None = None) -> dict[str, pa.Schema]:
        """Return every table's columns over the chosen runs, observables included.

        Raises
        ------
        ValueError
            If a column has two types among these runs.
        """
        return relations.columns(self._chosen(runs))

    def observers(self, runs: Texts) -> dict[str, Mapping[str, Any]]:
        """Return what recording cost the chosen runs, entry by entry, as their ``run.json`` says it."""
        return {run.run_id: run.observer for run in self._manifests(runs)}

    def digest(
        self,
        ids: Texts | None = None,
        *,
        part: str | Collection[str] | None = None,
        signal: str | None = None,
    ) -> pa.Table:
        """Return the digests of runs, all by default: what is asked of whole fleets, in milliseconds.

        Parameters
        ----------
        ids : str or sequence of str, optional
            Runs.
        part : str or collection of str, optional
            Some of the parts only, such as ``batch`` or ``line``; see ``store.reduced.digest``.
        signal : str, optional
            One signal only, such as ``net_ns`` (cycle time).

        Returns
        -------
        pyarrow.Table
            ``digests.COLUMNS``, in no order.

        Raises
        ------
        ValueError
            If a run is unknown, or a part, or a signal to the whole store.
        """
        chosen = self._chosen(ids)["run_id"].to_pylist()
        published = [run_id for run_id in chosen if run_id not in self._running]
        found = [digests.collect(self.root, self._fleet.found, published, part=part, signal=signal)]
        for run_id in chosen:
            if run_id in self._spooled:
                rows = digests.with_run(run_id, digest.of(self._spooled[run_id]))
                found.append(digests.only(rows, part, signal))
        rows = pa.concat_tables(found)
        if signal is not None and not rows.num_rows:
            digests.check_signal(signal, {*self.digest()["signal"].to_pylist()})
        return rows

    def sums(self, ids: Sequence[str]) -> Mapping[str, Sums] | None:
        """Return what judgements need of each run's digest; None where one of the runs has none.

        Then the rows are to be read: they say what is wrong.
        """
        key = tuple(ids)
        if self._summed is None or self._summed[0] != key:
            found = digests.sums(self.digest(ids, part=tuple(digests.SUMS)))
            self._summed = key, found if found.keys() >= set(ids) else None
        return self._summed[1]

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(self, runs: Texts | None, work: Callable[[Connection], T]) -> T:
        ids = None if runs is None else several(runs)
        try:
            return work(self._connections.to(ids, self.tables))
        except Refused as error:
            raise self._explained(error, ids) from error

    def _explained(self, error: Refused, runs: Texts | None) -> Exception:
        return damage.explained(error, self.root, self._manifests(runs))

    def _chosen(self, ids: Texts | None) -> pa.Table:
        if ids is None:
            return self._table
        return choosing.only(self._table, {self._named(run_id) for run_id in several(ids)})

    def _manifests(self, ids: Texts | None) -> Iterator[Manifest]:
        """Yield the chosen runs as they are on disk; one that cannot be read by now is left out."""
        for run_id in self._chosen(ids)["run_id"].to_pylist():
            with suppress(ValueError):
                yield self._running.get(run_id) or manifest.load(publishing.run_directory(self.root, run_id))

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self._table["run_id"].to_pylist())

    def _named(self, text: str) -> str:
        return choosing.named(text, self._ids, self.root, self.problems)
