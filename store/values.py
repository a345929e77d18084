"""A value of a JSON document as its column's type, and any value as JSON has it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa

from store.schema import Column, Table

UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What goes wrong where a JSON document is not there, is no JSON, or is one of another shape."""


def typed(column: Column, value: Any) -> Any:
    """Return ``value`` as a table holds it; None stays None.

    A VARCHAR takes anything: what is not a text becomes JSON text.

    Raises
    ------
    ValueError
        If it is of another type; Arrow would cut 2.5 down to a BIGINT 2.
    """
    if value is None:
        return None
    try:
        return _KINDS[column.type](value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{column.name} is {value!r}, and {column.type} is expected") from error


def row(table: Table, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's row from a JSON document; what it lacks is None."""
    return {column.name: typed(column, document.get(column.name)) for column in table.columns}


def ledger(entries: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return what recording cost, entry by entry: numbers, rates (mappings of numbers) and the accounts' ``mode``."""
    for name, entry in entries.items():
        for key, value in entry.items():
            rates = isinstance(value, dict) and key in ("asked", "in_effect")
            numbers = value.values() if rates else [value]
            if key != "mode" and not all(each is None or type(each) in (int, float) for each in numbers):
                raise ValueError(f"observer.{name}.{key} is {value!r}, and a number is expected")
    return entries


def plain(value: Any) -> Any:
    """Return a value as JSON has it: times ISO 8601, those with a zone in UTC; NaN and infinities null.

    A decimal is a number where a double holds all its digits, else a text.
    """
    if isinstance(value, bool | int | None):
        return value
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple) and not isinstance(value, pa.MonthDayNano):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if hasattr(value, "item"):  # numpy's scalars: of them only float64 is a number of Python's own
        return plain(value.item())
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime):  # pandas' Timestamp, for nanoseconds, too
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, pa.MonthDayNano):
        return f"P{value.months}M{value.days}DT{value.nanoseconds / 1e9:g}S"
    return str(value)


def _decimal(value: Decimal) -> int | float | str:
    if value == value.to_integral_value():
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else f"{value:f}"


def whole(text: str) -> str:
    """Return a text without half characters: JSON and names of files may hold them, tables and files cannot."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _text(value: Any) -> str:
    return whole(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise TypeError
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError
    return float(value)


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _time(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _texts(value: Any) -> list[str]:
    if type(value) is not list or not all(isinstance(text, str) for text in value):
        raise TypeError
    return list(map(_text, value))


_KINDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "VARCHAR": _text,
    "BIGINT": _integer,
    "DOUBLE": _number,
    "BOOLEAN": _truth,
    "TIMESTAMPTZ": _time,
    "VARCHAR[]": _texts,
}
