"""Rows leave in batches, as a table to look at or in a form that a program reads back exactly."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Protocol, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from tabulate import tabulate

from store.values import plain

FORMATS = ("table", "json", "csv", "parquet", "markdown")
SUFFIXES = {
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".md": "markdown",
    ".txt": "table",
    "": "table",
}

SHOWN_ROWS = 10_000
"""Rows of one table on screen; the next ones get a heading and widths of their own."""
SHOWN_LETTERS = 80
"""Longer cells are cut in a table; the other formats keep them whole."""

# Arrow's and DuckDB's infinity of dates and times.
_INFINITE = (2**63 - 1, -(2**63) + 1, 2**31 - 1, -(2**31) + 1)


class Batches(Protocol):
    """What ``Catalog.sql`` returns: record batches and the schema that they share."""

    schema: pa.Schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Return the batches."""


Data: TypeAlias = Batches | pa.Table | Sequence[Mapping[str, Any]]


def format_of(chosen: str | None, out: Path | None) -> str:
    """Return the format to write: the chosen one, else what the suffix of ``out`` says, else table.

    Raises
    ------
    ValueError
        If the suffix is none of a format and none was chosen.
    """
    suffix = out.suffix.lower() if out else ""
    if chosen is None and suffix not in SUFFIXES:
        known = ", ".join(filter(None, SUFFIXES))
        raise ValueError(
            f"--out {out}: {suffix} is no known form ({known}); rename it, or choose one with --format"
        )
    return chosen or SUFFIXES[suffix]


def write_rows(data: Data, *, format: str, out: Path | None = None) -> None:  # noqa: A002 - the option's name
    """Write rows to a file or to stdout.

    Parameters
    ----------
    data : batches with a schema, Arrow table, or sequence of mappings
        The rows.
    format : str
        ``table``; ``json``, one array of objects (NULL, NaN and infinities are null, times ISO 8601, integers
        exact, decimals that no double holds texts); ``csv`` with a header; ``parquet``; ``markdown``.
    out : Path, optional
        The file; stdout by default.

    Raises
    ------
    ValueError
        If two columns share a name where rows are objects, a value has no form there, or a terminal gets bytes.
    """
    if format == "parquet" and out is None and sys.stdout is not None and sys.stdout.isatty():
        raise ValueError("parquet is no text for a terminal; name a file with --out, or write it to a pipe")
    if isinstance(data, Sequence):
        data = pa.Table.from_pylist([dict(row) for row in data])
    if format in ("json", "parquet"):
        _refuse_duplicates(data.schema.names)
    batches = data.to_batches() if isinstance(data, pa.Table) else iter(data)
    with opened(out) as stream:
        if format == "parquet":
            _write_parquet(data.schema, batches, stream)
        else:
            text = io.TextIOWrapper(stream, "utf-8", newline="", write_through=False)
            try:
                _WRITERS[format](data.schema, batches, text)
            finally:
                text.flush()
                text.detach()


@contextmanager
def opened(out: Path | None) -> Iterator[IO[bytes]]:
    """Open ``out`` for writing, or stdout, which stays open.

    A file is there as a whole or, where something goes wrong, as it was before.
    """
    if out is not None:
        with _whole(out) as file:
            yield file
    elif hasattr(sys.stdout, "buffer"):
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:  # closed, or replaced by a text stream
        buffer = io.BytesIO()
        yield buffer
        if sys.stdout is not None:
            sys.stdout.write(buffer.getvalue().decode())


@contextmanager
def _whole(out: Path) -> Iterator[IO[bytes]]:
    # /dev/stdout is a link to whatever file that is: writing through it is what is meant.
    through = out.is_symlink() or (out.exists() and not out.is_file())
    new = out if through else out.with_name(f".{out.name[:200]}.{os.getpid()}.tmp")
    try:
        with new.open("wb") as file:
            yield file
        if not through:
            new.replace(out)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(new)):
            raise
        # The path that was asked for, not ours; a full disk names none.
        raise type(error)(error.errno, error.strerror, str(out)) from error
    finally:
        with suppress(
            OSError
        ):  # a file system that can only be read refuses to remove what is not there, too
            if not through:
                new.unlink(missing_ok=True)


def _refuse_duplicates(names: Sequence[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"column name {twice[0]!r} occurs twice; rename one with `as`")


def _cells(batch: pa.RecordBatch, convert: Callable[[Any], Any]) -> list[tuple[Any, ...]]:
    columns = [[convert(value) for value in _values(column)] for column in batch.columns]
    return list(zip(*columns, strict=True))


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_map(column.type):
        return [
            None if entries is None else dict(_key(entry) for entry in entries)
            for entries in column.to_pylist()
        ]
    try:
        values: list[Any] = column.to_pylist()
    except OverflowError:
        values = [_far(scalar) for scalar in column]
    return values


def _key(entry: tuple[Any, Any]) -> tuple[str, Any]:
    key, value = entry
    return key if isinstance(key, str) else json.dumps(plain(key)), value


def _far(scalar: pa.Scalar) -> Any:
    """Return a date or time; infinities are null, and what lies beyond the year 9999 has no form."""
    try:
        return scalar.as_py()
    except OverflowError:
        number = getattr(scalar, "value", None)
        if number in _INFINITE:
            return None
        raise ValueError(f"a {scalar.type} lies outside the years 1 to 9999; cast it to VARCHAR") from None


def _write_json(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[str]) -> None:
    separator = "[\n"
    for batch in batches:
        for row in _cells(batch, plain):
            out.write(separator + json.dumps(dict(zip(schema.names, row, strict=True)), ensure_ascii=False))
            separator = ",\n"
    out.write("[]\n" if separator == "[\n" else "\n]\n")


def _write_csv(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[str]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(schema.names)
    for batch in batches:
        writer.writerows(_cells(batch, _csv_cell))


def _csv_cell(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    value = plain(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def _write_parquet(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[bytes]) -> None:
    try:
        with pq.ParquetWriter(out, schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
    except pa.ArrowNotImplementedError as error:
        raise ValueError(f"{error}; cast that column to VARCHAR") from error


def _write_table(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[str]) -> None:
    _write_shown(schema, batches, out, "simple", _shown)


def _write_markdown(schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[str]) -> None:
    _write_shown(schema, batches, out, "pipe", lambda value: _text(value).replace("|", "\\|"))


def _write_shown(
    schema: pa.Schema, batches: Iterable[pa.RecordBatch], out: IO[str], style: str, show: Callable[[Any], str]
) -> None:
    align = ["right" if _is_number(field.type) else "left" for field in schema]
    waiting: list[tuple[Any, ...]] = []
    shown = False
    for batch in batches:
        for start in range(0, batch.num_rows, SHOWN_ROWS):
            waiting += _cells(batch.slice(start, SHOWN_ROWS), show)
            if len(waiting) >= SHOWN_ROWS:
                _show(schema.names, waiting, out, style, align, again=shown)
                waiting, shown = [], True
    if waiting or not shown:
        _show(schema.names, waiting, out, style, align, again=shown)


def _show(
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    out: IO[str],
    style: str,
    align: Sequence[str],
    *,
    again: bool,
) -> None:
    # tabulate takes no alignment for columns without rows.
    aligned = align if rows else None
    text = tabulate(rows, headers=list(names), tablefmt=style, disable_numparse=True, colalign=aligned)
    out.write(("\n" if again else "") + text + "\n")


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _shown(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= SHOWN_LETTERS else text[: SHOWN_LETTERS - 1] + "…"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    cell = _csv_cell(value)
    return "" if cell is None else " ".join(str(cell).split())


_WRITERS: Mapping[str, Callable[[pa.Schema, Iterable[pa.RecordBatch], IO[str]], None]] = {
    "table": _write_table,
    "json": _write_json,
    "csv": _write_csv,
    "markdown": _write_markdown,
}
