"""Cycles in a table of one's own, CSV: which of its columns is which of ours, and in which unit."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from store import schema
from store.raw import cycles, text
from store.raw.cells import population
from store.raw.fields import Field, NotImportable
from store.raw.recording import Recording, note

NS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9}
BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
CORE = [c.name for c in schema.CYCLES.columns if c.name not in ("run_id", "net_ns")]
SIGNED = ("t_ns", "offcpu_ns")


class Source(NamedTuple):
    """Where a column of ours comes from: a column of the file, and how many of our units one of its is."""

    name: str
    factor: int


def mapping(words: Sequence[str]) -> dict[str, Source]:
    """Return the meaning of ``--map column=name[:unit]``.

    Raises
    ------
    ValueError
        If a word is no such pair, its column cannot be given, or its unit does not fit the column.
    """
    found: dict[str, Source] = {}
    for word in words:
        column, sign, rest = word.partition("=")
        name, colon, unit = rest.rpartition(":") if ":" in rest else (rest, "", "")
        if not sign or not name or not column.isidentifier() or column in ("run_id", "net_ns"):
            raise ValueError(
                f"--map {word!r} is no map; write --map column=name or column=name:unit, where column is one of "
                f"{', '.join(CORE)} or an observable's own name"
            )
        if column in found:
            raise ValueError(f"--map names {column} twice; name it once")
        found[column] = Source(name, _factor(word, column, unit) if colon else 1)
    return found


def read(name: str, data: bytes, columns: Mapping[str, Source], notes: list[str]) -> Recording:
    """Return the run that a table of cycles holds, one row a cycle in the order of the file.

    Columns that bear our names need no map; others that are not mapped are left out, with a note.

    Raises
    ------
    NotImportable
        If the file is no table, lacks a mapped column or a wall time, or a cell is no number.
    """
    header, rows = _table(name, data)
    sources = {column: Source(column, 1) for column in CORE if column in header} | dict(columns)
    _check(name, header, sources)
    # net_ns is worked out anew from wall_ns and probe_ns: --map refuses it, and nothing is lost with it.
    taken = {"net_ns", *(source.name for source in sources.values())}
    left = [each for each in header if each not in taken]
    if left:
        note(notes, f"columns left out: {', '.join(left)}; name them with --map to keep them")
    cells = {
        column: [
            Field(name, f"line {i}: {source.name}", row[header.index(source.name)])
            for i, row in enumerate(rows, 2)
        ]
        for column, source in sources.items()
    }
    found = {column: _values(column, sources[column], each) for column, each in cells.items()}
    _refuse_twice(name, found)
    return _recording(found)


def _refuse_twice(name: str, columns: Mapping[str, Sequence[Any]]) -> None:
    """Refuse two rows for one cycle of one process: every mean over cycles would count them both."""
    if "cycle" not in columns:
        return
    numbers = columns["cycle"]
    lines: dict[tuple[Any, Any], int] = {}
    for line, key in enumerate(zip(columns.get("process", [0] * len(numbers)), numbers, strict=True), 2):
        first = lines.setdefault(key, line)
        if first != line:
            raise NotImportable(
                f"{name}: lines {first} and {line} are both cycle {key[1]} of process {key[0]}, expected one row a "
                "cycle; number them over all conditions, or leave the column out"
            )


def _factor(word: str, column: str, unit: str) -> int:
    units = NS if column.endswith("_ns") else BYTES if column.endswith("_bytes") else {}
    if unit not in units:
        known = ", ".join(units) or "none: only columns that end in _ns or _bytes have one"
        raise ValueError(f"--map {word!r}: {unit!r} is no unit of {column}; choose {known}")
    return units[unit]


def _table(name: str, data: bytes) -> tuple[list[str], list[list[str]]]:
    try:
        lines = list(csv.reader(io.StringIO(text.unpacked_text(name, data), newline=""), strict=True))
    except csv.Error as error:
        raise NotImportable(f"{name} is not valid CSV ({error}); correct the file") from error
    rows = [row for row in lines[1:] if row]
    if not rows:
        raise NotImportable(f"{name} has no rows, expected a header and one row a cycle; correct the file")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(lines[0]):
            raise NotImportable(
                f"{name}: line {number} has {len(row)} cells under {len(lines[0])} columns; mend it"
            )
    return [cell.strip() for cell in lines[0]], rows


def _check(name: str, header: Sequence[str], sources: Mapping[str, Source]) -> None:
    for column, source in sources.items():
        if header.count(source.name) != 1:
            found = "twice" if source.name in header else "not"
            raise NotImportable(
                f"{name}: column {source.name!r}, mapped to {column}, is {found} among {', '.join(header)}; "
                "correct --map"
            )
    if "wall_ns" not in sources:
        raise NotImportable(
            f"{name}: no column is the cycle's wall time among {', '.join(header)}; name it with "
            "--map wall_ns=COLUMN:ms, or another unit"
        )


def _values(column: str, source: Source, cells: Sequence[Field]) -> list[Any]:
    if column == "condition":
        return [cell.value.strip() or None for cell in cells]
    numbers = [Field(cell.file, cell.path, _number(cell)) for cell in cells]
    if column in CORE:
        least = None if column in SIGNED else 0
        return [
            cell.scaled(source.factor, at_least=least) if source.factor > 1 else cell.whole(at_least=least)
            for cell in numbers
        ]
    if source.factor > 1:
        return [cell.scaled(source.factor) for cell in numbers]
    whole = all(cell.value is None or "." not in str(cell.value) for cell in numbers)
    return [cell.whole() if whole else cell.real() for cell in numbers]


def _number(cell: Field) -> Decimal | None:
    word = cell.value.strip()
    if word in ("", "NULL", "null", "NA", "nan", "NaN"):
        return None
    try:
        number = Decimal(word)
    except InvalidOperation as error:
        raise cell.refusal("a number") from error
    if not math.isfinite(number):
        raise cell.refusal("a finite number")
    return number


def _recording(columns: dict[str, list[Any]]) -> Recording:
    n = len(columns["wall_ns"])
    probe = columns.get("probe_ns", [None] * n)
    net = [None if w is None else w - (p or 0) for w, p in zip(columns["wall_ns"], probe, strict=True)]
    defaults: dict[str, Callable[[], list[Any]]] = {
        "condition": lambda: ["all"] * n,
        "cycle": lambda: list(range(n)),
        "process": lambda: [0] * n,
    }
    filled = {name: columns.get(name) or make() for name, make in defaults.items()} | columns
    table = cycles.plain(filled | {"net_ns": net})
    conditions = [
        _condition(filled, name, place) for place, name in enumerate(dict.fromkeys(filled["condition"]))
    ]
    return Recording(run={"n_cycles": n}, conditions=conditions, tables={"cycles": table}, config={})


def _condition(columns: Mapping[str, Sequence[Any]], name: str, position: int) -> dict[str, Any]:
    at = [i for i, condition in enumerate(columns["condition"]) if condition == name]
    wall_ns = [columns["wall_ns"][i] for i in at]
    return {
        "condition": name,
        "position": position,
        "mechanisms": {},
        "condition_cycles": len(at),
        "condition_wall_s": None if None in wall_ns else sum(wall_ns) / 1e9,
        **population([columns["population"][i] for i in at] if "population" in columns else []),
    }
