"""Rows of ``per_cycle_metrics`` as rows of table ``cycles``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from store import schema
from store.raw import recording, timeline
from store.raw.fields import Field
from store.raw.form import CYCLE_KEYS, MS
from store.raw.timeline import Place, Timeline

_CORE = schema.arrow("cycles")
INTEGERS = frozenset({"population", "visits", "groups", "pattern_memory_size"})
FLOATS = frozenset({"energy"})
# One name with two types cannot be read over runs, so a count that a file writes as 17.0 stays a count.
_OWNERS = {c.name.lower(): table.name for table in (schema.RUNS, schema.CYCLES) for c in table.columns}


@dataclass(frozen=True, slots=True)
class Clock:
    """The run's start in nanoseconds of the Unix clock, where the file tells it."""

    start_ns: int | None
    notes: list[str]

    def elapsed(self, row: Field, key: str = "t_ns") -> int | None:
        """Return nanoseconds since the start: our own exact ``key``, else from the row's ``timestamp``."""
        if row.has(key):
            return row.get(key).whole()
        moment = recording.moment(row.get("timestamp"), self.notes)
        if moment is None or self.start_ns is None:
            return None
        if moment.ns < self.start_ns:
            recording.note(self.notes, "some timestamps lie before the run's start; their t_ns is negative")
        return moment.ns - self.start_ns


class Cycles(NamedTuple):
    """The cycles of a file, column by column, and the conditions' places among them."""

    columns: Mapping[str, Sequence[Any]]
    timeline: Timeline

    def table(self) -> pa.Table:
        """Return the rows of table ``cycles``."""
        return plain(self.columns)

    def of(self, column: str, condition: str) -> list[Any]:
        """Return the values of a column in one condition; none if the file lacks the column."""
        pairs = zip(self.columns.get(column, ()), self.columns["condition"], strict=False)
        return [value for value, name in pairs if name == condition]


def plain(columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """Return columns as rows of table ``cycles``: core ones typed, an observable by its values."""
    return pa.table({name: pa.array(cells, _type(name, cells)) for name, cells in columns.items()})


def read(rows: Sequence[Field], names: Mapping[str, str], lengths: Mapping[str, Any], clock: Clock) -> Cycles:
    """Return the cycles of a file.

    Parameters
    ----------
    rows : sequence of Field
        ``per_cycle_metrics``.
    names : mapping
        The conditions as the file names them, and as we do.
    lengths : mapping
        Declared cycles of every condition.
    clock : Clock
        The run's start.
    """
    places = [place(row, names) for row in rows]
    line = timeline.of_cycles(places, lengths)
    wall_ns = [row.get("runtime_ms").scaled(MS, at_least=0) for row in rows]
    columns: dict[str, Sequence[Any]] = {
        "condition": [at.condition for at in places],
        "cycle": timeline.place_cycles(places, line),
        "process": [at.process for at in places],
        "t_ns": [clock.elapsed(row) for row in rows],
        "wall_ns": wall_ns,
        "sampling_calls": [row.get("psutil_calls").whole(at_least=0) for row in rows],
        "net_ns": wall_ns,
    }
    return Cycles({**columns, **observables(rows, clock.notes, without=CYCLE_KEYS)}, line)


def place(row: Field, names: Mapping[str, str]) -> Place:
    """Return where a row says that it stands; the only condition of a file need not be said."""
    said = row.get("condition").text()
    if said is None and len(names) == 1:
        said = next(iter(names))
    if said is None or said not in names:
        raise row.get("condition").refusal(f"one of the file's conditions ({', '.join(names)})")
    process = row.get("process").whole(at_least=0) or 0
    return Place(row, names[said], number(row, at_least=0), process)


def number(row: Field, *, at_least: int) -> int:
    """Return the row's cycle as the file counts it."""
    found = row.get("cycle").whole(at_least=at_least)
    if found is None:
        raise row.get("cycle").refusal(f"a whole number of at least {at_least}")
    return found


def observables(rows: Sequence[Field], notes: list[str], *, without: Sequence[str]) -> dict[str, list[Any]]:
    """Return every key but those in ``without`` that holds numbers: a workload's observables.

    A key that is a column of ``runs``, or another key but for its case, is kept under a name of its own: SQL ignores
    case, and a name in both tables makes every join of them ambiguous.
    """
    where = f"{rows[0].path.partition('[')[0] or 'cycles'}." if rows else ""
    keys = dict.fromkeys(key for row in rows for key in row.object() if key not in without)
    found: dict[str, list[Any]] = {}
    for key in keys:
        cells = [row.get(key) for row in rows]
        if owner(key) == "cycles" or not key.isidentifier() or not all(map(_is_number, cells)):
            recording.note(notes, f"{where}{key} is no observable and was left out")
            continue
        values = observed(key, cells)
        if all(value is None for value in values):
            continue
        name = _free(key, [*found], [*keys])
        if name != key:
            taken = f"a column of {owner(key)}" if owner(key) else "another one to SQL, which ignores case,"
            recording.note(notes, f"{where}{key} is {taken} and was kept as {name}")
        found[name] = values
    return found


def _free(key: str, before: Sequence[str], keys: Sequence[str]) -> str:
    """Return a key, or the name for it that neither a table, nor the file gives to anything else."""
    taken = {name.lower() for name in before}
    while owner(key) or key.lower() in taken:
        taken.update(name.lower() for name in keys)
        key = f"own_{key}"
    return key


def owner(name: str) -> str | None:
    """Return the table, ``runs`` or ``cycles``, that has such a column to SQL, which ignores case."""
    return _OWNERS.get(name.lower())


def observed(key: str, cells: Sequence[Field]) -> list[Any]:
    """Return the values of an observable: all of them whole numbers, or none."""
    numbers = [cell.number() for cell in cells]
    whole = all(isinstance(cell.value, int | None) for cell in cells)
    if key in INTEGERS:
        whole = all(value is None or value == value.to_integral_value() for value in numbers)
    return [cell.whole() if whole and key not in FLOATS else cell.real() for cell in cells]


def _is_number(cell: Field) -> bool:
    return not isinstance(cell.value, bool | str | dict | list)


def _type(name: str, values: Sequence[Any]) -> pa.DataType:
    if name in _CORE.names:
        return _CORE.field(name).type
    return pa.float64() if any(isinstance(value, float) for value in values) else pa.int64()
