"""Rows of many runs as one Arrow dataset that is put together when it is read, of the files that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

KEY = ds.field("run_id")
CHECKED = ds.ParquetFragmentScanOptions(page_checksum_verification=True)
"""A flipped bit is an error and not another number; costs 20 ms on 24 million values."""


FEW = 16
"""Files that are opened sooner than what is merged is found: 0.2 ms each, and 3 ms with a thousand runs in it."""


class Merged(NamedTuple):
    """One file with the rows of many runs, ``run_id`` a column of it; of ``others`` it must give nothing."""

    path: str
    runs: frozenset[str]


class RunFiles(ds.Dataset):  # type: ignore[misc]  # pyarrow has no types
    """One row table; ``run_id`` is each run's partition, not a column of its file.

    DuckDB asks a registered dataset for ``schema`` and ``scanner``.  A thousand files are named in 5 ms and opened in
    50, so nothing is named before it is asked for, and only the runs in ``wanted`` then.

    Parameters
    ----------
    columns : pyarrow.Schema
        The table's columns, ``run_id`` among them.
    runs : mapping of str to collection of str
        Ids of the runs that have a file, and the columns that it was written with: one that has lost some is refused.
    place : (str, str)
        What stands before and behind the id in the path of a run's file.
    merged : callable
        Returns files that stand in for those of their runs; asked where many runs are wanted.
    rows : sequence of pyarrow.Table
        Rows in memory, in the table's columns.
    """

    def __init__(
        self,
        columns: pa.Schema,
        runs: Mapping[str, Collection[str]],
        place: tuple[str, str],
        *,
        merged: Callable[[], Sequence[Merged]] = tuple,
        rows: Sequence[pa.Table] = (),
    ) -> None:
        self._columns = columns
        self._runs = runs
        self._place = place
        self._merged = merged
        self._rows = rows
        self._found: ds.Dataset | None = None
        self._files: ds.Dataset | None = None
        self._only: ds.Expression | None = None
        self._sound: set[str] = set()
        self.wanted: Collection[str] | None = None

    @property
    def schema(self) -> pa.Schema:
        """Return the table's columns."""
        return self._columns

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> ds.Scanner:  # noqa: A002
        """Return a scan of the runs that are wanted and that a filter does not rule out."""
        if self._found is None:
            self._found, self._only = self._united()
        self._check(filter)
        if self._only is not None:
            filter = self._only if filter is None else self._only & filter  # noqa: A001
        return self._found.scanner(columns=columns, filter=filter, **options)

    def narrow(self, wanted: Collection[str]) -> None:
        """Give no rows of other runs from now on."""
        self.wanted = wanted
        self._found = None

    def _united(self) -> tuple[ds.Dataset, ds.Expression | None]:
        """Return the data, and what they must be filtered by: a merged file holds runs that nobody asked for too."""
        asked = frozenset(self._runs)
        if self.wanted is not None:
            asked = asked.intersection(self.wanted)
        parts, only, left = [ds.dataset(rows) for rows in self._rows], None, asked
        for merged in self._merged() if len(asked) > FEW else ():
            if held := asked & merged.runs:
                parts.append(_whole(merged.path, self._columns))
                left -= held
                if held != merged.runs:
                    live = {run_id for rows in self._rows for run_id in rows["run_id"].unique().to_pylist()}
                    only = KEY.isin(pa.array(sorted(asked | live), pa.string()))
        self._files = self._partitioned(sorted(left))
        if left or not parts:
            parts.append(self._files)
        return parts[0] if len(parts) == 1 else ds.UnionDataset(self._columns, parts), only

    def _partitioned(self, runs: Sequence[str]) -> ds.Dataset:
        # from_paths opens nothing: with an explicit schema no file is read before it is asked for.
        before, after = self._place
        return ds.FileSystemDataset.from_paths(
            [f"{before}{run_id}{after}" for run_id in runs],
            schema=self._columns,
            format=ds.ParquetFileFormat(default_fragment_scan_options=CHECKED),
            filesystem=fs.LocalFileSystem(),
            partitions=[ds.field("run_id") == run_id for run_id in runs],
        )

    def _check(self, filter: Any) -> None:  # noqa: A002
        """Refuse files that have lost a column, which would read as NULL.

        Each file is opened here instead of by the scan, which finds its footer read: nothing is done twice.
        """
        before, after = self._place
        for fragment in self._files.get_fragments(filter) if self._files is not None else ():
            path = fragment.path
            if path in self._sound:
                continue
            written = self._runs[path[len(before) : -len(after)]]
            if lost := sorted({*written}.difference(fragment.physical_schema.names)):
                raise OSError(f"{path} lacks column {', '.join(lost)}, which the manifest lists")
            self._sound.add(path)


def unsized(tables: Mapping[str, pa.Table | ds.Dataset]) -> dict[str, ds.Dataset]:
    """Return tables as datasets, of which DuckDB knows no number of rows and takes it for one.

    Of a Table it knows it, and so takes 1,000 ``runs`` for more than 12 million ``cycles`` and hashes the latter for
    every join.  Where both count as one, it hashes what has fewer rows by the conditions, or the narrower ones: of
    twelve joins of all runs most took 0.4 to 0.9 times as long, ``probe_memory join runs`` 1.2 times.
    """
    return {
        name: source if isinstance(source, ds.Dataset) else ds.dataset(source)
        for name, source in tables.items()
    }


class Refusing(ds.Dataset):  # type: ignore[misc]  # pyarrow has no types
    """A table that no statement can read; those that do not name it need not know."""

    def __init__(self, columns: pa.Schema, reason: str) -> None:
        self._columns = columns
        self._reason = reason

    @property
    def schema(self) -> pa.Schema:
        """Return the table's columns."""
        return self._columns

    def scanner(self, **_: Any) -> ds.Scanner:
        """Refuse."""
        raise ValueError(self._reason)


def _whole(path: str, columns: pa.Schema) -> ds.Dataset:
    return ds.FileSystemDataset.from_paths(
        [path],
        schema=columns,
        format=ds.ParquetFileFormat(default_fragment_scan_options=CHECKED),
        filesystem=fs.LocalFileSystem(),
    )
