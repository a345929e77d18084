"""How ``ls`` shows runs: which columns, in which order, and no wider than the screen."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from store import schema

COLUMNS = (
    "run_id", "experiment", "optimization", "seed", "replicate",
    "status", "started_at", "wall_s", "n_cycles", "tags", "error",
)  # fmt: skip
"""What is listed unless ``--columns`` says otherwise."""

WIDTH = 100
"""Letters of a line where the terminal does not say."""
LEAST, GAP = 8, 2
AROUND = 2
"""What tabulate adds to a heading."""
SHRINKING = ("error", "tags", "experiment", "optimization")
SPARED = ("replicate", "wall_s", "seed", "n_cycles", "started_at", "optimization")
"""What goes first where a line is too long however its texts are cut."""

_NAMES = [column.name for column in schema.RUNS.columns]


def columns(text: str | None) -> tuple[str, ...]:
    """Return the columns that ``--columns`` names, in its order; ``all`` are all of table ``runs``.

    Raises
    ------
    ValueError
        If one is no column of ``runs``.
    """
    if text is None:
        return COLUMNS
    if text.strip() == "all":
        return tuple(_NAMES)
    names = [_known(word.strip(), "--columns") for word in text.split(",")]
    return tuple(dict.fromkeys(names))


def ordered(runs: pa.Table, text: str | None) -> pa.Table:
    """Return the runs in the order of ``--sort``, such as ``wall_s desc, seed``; NULL comes last.

    Raises
    ------
    ValueError
        If a part is neither a column nor a column and ``asc`` or ``desc``.
    """
    if text is None:
        return runs
    keys = [_key(part) for part in text.split(",")]
    return runs.take(pc.sort_indices(runs, sort_keys=keys))


def shown(runs: pa.Table, ids: Sequence[str]) -> list[dict[str, str]]:
    """Return the listed columns as they fit on the screen.

    A run's id is cut to what no other of ``ids`` begins with (``--run`` takes that), times to the minute, and
    columns without a value are left out.
    """
    length = _distinct(ids)
    rows = [{name: _text(name, value, length) for name, value in row.items()} for row in runs.to_pylist()]
    used = [name for name in runs.column_names if any(row[name] for row in rows)]
    widths = _fitted({name: max(len(name) + AROUND, *(len(row[name]) for row in rows)) for name in used})
    return [{name: _cut(row[name], width) for name, width in widths.items()} for row in rows]


def _known(name: str, option: str) -> str:
    if name in _NAMES:
        return name
    near = get_close_matches(name, _NAMES, 1)
    remedy = f"did you mean {near[0]}?" if near else "`python -m store describe runs` lists them"
    raise ValueError(f"{option}: {name!r} is no column of runs; {remedy}")


def _key(part: str) -> tuple[str, str]:
    words = part.split()
    directions = {"asc": "ascending", "desc": "descending"}
    if not 1 <= len(words) <= 2 or (len(words) == 2 and words[1].lower() not in directions):
        raise ValueError(f"--sort: {part.strip()!r} is no column; write such as --sort 'wall_s desc, seed'")
    name = _known(words[0], "--sort")
    if name in ("tags", "notes"):
        raise ValueError(f"--sort: {name} is a list, which has no order; sort by another column")
    return name, directions[words[1].lower()] if len(words) == 2 else "ascending"


def _distinct(ids: Sequence[str]) -> int:
    """Return how many letters tell all ids apart: at least the 8 that people are used to."""
    pairs = zip(sorted(ids), sorted(ids)[1:], strict=False)
    return max([8, *(_common(a, b) + 1 for a, b in pairs)])


def _common(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _text(name: str, value: Any, length: int) -> str:
    if value is None:
        return ""
    if name == "run_id":
        return str(value)[:length]
    if name in ("started_at", "ended_at"):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, list):
        return " ".join(value)
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())


def _fitted(widths: Mapping[str, int]) -> dict[str, int]:
    """Shrink the widest texts until a line fits; spare columns where that is not enough."""
    limit = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout and sys.stdout.isatty() else WIDTH
    fitted = dict(widths)
    while sum(fitted.values()) + GAP * (len(fitted) - 1) > limit and len(fitted) > 1:
        shrinkable = [name for name in SHRINKING if fitted.get(name, 0) > max(LEAST, len(name) + AROUND)]
        if shrinkable:
            fitted[max(shrinkable, key=lambda name: fitted[name])] -= 1
        else:
            fitted.pop(next((name for name in SPARED if name in fitted), next(reversed(fitted))))
    return fitted


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
