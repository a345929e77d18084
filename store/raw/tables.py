"""A table of one's own as columns of cells, each of which knows its place: CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from store.raw import text
from store.raw.fields import Field, NotImportable

_MAGIC: Final = b"PAR1"
_DELIMITERS: Final = ",;\t"
_NAMED: Final = 20
"""Columns of a table that a message names."""


class Cells(NamedTuple):
    """One column; ``place`` is what its rows are called, ``lines`` their numbers.

    A cell becomes a ``Field`` only where one is needed: a million of them take seconds.
    """

    file: str
    name: str
    place: str
    lines: Sequence[int]
    values: Sequence[Any]

    def field(self, at: int) -> Field:
        """Return one cell."""
        return Field(self.file, f"{self.place} {self.lines[at]}: {self.name}", self.values[at])

    def fields(self) -> Iterator[Field]:
        """Yield the cells."""
        return map(self.field, range(len(self.values)))


class Table(NamedTuple):
    """The columns of a table, in its order: texts of a CSV, whatever Arrow holds of a Parquet file."""

    file: str
    names: Sequence[str]
    place: str
    lines: Sequence[int]
    columns: Sequence[Sequence[str] | pa.ChunkedArray]

    def cells(self, name: str) -> Cells:
        """Return a column by its name."""
        found = self.columns[self.names.index(name)]
        values = self._plain(name, found) if isinstance(found, pa.ChunkedArray) else found
        return Cells(self.file, shown([name]), self.place, self.lines, values)

    def _plain(self, name: str, column: pa.ChunkedArray) -> list[Any]:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        if not any(is_kind(kind) for is_kind in _KINDS):
            raise NotImportable(
                f"{self.file}: column {shown([name])} is {kind}, expected numbers or names; convert it first"
            )
        return list(column.to_pylist())


_KINDS: Final = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_null,
)


def is_parquet(name: str, data: bytes) -> bool:
    """Tell whether a file is one of Parquet, or is called so."""
    return name.lower().endswith(".parquet") or (data.startswith(_MAGIC) and data.endswith(_MAGIC))


def read(name: str, data: bytes) -> Table:
    """Return the table that a file holds.

    Raises
    ------
    NotImportable
        If it is JSON, is damaged, has no rows, or a line has too many or too few cells.
    """
    if name.lower().endswith((".json", ".json.gz")):
        raise NotImportable(f"{name} is no table, and --map is for tables in CSV or Parquet; leave --map out")
    table = _parquet(name, data) if is_parquet(name, data) else _csv(name, data)
    if not table.lines:
        raise NotImportable(f"{name} has no rows, expected a header and one row a cycle; correct the file")
    return table


def shown(names: Sequence[str]) -> str:
    """Return names of columns in one line, of very many the first."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(" ".join(name.split()) for name in names[:_NAMED]) + more


def _parquet(name: str, data: bytes) -> Table:
    try:
        table = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise NotImportable(f"{name} is no whole Parquet file ({reason}); fetch it again") from error
    return Table(name, table.column_names, "row", range(1, table.num_rows + 1), table.columns)


def _csv(name: str, data: bytes) -> Table:
    unpacked = text.unpacked_text(name, data)
    lines: list[int] = []
    try:
        reader = csv.reader(io.StringIO(unpacked, newline=""), delimiter=_delimiter(unpacked), strict=True)
        header = [cell.strip() for cell in next(reader, [])]
        # Of a million rows kept as lists the garbage collector makes 7 s.
        columns: list[list[str]] = [[] for _ in header]
        for row in filter(None, reader):
            if len(row) != len(header):
                raise NotImportable(
                    f"{name}: line {reader.line_num} has {len(row)} cells under {len(header)} columns; mend it"
                )
            lines.append(reader.line_num)
            for column, cell in zip(columns, row, strict=True):
                column.append(cell)
    except csv.Error as error:
        raise NotImportable(f"{name} is not valid CSV ({error}); correct the file") from error
    return Table(name, header, "line", lines, columns)


def _delimiter(unpacked: str) -> str:
    """Return what parts the columns' names; ``csv.Sniffer`` guesses by letters, too, and is wrong on one column."""
    line = unpacked.partition("\n")[0]
    return max(_DELIMITERS, key=lambda mark: len(next(csv.reader([line], delimiter=mark), [])))
