"""DuckDB, locked: tables are registered Arrow data, and a statement can read them and nothing else.

DuckDB 2.0 accepts INSERT, UPDATE, DELETE and COPY inside a CTE of a statement classed SELECT.  No table here is
a base table, so nothing can be their target, and no file can be opened by a locked connection.  This is the only
module that touches DuckDB's relation API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from store.locked.bounded import Bound, sentence
from store.locked.bounded import Refused as Refused  # noqa: PLC0414 - readers of a store know it from here
from store.locked.refusing import remedied

Source: TypeAlias = pa.Table | ds.Dataset
Connection: TypeAlias = duckdb.DuckDBPyConnection

BATCH_ROWS = 65_536
LOCK = (
    "set python_enable_replacements=false",
    "set temp_directory=''",
    "set TimeZone='UTC'",
    "set enable_progress_bar=false",
    "set enable_external_access=false",
    "set lock_configuration=true",
)
MEMORY_LIMIT = "50%"
SAMPLES = "create temp view samples as\n" + files("store").joinpath("sql/samples.sql").read_text("utf-8")

# Arrow has no such values: DuckDB 2.0 hands over 2^128 - 1 as -1, and the others as bytes.
INEXACT = ("uhugeint", "bignum", "variant", "bit")
NESTED = ("struct", "list", "array", "map", "union")


def connect(
    tables: Mapping[str, Source], *, samples: bool = True, memory_limit: str = MEMORY_LIMIT
) -> Connection:
    """Open an in-memory connection that sees ``tables`` and can neither write nor reach a file.

    Parameters
    ----------
    tables : mapping
        Arrow data by the name that statements know them by.
    samples : bool, optional
        Whether to add the view of that name, which needs every core table.
    memory_limit : str, optional
        What all statements together may take, such as ``2GB`` or ``50%`` of the machine's memory.

    Returns
    -------
    Connection
        Made in 20 ms; to be closed by the caller.

    Raises
    ------
    Refused
        If ``memory_limit`` is no size.
    """
    try:
        connection = duckdb.connect(":memory:", config={"memory_limit": memory_limit})
    except duckdb.Error as error:
        raise Refused(f"memory limit {memory_limit!r}: {sentence(error)}") from error
    for name, source in tables.items():
        connection.register(name, source)
    for statement in (SAMPLES, *LOCK) if samples else LOCK:
        connection.execute(statement)
    return connection


def rows(
    connection: Connection, sql: str, params: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """Run one of our own statements and return its rows, as mappings of column to value.

    Raises
    ------
    Refused
        If DuckDB refuses it or cannot read what it is about; one sentence.
    """
    try:
        cursor = connection.execute(sql, dict(params) if params else None)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except duckdb.Error as error:
        raise Refused(sentence(error)) from error


def reduce(
    connection: Connection, kernel_sql: str, source_sql: str, params: Mapping[str, object] | None = None
) -> list[dict[str, Any]]:
    """Run ``kernel_sql`` over the relation ``sample``, which is what ``source_sql`` returns, and return its rows.

    Parameters
    ----------
    connection : Connection
        As ``connect`` returns it.
    kernel_sql, source_sql : str
        One SELECT each.
    params : mapping, optional
        Values of ``$name`` in ``source_sql``.

    Raises
    ------
    Refused
        If one of them returns no rows, DuckDB refuses it, or a file cannot be read; one sentence.
    """
    try:
        result = _relation(connection, source_sql, params).query("sample", kernel_sql)
        if result is None:
            raise Refused("the kernel returns no rows; give one SELECT over sample")
        return [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]
    except duckdb.Error as error:
        raise Refused(sentence(error)) from error


def reader(connection: Connection, sql: str, params: Mapping[str, object] | None) -> Any:
    """Return the rows of a statement as Arrow's reader of batches.

    Raises
    ------
    Refused
        If it returns no rows, or a column has no exact form in Arrow.
    """
    relation = _relation(connection, sql, params)
    for name, kind in zip(relation.columns, relation.types, strict=True):
        if _inexact(kind):
            raise Refused(
                f"column {name} is {kind}, which has no exact form here; cast it to HUGEINT or VARCHAR"
            )
    return relation.to_arrow_reader(BATCH_ROWS)


def _inexact(kind: Any) -> bool:
    parts = kind.children if kind.id in NESTED else ()  # an array's size is a child, too, and no type
    return kind.id in INEXACT or any(_inexact(part) for _, part in parts if not isinstance(part, int))


def matching(runs: pa.Table, predicates: Sequence[str], *, timeout_s: float | None = None) -> set[str]:
    """Return the ids of the rows of ``runs`` that satisfy every predicate.

    Parameters
    ----------
    runs : pyarrow.Table
        Table ``runs``.
    predicates : sequence of str
        Conditions in SQL over its columns.
    timeout_s : float, optional
        Limit of all of them together [s]; none by default.

    Raises
    ------
    Refused
        If one is empty or wrong; one sentence that shows it.
    TimeoutError
        At ``timeout_s``; a predicate that does not listen 2 s later ends the process with code 2.
    """
    for text in predicates:
        if not text.strip():
            raise Refused("where is empty; give a predicate over runs, such as \"experiment='c256'\"")
    connection = connect({"runs": runs}, samples=False)
    bound = Bound(connection, timeout_s)
    try:
        return bound.run(lambda: _filter(connection, predicates))
    finally:
        bound.close()
        connection.close()


def _filter(connection: Connection, predicates: Sequence[str]) -> set[str]:
    relation = connection.table("runs")
    for text in predicates:
        try:
            relation = relation.filter(text)
        except duckdb.Error as error:
            raise Refused(f"where {text!r}: {remedied(sentence(error))}") from error
    try:
        return {row[0] for row in relation.project("run_id").fetchall()}
    except duckdb.Error as error:
        raise Refused(f"where {' and '.join(predicates)!r}: {sentence(error)}") from error


def _relation(
    connection: Connection, sql: str, params: Mapping[str, object] | None
) -> duckdb.DuckDBPyRelation:
    relation = connection.sql(sql, params=dict(params) if params else None)
    if relation is None:
        raise Refused("the statement returns no rows; give one SELECT")
    return relation
