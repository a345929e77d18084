"""Cycles in a table of one's own, CSV or Parquet, one row a cycle."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from store.raw import column_map, cycles, tables
from store.raw.cells import population
from store.raw.column_map import CORE, Source
from store.raw.fields import INT64, Field, NotImportable
from store.raw.recording import Recording, note
from store.raw.tables import Cells, Table

SIGNED: Final = ("t_ns", "offcpu_ns")
_KEYS: Final = ("cycle", "process")
_NULL: Final = ("", "NULL", "null", "NA", "nan", "NaN")
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_INFINITE: Final = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")
_PLAIN_WHOLE: Final = re.compile(r"[0-9]{1,18}").fullmatch
_PLAIN_REAL: Final = re.compile(r"[0-9]{1,15}\.[0-9]{1,15}").fullmatch


def read(name: str, data: bytes, words: Sequence[str], notes: list[str]) -> Recording:
    """Return the run that a table of cycles holds, one row a cycle in the order of the file.

    Columns that bear our names need no map; others that are not mapped are left out, with a note.

    Raises
    ------
    ValueError
        If a word of the map is none; NotImportable if the file is no table, lacks a mapped column or a wall
        time, or a cell is no number.
    """
    table = tables.read(name, data)
    given = column_map.mapping(words, table.names)
    sources = {column: Source(column, 1) for column in CORE if column in table.names} | given
    _check(table, sources)
    for doubt in column_map.doubts([*given]):
        note(notes, doubt)
    # net_ns is worked out anew from wall_ns and probe_ns: --map refuses it, and nothing is lost with it.
    taken = {"net_ns", *(source.name for source in sources.values())}
    left = [each for each in table.names if each not in taken]
    if left:
        note(notes, f"columns left out: {tables.shown(left)}; name them with --map to keep them")
    found = {column: _values(column, source, table.cells(source.name)) for column, source in sources.items()}
    _refuse_twice(table, found)
    return _recording(found)


def _check(table: Table, sources: Mapping[str, Source]) -> None:
    for column, source in sources.items():
        where = f"{table.file}: column {source.name!r}, mapped to {column}, is"
        if source.name not in table.names:
            raise NotImportable(f"{where} not among {tables.shown(table.names)}; correct --map")
        if table.names.count(source.name) > 1:
            raise NotImportable(
                f"{where} twice among {tables.shown(table.names)}; rename one of them in the file"
            )
    if "wall_ns" not in sources:
        raise NotImportable(
            f"{table.file}: no column is the cycle's wall time among {tables.shown(table.names)}; name it with "
            "--map wall_ns=COLUMN:ms, or another unit"
        )


def _values(column: str, source: Source, cells: Cells) -> Sequence[Any]:
    if column == "condition":
        return [_condition_name(field) for field in cells.fields()]
    quick = _quick(column, source.factor, cells.values)
    if quick is not None:
        return quick
    numbers = [Field(cell.file, cell.path, _number(cell)) for cell in cells.fields()]
    if column in _KEYS and any(number.value is None for number in numbers):
        empty = next(at for at, number in enumerate(numbers) if number.value is None)
        raise cells.field(empty).refusal("a whole number of at least 0")
    if column not in CORE and source.factor == 1:
        return cycles.observed(column, numbers)
    least = 0 if column in CORE and column not in SIGNED else None
    if source.factor > 1:
        return [number.scaled(source.factor, at_least=least) for number in numbers]
    _refuse_fractions(column, source, numbers)
    return [number.whole(at_least=least) for number in numbers]


def _quick(column: str, factor: int, values: Sequence[Any]) -> Sequence[Any] | None:
    """Return cells that are all plain numbers, where that is what the long way makes of them, at a tenth of its time.

    None else, and for words with a sign, an exponent or spaces around them.
    """
    if factor > 1 or column in cycles.FLOATS:
        return None
    if all(type(value) is int and 0 <= value < INT64 for value in values):
        return values
    if not all(type(value) is str for value in values):
        return None
    if all(map(_PLAIN_WHOLE, values)):
        return list(map(int, values))
    if column not in CORE and column not in cycles.INTEGERS and all(map(_PLAIN_REAL, values)):
        return list(map(float, values))
    return None


def _refuse_fractions(column: str, source: Source, numbers: Sequence[Field]) -> None:
    """Refuse what is in a larger unit, as it looks: nobody's clock gives 2.1344 ns."""
    unit = column_map.example_unit(column)
    for number in numbers if unit else ():
        if isinstance(number.value, Decimal) and number.value != number.value.to_integral_value():
            remedy = f"give its unit, as in --map {column}={source.name}:{unit}, or correct the file"
            raise number.refusal("a whole number", remedy)


def _condition_name(cell: Field) -> str:
    name = cell.value.strip() if isinstance(cell.value, str) else None
    if not name:
        raise cell.refusal("a name")
    return name


def _number(cell: Field) -> int | Decimal | None:
    value = cell.value
    if isinstance(value, str):
        return _of_word(cell, value.strip())
    if value is None or type(value) is int:
        return value
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            return None
        if math.isfinite(value):
            return Decimal(repr(value)) if isinstance(value, float) else value
        raise cell.refusal("a finite number")
    raise cell.refusal("a number")


def _of_word(cell: Field, word: str) -> int | Decimal | None:
    """Return what a word says; Python's own reading takes 1_000 and the digits of every script, too."""
    if word in _NULL:
        return None
    if not _NUMBER.fullmatch(word):
        expected = "a number with a point before its decimals" if "," in word else "a number"
        raise cell.refusal("a finite number" if _INFINITE.fullmatch(word) else expected)
    if _WHOLE.fullmatch(word):
        return int(word)
    try:
        number = Decimal(word)
    except InvalidOperation as error:
        raise cell.refusal("a number within 64 bits") from error
    if not math.isfinite(float(number)):
        raise cell.refusal("a finite number")
    return number


def _refuse_twice(table: Table, columns: Mapping[str, Sequence[Any]]) -> None:
    """Refuse two rows for one cycle of one process: every mean over cycles would count them both."""
    if "cycle" not in columns:
        return
    numbers = columns["cycle"]
    seen: dict[tuple[Any, Any], int] = {}
    keys = zip(columns.get("process", [0] * len(numbers)), numbers, strict=True)
    for line, key in zip(table.lines, keys, strict=True):
        first = seen.setdefault(key, line)
        if first != line:
            raise NotImportable(
                f"{table.file}: {table.place}s {first} and {line} are both cycle {key[1]} of process {key[0]}, "
                "expected one row a cycle; number them over all conditions, or leave the column out"
            )


def _recording(columns: dict[str, Sequence[Any]]) -> Recording:
    n = len(columns["wall_ns"])
    probe = columns.get("probe_ns", [None] * n)
    net = [None if w is None else w - (p or 0) for w, p in zip(columns["wall_ns"], probe, strict=True)]
    defaults: dict[str, Callable[[], Sequence[Any]]] = {
        "condition": lambda: ["all"] * n,
        "cycle": lambda: range(n),
        "process": lambda: [0] * n,
    }
    filled = {name: columns.get(name) or make() for name, make in defaults.items()} | columns
    table = cycles.plain(filled | {"net_ns": net})
    rows: dict[str, list[int]] = {}
    for at, name in enumerate(filled["condition"]):
        rows.setdefault(name, []).append(at)
    conditions = [_condition(filled, name, place, at) for place, (name, at) in enumerate(rows.items())]
    return Recording(run={"n_cycles": n}, conditions=conditions, tables={"cycles": table}, config={})


def _condition(
    columns: Mapping[str, Sequence[Any]], name: str, position: int, at: Sequence[int]
) -> dict[str, Any]:
    wall_ns = [columns["wall_ns"][i] for i in at]
    return {
        "condition": name,
        "position": position,
        "mechanisms": {},
        "condition_cycles": len(at),
        "condition_wall_s": None if None in wall_ns else sum(wall_ns) / 1e9,
        **population([columns["population"][i] for i in at] if "population" in columns else []),
    }
