"""Rows as text: a table for a terminal, or the same in Markdown."""

from __future__ import annotations

import math
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

from tabulate import tabulate

Row = dict[str, Any]

PIPED = 100
"""Columns of a table that no terminal shows, unless the environment's COLUMNS says otherwise."""
GAP = 2
"""Spaces between columns."""

GLUE = "\N{NO-BREAK SPACE}"


def grid(rows: Sequence[Row], style: str) -> str:
    """Return rows under their columns' names.

    A table is wrapped between words to the width of the terminal, so far as its longest words let it; nothing is cut
    off.  A column that says nothing in any row is left out.
    """
    if not rows:
        return ""
    columns = [name for name in rows[0] if any(row[name] not in (None, "", {}) for row in rows)]
    lines = [[name.replace("_", " ") for name in columns]]
    lines += [[cell(row[name]) for name in columns] for row in rows]
    if style == "markdown":
        return tabulate(lines[1:], headers=lines[0], tablefmt="github", disable_numparse=True)
    return _aligned(_wrapped(lines, shutil.get_terminal_size((PIPED, 24)).columns))


def cell(value: object) -> str:
    """Return a value with the digits that tell it apart, ``-`` for one that is unknown."""
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return pairs(value)
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3e}"
    return str(value)


def title(experiment: object, optimization: object) -> str:
    """Return how runs of an experiment in one mode are called."""
    return f"{experiment} ({optimization})" if optimization else str(experiment)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number with so many significant digits, ``-`` for one that is unknown."""
    if value is None:
        return "-"
    if 0.99 < abs(value) < 1:  # what tells a share from the whole is what is left of it
        digits = min(7, max(digits, 1 - math.floor(math.log10(1 - abs(value)))))
    if isinstance(value, int) or 10**digits <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def between(low: float | None, high: float | None, digits: int = 4) -> str:
    """Return an interval, ``-`` where there is none."""
    return "-" if low is None or high is None else f"[{number(low, digits)}, {number(high, digits)}]"


def bounded(value: float, bounds: Sequence[float] | None) -> str:
    """Return a value with its interval, where it has one."""
    return f"{cell(value)} [{cell(bounds[0])}, {cell(bounds[1])}]" if bounds else cell(value)


def pairs(values: Mapping[str, Any]) -> str:
    """Return names with their values, those left out that have none."""
    return " ".join(
        f"{name}={number(value, 3) if isinstance(value, float) else value}"
        for name, value in values.items()
        if value is not None
    )


def leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what lies in nested mappings by dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _wrapped(lines: Sequence[Sequence[str]], room: int) -> list[list[str]]:
    """Break cells between words until the lines fit ``room`` columns, the widest column first."""
    columns = list(zip(*lines, strict=True))
    widths = [max(map(len, column)) for column in columns]
    words = [[len(word) for text in column for word in _glued(text).split(" ")] for column in columns]
    least = [max(lengths) for lengths in words]
    room -= GAP * (len(columns) - 1)
    while sum(widths) > room and any(width > low for width, low in zip(widths, least, strict=True)):
        _, widest = max((width, i) for i, width in enumerate(widths) if width > least[i])
        widths[widest] -= 1
    return [[_broken(text, width) for text, width in zip(line, widths, strict=True)] for line in lines]


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return cells below each other, a rule under the first line.

    Tabulate pads every heading by two columns, which is a fifth of a screen at ten of them.
    """
    widths = [
        max(len(part) for text in column for part in text.split("\n")) for column in zip(*lines, strict=True)
    ]
    headings, *body = (zip_longest(*(text.split("\n") for text in line), fillvalue="") for line in lines)
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        (" " * GAP).join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in chain(headings, [rule], *body)
    )


def _broken(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    return "\n".join(textwrap.wrap(_glued(text), width, break_on_hyphens=False)).replace(GLUE, " ")


def _glued(text: str) -> str:
    """Return a text in which a number stays with its sign of per cent."""
    return re.sub(r"(?<=\d) (?=%)", GLUE, text)
