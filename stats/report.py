"""Judgements as text: tables for a terminal, and the same in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from tabulate import tabulate

Document = Mapping[str, Any]
Row = dict[str, Any]

QUANTITIES = (
    "speedup",
    "t_test",
    "effect_size",
    "levene",
    "variance_reduction",
    "excess_reduction",
    "call_reduction",
    "overhead_factor",
)
SHOWN = 100
"""Letters of a selection's predicates; a list of run ids has no end."""

_COMMON = ("value", "low", "high", "p", "n_a", "n_b")
_STYLES = {"table": "simple", "markdown": "github"}
_WIDTHS = {"statistics": 28, "reason": 42, "more": 42}


class Judged(Protocol):
    """Anything with a published JSON shape."""

    def to_json(self) -> dict[str, Any]:
        """Return the document."""


def verdict_table(judgement: Judged | Document, *, style: str = "table") -> str:
    """Return the verdicts, expected beside found, the level line and the notes as text.

    Parameters
    ----------
    judgement : Judgement
        The object, or its JSON document.
    style : {"table", "markdown"}
        For a terminal, or for a document.
    """
    document = _document(judgement)
    heading = (
        f"{_selection(document['selection'])}: profile {document['profile']}, variant {document['variant']}"
    )
    lines = [_drift(document.get("drift")), _level(document.get("level"))]
    return _text(heading, verdict_rows(document), [line for line in lines if line], document, style)


def comparison_table(comparison: Judged | Document, *, style: str = "table") -> str:
    """Return the quantities of a comparison, the joint verdict in its three forms and the notes as text.

    Parameters
    ----------
    comparison : Comparison
        The object, or its JSON document.
    style : {"table", "markdown"}
        For a terminal, or for a document.
    """
    document = _document(comparison)
    a, b = (_selection(document[side]) for side in ("a", "b"))
    joint = ", ".join(f"{form}: {_said(found)}" for form, found in document["h2_h3_validated"].items())
    line = f"h2 and h3 together the cause, by the study's three criteria: {joint}"
    return _text(f"A = {a}\nB = {b}", comparison_rows(document), [line], document, style)


def synergy_table(synergy: Judged | Document, *, style: str = "table") -> str:
    """Return cells, effects and synergy of each experiment and the notes as text.

    Parameters
    ----------
    synergy : Synergy
        The object, or its JSON document.
    style : {"table", "markdown"}
        For a terminal, or for a document.
    """
    document = _document(synergy)
    effects = [
        f"{entry['experiment']}: "
        + ", ".join(f"effect of {name} {_cell(y)}" for name, y in entry["effects"].items())
        for entry in document["synergy"]
    ]
    return _text("", synergy_rows(document), effects, document, style)


def verdict_rows(document: Document) -> list[Row]:
    """Return one row per hypothesis."""
    rows = []
    for entry in document["verdicts"]:
        rows.append(
            {
                "hypothesis": entry["hypothesis"],
                "expected": entry["expected"],
                "found": entry["verdict"],
                "statistics": entry["statistics"],
                "n_runs": entry["n_runs"],
                "n_cycles": entry["n_cycles"],
                "reason": entry["reason"],
            }
        )
    return rows


def comparison_rows(document: Document) -> list[Row]:
    """Return one row per quantity, what is particular to it in ``more``."""
    rows = []
    for name in QUANTITIES:
        found = document[name]
        particular = {
            key: y for key, y in found.items() if key not in (*_COMMON, "reason", "unit_of_inference")
        }
        row = {"quantity": name, **{key: found[key] for key in _COMMON}}
        rows.append({**row, "more": dict(_leaves(particular)), "reason": found["reason"]})
    return rows


def synergy_rows(document: Document) -> list[Row]:
    """Return one row per experiment and optimization, a column for each cell."""
    ends = ("additive", "synergy", "fold_change", "classification")
    return [
        {
            **{name: entry[name] for name in ("experiment", "optimization", "outcome", "n_runs")},
            **entry["cells"],
            **{name: entry[name] for name in ends},
        }
        for entry in document["synergy"]
    ]


def _document(judged: Judged | Document) -> Document:
    return judged if isinstance(judged, Mapping) else judged.to_json()


def _text(heading: str, rows: Sequence[Row], lines: Sequence[str], document: Document, style: str) -> str:
    notes = [f"note: {note}" for note in document["notes"]]
    if style == "markdown":
        notes = [f"- {note}" for note in document["notes"]]
    below = "\n".join([*lines, *notes])
    return "\n\n".join(part for part in (heading, _grid(rows, style), below) if part)


def _grid(rows: Sequence[Row], style: str) -> str:
    if not rows:
        return ""
    # A column that says nothing in any row only pushes the others off the screen.
    columns = [name for name in rows[0] if any(row[name] not in (None, "", {}) for row in rows)]
    cells = [[_cell(row[name]) for name in columns] for row in rows]
    widths = [_WIDTHS.get(name) if style == "table" else None for name in columns]
    return tabulate(
        cells, headers=columns, tablefmt=_STYLES[style], disable_numparse=True, maxcolwidths=widths
    )


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping):
        return _pairs(value)
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.3e}"
    return str(value)


def _pairs(values: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={_brief(value)}" for name, value in values.items() if value is not None)


def _brief(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _selection(selection: Mapping[str, Sequence[str]]) -> str:
    runs = selection["runs"]
    found = f"run {runs[0]}" if len(runs) == 1 else f"{len(runs)} runs"
    where = " and ".join(selection["where"])
    if not where:
        return found
    return f"{where if len(where) <= SHOWN else where[: SHOWN - 1] + '…'} ({found})"


def _said(found: bool | None) -> str:
    return {True: "yes", False: "no", None: "cannot be said"}[found]


def _level(level: Mapping[str, Any] | None) -> str:
    if not level:
        return ""
    if level.get("account") is None or level.get("share") is None:
        return f"level: unknown, {level.get('reason')}"
    detail = f" ({level['detail']})" if level.get("detail") else ""
    return f"level: {level['share']:.1%} of the time is {level['account']}{detail}"


def _drift(drift: Mapping[str, Any] | None) -> str:
    return f"drift: {drift['verdict']}, {drift['reason']}" if drift else ""
