"""Series of one value a cycle beside the time of each: ``cycle271_v3_pilot.json``."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from store.raw import cycles, recording
from store.raw.fields import Field
from store.raw.recording import Recording

EXPECTED = "history with timestamp"


def recognises(document: Field) -> bool:
    """Tell whether a document holds a history with times."""
    value = document.value
    return (
        isinstance(value, dict) and isinstance(value.get("history"), dict) and "timestamp" in value["history"]
    )


def read(document: Field, notes: list[str]) -> list[Recording]:
    """Return the run of a history: a cycle's wall time is the time since the one before."""
    history = document.get("history")
    ends_ns = _times(history.get("timestamp"), notes)
    recording.note(notes, "a cycle's wall time is its timestamp less the one before; the first has none")
    wall_ns = [None, *(after - before for before, after in pairwise(ends_ns))]
    n = len(ends_ns)
    table = cycles.plain(
        {
            "condition": ["all"] * n,
            "cycle": list(range(n)),
            "process": [0] * n,
            "t_ns": [end - ends_ns[0] for end in ends_ns],
            "wall_ns": wall_ns,
            "net_ns": wall_ns,
            **cycles.observables(_rows(history, n, notes), notes, without=()),
        }
    )
    kept = {"cycle_scope": "run", "file": recording.leftover(document)}
    return [recording.of_cycles(table, ends_ns[0], ends_ns[-1], kept)]


def _times(series: Field, notes: list[str]) -> list[int]:
    found = [recording.moment(field, notes) for field in series.elements()]
    if not found:
        raise series.refusal("at least one time")
    times: list[int] = []
    for field, moment in zip(series.elements(), found, strict=True):
        if moment is None or (times and moment.ns < times[-1]):
            raise field.refusal("a time that is not before the last one")
        times.append(moment.ns)
    return times


def _rows(history: Field, n: int, notes: list[str]) -> list[Field]:
    """Return the other series as one object a cycle; one of another length is no series of cycles."""
    series: dict[str, list[Any]] = {}
    for key, field in history.members():
        if key == "timestamp":
            continue
        values = field.value
        if isinstance(values, list) and len(values) == n:
            series[key] = values
        else:
            recording.note(notes, f"history.{key} has not one value a cycle and was left out")
    return [Field(history.file, f"history[{i}]", {k: v[i] for k, v in series.items()}) for i in range(n)]
