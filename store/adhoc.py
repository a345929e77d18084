"""The rows of somebody's statement, in batches: checked, kept to the runs that it can be about, and within its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Self, TypeAlias

import duckdb
import pyarrow as pa

from store import query
from store.locked import pruning
from store.locked.bounded import Bound, Refused
from store.locked.lazy import RunFiles
from store.locked.refusing import check
from store.query import Connection, Source

Params: TypeAlias = Mapping[str, object] | Sequence[object]
"""Values of ``$name``, or of each ``?`` in turn."""


class Rows(Iterator[pa.RecordBatch]):
    """The rows of one ad hoc statement, in batches, until ``timeout_s`` after it was made.

    Owns its connection and closes it at the last row and after any error.  ``explained`` says of a refusal what the
    owner of the tables knows.  ``tables`` are what the connection sees: those that can give some runs alone are
    narrowed to the runs that the statement can be about.  The rows are taken once: nothing keeps them.

    Raises
    ------
    Exception
        What ``explained`` makes of a refusal, of the statement when it is made or of the rows as they are read.
    TimeoutError
        At ``timeout_s``; a statement that does not listen 2 s later ends the process with code 2.
    """

    schema: pa.Schema

    def __init__(
        self,
        connection: Connection,
        sql: str,
        params: Params | None,
        *,
        timeout_s: float | None,
        explained: Callable[[Refused], Exception],
        tables: Mapping[str, Source] | None = None,
    ) -> None:
        self._connection = connection
        self._bound = Bound(connection, timeout_s)
        self._explained = explained
        self._reader: Any = None
        with self._closing():
            values = _values(connection, params or {})
            check(connection, sql, values)
            self._bound.run(lambda: _narrow(connection, sql, values, tables or {}))
            self._reader = self._bound.run(lambda: query.reader(connection, sql, values))
            self.schema = self._reader.schema

    def __iter__(self) -> Self:
        if self._reader is None:  # an empty table would pass for the answer
            raise ValueError("the rows of this answer were taken already; ask again")
        return self

    def __next__(self) -> pa.RecordBatch:
        batch = None
        if self._reader is not None:
            with self._closing():
                batch = self._bound.run(lambda: next(self._reader, None))
        if batch is None:
            self.close()
            raise StopIteration
        return batch

    @contextmanager
    def _closing(self) -> Iterator[None]:
        """Close the connection after any error, and explain a refusal."""
        try:
            yield
        except Refused as error:
            self.close()
            raise self._explained(error) from error
        except BaseException:
            self.close()
            raise

    def arrow(self) -> pa.Table:
        """Return the rows that are left as an Arrow table."""
        return pa.Table.from_batches(list(self), self.schema)

    def pandas(self) -> Any:
        """Return the rows that are left as a pandas DataFrame; NULL among integers makes them floats.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed.
        """
        _wanted("pandas")
        return self.arrow().to_pandas()

    def polars(self) -> Any:
        """Return the rows that are left as a polars DataFrame.

        Raises
        ------
        ModuleNotFoundError
            If polars is not installed.
        """
        return _wanted("polars").from_arrow(self.arrow())

    def close(self) -> None:
        """End the statement and close its connection."""
        self._reader = None
        self._bound.close()
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _wanted(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{name} is not installed; `pip install {name}`, or take .arrow()"
        ) from error


def _values(connection: Connection, params: Params) -> dict[str, object]:
    """Return the values of parameters by their names, or places, as DuckDB takes them."""
    if isinstance(params, str | bytes):
        raise Refused("params is one text; give a mapping of names to values, or a list of values for each ?")
    named = params if isinstance(params, Mapping) else dict(enumerate(params, 1))
    found: dict[str, object] = {}
    for name, value in named.items():
        try:
            found[str(name)] = _own(value)
            connection.execute("select ?", [found[str(name)]])
        except (duckdb.Error, RecursionError) as error:
            raise Refused(
                f"parameter {name} ({type(value).__name__}) has no form in SQL; give a number of at most 128 "
                "bits, a text in UTF-8, a time, or a list of those"
            ) from error
    return found


def _own(value: Any) -> Any:
    """Return a number of numpy's as one of Python's, which is all that DuckDB takes; anything else as it is."""
    if isinstance(value, list):
        return [_own(item) for item in value]
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return value.item() if kind in ("b", "i", "u", "f") and value.ndim == 0 else value


def _narrow(
    connection: Connection, sql: str, params: Mapping[str, object], tables: Mapping[str, Source]
) -> None:
    """Spare the statement the runs that it cannot be about; where that is not known it reads all."""

    def ask(text: str, values: Mapping[str, object]) -> list[Any]:
        return [row[0] for row in connection.execute(text, dict(values)).fetchall()]

    files = {name: source for name, source in tables.items() if isinstance(source, RunFiles)}
    connection.begin()  # until the last row: now() must be the same in both readings
    try:
        columns = {name: source.schema.names for name, source in files.items()}
        found = pruning.wanted(ask, sql, params, columns) if files else {}
    except (
        duckdb.Error,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ):  # its own error is the one to show
        connection.rollback()
        return
    for name, ids in found.items():
        files[name].narrow(ids)
