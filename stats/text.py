"""Rows as text: a table for a terminal, or the same in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

Row = dict[str, Any]

_STYLES = {"table": "simple", "markdown": "github"}
_WIDTHS = {
    "statistics": 28,
    "predicted": 28,
    "reason": 42,
    "more": 42,
    "if_true": 24,
    "if_false": 24,
    "observed": 60,
}


def grid(rows: Sequence[Row], style: str) -> str:
    """Return rows under their columns' names, wrapped where prose would push the others off the screen."""
    if not rows:
        return ""
    # A column that says nothing in any row only pushes the others off the screen.
    columns = [name for name in rows[0] if any(row[name] not in (None, "", {}) for row in rows)]
    cells = [[cell(row[name]) for name in columns] for row in rows]
    widths = [_WIDTHS.get(name) if style == "table" else None for name in columns]
    return tabulate(
        cells, headers=columns, tablefmt=_STYLES[style], disable_numparse=True, maxcolwidths=widths
    )


def cell(value: object) -> str:
    """Return a value with the digits that tell it apart, ``-`` for one that is unknown."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3e}"
    return str(value)


def bounded(value: float, bounds: Sequence[float] | None) -> str:
    """Return a value with its interval, where it has one."""
    return f"{cell(value)} [{cell(bounds[0])}, {cell(bounds[1])}]" if bounds else cell(value)


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what lies in nested mappings by dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_brief(value)}" for name, value in values.items() if value is not None)


def _brief(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
