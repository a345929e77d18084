"""A value of a JSON document as its column's type, or a sentence that says what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from store.schema import Column


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
    except (TypeError, ValueError) as error:
        raise ValueError(f"{column.name} is {value!r}, and {column.type} is expected") from error


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text.encode()  # half a character can be written in JSON, and nowhere else
    return text


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
    time = datetime.fromisoformat(value)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


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
