from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

NIST = Path(__file__).parents[2] / "data" / "nist"
Reduce = Callable[..., dict[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def reduce() -> Iterator[Reduce]:
    """Run a kernel over pairs of each group: ``reduce(SQL, a=[(x, y), ...], b=...)[group]`` is a row."""
    with duckdb.connect() as connection:

        def run(sql: str, **groups: Sequence[tuple[float | None, float | None]]) -> dict[str, dict[str, Any]]:
            rows = [(name, *pair) for name, pairs in groups.items() for pair in pairs]
            columns = list(zip(*rows, strict=True)) or [(), (), ()]
            kinds = (pa.string(), pa.float64(), pa.float64())
            arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            table = pa.table(arrays, names=["grp", "x", "y"])
            result = connection.from_arrow(table).query("sample", sql).to_arrow_table()
            return {row["grp"]: row for row in result.to_pylist()}

        yield run


@pytest.fixture(scope="session")
def nist() -> Callable[[str], list[tuple[float, ...]]]:
    """Read the rows of numbers of a NIST reference data set (public domain)."""

    def read(name: str) -> list[tuple[float, ...]]:
        lines = (NIST / name).read_text().splitlines()
        rows = [row for line in lines if (row := numbers(line))]
        width = max(set(map(len, rows)), key=list(map(len, rows)).count)
        return [row for row in rows if len(row) == width]

    return read


def numbers(line: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in line.split())
    except ValueError:
        return ()
