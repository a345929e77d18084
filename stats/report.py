"""Judgements as text.

Each ``*_table`` takes a judgement, or its JSON document, and a style: ``table`` for a terminal, ``markdown`` for a
document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from stats import legend, verdicts
from stats.text import Row, bounded, cell, grid, leaves, number, title
from store.checks.claims import duration

Document = Mapping[str, Any]

DETAILED = 5
"""Runs of a timeline whose phases are printed; the others have a row."""
SHOWN = 100
"""Letters of a selection's predicates; a list of run ids has no end."""

PHASES = (
    "phase: a third of the run's progress, n points of it; low to high: the 95 % interval of the mean rate in it, as "
    "the logarithms of up to 4 stretches say how far chance may have moved it"
)

_COMMON = ("value", "low", "high", "p", "n_a", "n_b")


class Judged(Protocol):
    """Anything with a published JSON shape."""

    def to_json(self) -> dict[str, Any]:
        """Return the document."""


def verdict_table(judgement: Judged | Document, *, style: str = "table") -> str:
    """Return the verdicts, expected beside found, the level and the notes as text."""
    found = _document(judgement)
    cycles = max((entry["n_cycles"] for entry in found["verdicts"]), default=0)
    about = f"{_selection(found['selection'])}, {cycles:,} cycles"
    heading = f"{about}: profile {found['profile']}, variant {found['variant']}"
    heading += verdicts.spans(found["verdicts"])
    rows = [verdicts.row(entry) for entry in found["verdicts"]]
    return _text(found, style, [heading, rows], verdicts.level(found["level"]))


def comparison_table(
    comparison: Judged | Document, *, style: str = "table", without: Collection[str] = ()
) -> str:
    """Return the quantities, the elimination table, the joint verdict in its three forms and the notes as text.

    Quantities ``without`` are left out where they have no value, and what is the study's where no run is.
    """
    found = _document(comparison)
    a, b = (_selection(found[side]) for side in ("a", "b"))
    parts: list[str | Sequence[Row]] = [
        f"A = {a}\nB = {b}",
        legend.rows(found, without),
        _lines(legend.lines(found, without), style),
    ]
    if not found["speedup"].get("of_the_study", True):
        return _text(found, style, parts, [])
    if found["elimination"]:
        observed, rows = legend.elimination(found["elimination"])
        parts += [rows, _lines([f"observed: {observed}", *legend.ELIMINATION], style)]
    return _text(found, style, parts, legend.verdict(found["h2_h3_validated"]))


def synergy_table(synergy: Judged | Document, *, style: str = "table") -> str:
    """Return synergy, cells and effects of each experiment and the notes as text."""
    found = _document(synergy)
    cells = {name for entry in found["synergy"] for name in entry["cells"]}
    rows = [{name: y for name, y in row.items() if name not in cells} for row in synergy_rows(found)]
    return _text(found, style, [rows], [line for entry in found["synergy"] for line in _effects(entry)])


def timeline_table(timelines: Judged | Document, *, style: str = "table") -> str:
    """Return each run's line, its phases and milestones and the notes as text."""
    found = _document(timelines)
    entries = found["timelines"]
    parts: list[str | Sequence[Row]] = [_selection(found["selection"]), _runs(entries)]
    parts.append(_lines(_of_runs(entries), style))
    for entry in entries[:DETAILED]:
        parts += [f"{_title(entry)}, run {entry['run_id']}", _phases(entry), _milestones(entry)]
    if entries:
        parts.append(_lines([PHASES], style))
    more = len(entries) - DETAILED
    return _text(found, style, parts, [f"phases of {more} more runs: --format json"] if more > 0 else [])


def timeline_rows(document: Document) -> list[Row]:
    """Return one row per run: how far its clock went, and whether that is a line."""
    columns = (
        "experiment",
        "optimization",
        "run_id",
        "clock",
        "progress",
        "n",
        "elapsed_s",
        "excess",
        "shape",
    )
    return [
        {name: entry[name] for name in columns}
        | {name: entry["fit"][name] for name in ("r2_linear", "delta_r2", "curvature")}
        | {f"change_{name}" if name != "value" else "change": y for name, y in entry["change"].items()}
        | {"reason": entry["fit"]["reason"] or entry["bend"]["reason"]}
        for entry in document["timelines"]
    ]


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
    elsewhere = (*_COMMON, "predicted", "reason", "unit_of_inference")
    rows = []
    for name in legend.MEANINGS:
        found = document[name]
        particular = {key: y for key, y in found.items() if key not in elsewhere}
        row = {"quantity": name, **{key: found[key] for key in _COMMON}, "predicted": found.get("predicted")}
        rows.append({**row, "more": dict(leaves(particular)), "reason": found["reason"]})
    return rows


def synergy_rows(document: Document) -> list[Row]:
    """Return one row per experiment and optimization, a column for each cell of any of them."""
    ends = ("additive", "synergy", "fold_change", "classification")
    cells = dict.fromkeys(name for entry in document["synergy"] for name in entry["cells"])
    return [
        {
            **{name: entry[name] for name in ("experiment", "optimization", "outcome", "n_runs")},
            **{name: entry["cells"].get(name) for name in cells},
            **{name: entry[name] for name in ends},
        }
        for entry in document["synergy"]
    ]


def _document(judged: Judged | Document) -> Document:
    return judged if isinstance(judged, Mapping) else judged.to_json()


def _text(document: Document, style: str, parts: Sequence[str | Sequence[Row]], lines: Iterable[str]) -> str:
    """Return headings and grids, a blank line apart, and below them the lines and notes."""
    mark = "- " if style == "markdown" else "note: "
    below = "\n".join([*filter(None, lines), *(f"{mark}{note}" for note in document["notes"])])
    texts = [part if isinstance(part, str) else grid(part, style) for part in parts]
    return "\n\n".join(filter(None, [*texts, below]))


def _effects(entry: Document) -> Iterator[str]:
    """Yield a line of cells, one of main effects, and one for the interactions of each order."""
    yield f"{_title(entry)}: {_listed(entry['cells'])}"
    intervals = entry.get("intervals", {})
    orders: dict[int, list[str]] = {}
    for name, y in entry["effects"].items():
        order = name.count("×")
        what = name if order else f"effect of {name}"
        orders.setdefault(order, []).append(f"{what} {bounded(y, intervals.get(name))}")
    if "synergy" in intervals:
        orders[0].append(f"synergy {bounded(entry['synergy'], intervals['synergy'])}")
    for said in orders.values():
        yield f"{_title(entry)}: {', '.join(said)}"


def _runs(entries: Sequence[Document]) -> list[Row]:
    """Return the row of each run, short enough to stand beside each other."""
    short = _beginnings([entry["run_id"] for entry in entries])
    return [
        {
            "run": short[entry["run_id"]],
            "experiment": _title(entry),
            "clock": f"{entry['clock']} over {entry['progress'].removesuffix('_s')}",
            "n": entry["n"],
            "elapsed": duration(entry["elapsed_s"]),
            "excess": _percent(entry["excess"]),
            "shape": entry["shape"],
            "R²": number(entry["fit"]["r2_linear"]),
            "ΔR²": number(entry["fit"]["delta_r2"], 2),
            "curvature": number(entry["fit"]["curvature"], 2),
            "change": _percent(entry["change"]["value"]),
            "95_%_interval": _shares(entry["change"]),
        }
        for entry in entries
    ]


def _of_runs(entries: Sequence[Document]) -> Iterator[str]:
    """Yield what the columns of ``_runs`` are, and why a run has none of them."""
    yield "R²: of a line; ΔR²: what a parabola explains beyond it; change: of the rate, first to last, by its mean"
    for entry in entries:
        reason = entry["fit"]["reason"] or entry["bend"]["reason"]
        if reason:
            yield f"{_title(entry)}, run {entry['run_id']}: {reason}"


def _shares(interval: Mapping[str, float | None]) -> str | None:
    low, high = (_percent(interval[name]) for name in ("low", "high"))
    return f"{low} to {high}" if low and high else None


def _beginnings(ids: Sequence[str]) -> dict[str, str]:
    """Return the beginning of each id that names it among all, its 48 bits of time at least."""
    for length in range(13, 36):
        short = {run_id: run_id[:length] for run_id in ids}
        if len(set(short.values())) == len(set(ids)):
            return short
    return {run_id: run_id for run_id in ids}


def _phases(entry: Document) -> list[Row]:
    """Return a row per third: minutes on the clock per hour of the other, or milliseconds per cycle."""
    cycles = entry["progress"] == "cycles"
    unit, scale = ("ms_per_cycle", 1e3) if cycles else (f"{entry['clock']}_min_per_hour", 60.0)
    return [
        {
            "phase": phase["phase"],
            f"to_{entry['progress'].removesuffix('_s')}": _at(phase["last"], cycles),
            "n": phase["n"],
            **{
                name: None if phase[key] is None else number(phase[key] * scale)
                for name, key in ((unit, "rate"), ("low", "low"), ("high", "high"))
            },
            "excess_per_elapsed_h": _percent(phase["excess_per_elapsed_h"]),
            "reason": phase["reason"],
        }
        for phase in entry["phases"]
    ]


def _milestones(entry: Document) -> list[Row]:
    cycles, progress = entry["progress"] == "cycles", entry["progress"].removesuffix("_s")
    return [
        {
            "milestone": duration(milestone["elapsed_s"]),
            f"reached_at_{progress}": _at(milestone["reached_at"], cycles),
            **{name: _percent(milestone[name]) for name in ("excess", "per_expected_h", "per_elapsed_h")},
        }
        for milestone in entry["milestones"]
    ]


def _at(progress: float | None, cycles: bool) -> str:
    if progress is None:
        return "never"
    return f"{progress:.0f}" if cycles else duration(progress)


def _percent(share: float | None) -> str | None:
    if share is None:
        return None
    return f"{share:+.1%}" if abs(share) >= 0.1 else f"{share:+.2%}"


def _title(entry: Document) -> str:
    return title(entry["experiment"], entry["optimization"])


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {cell(y)}" for name, y in values.items())


def _selection(selection: Mapping[str, Sequence[str]]) -> str:
    runs = selection["runs"]
    found = f"run {runs[0]}" if len(runs) == 1 else f"{len(runs)} runs"
    where = " and ".join(selection["where"])
    if not where:
        return found
    return f"{where if len(where) <= SHOWN else where[: SHOWN - 1] + '…'} ({found})"


def _lines(said: Iterable[str], style: str) -> str:
    return "\n".join(f"- {line.strip()}" if style == "markdown" else line for line in said)
