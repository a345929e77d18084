"""A bare list of cycles, each with its duration and the time of its end: ``exp_*_cycles.json``.

In the recorded files each time is the one before plus the duration of its own cycle, to the microsecond: it is
the cycle's end.
"""

from __future__ import annotations

from store.raw import cycles, recording
from store.raw.cycles import Clock
from store.raw.fields import Field
from store.raw.recording import Recording

EXPECTED = "a list with timestamp and duration"
_OWN = ("cycle", "timestamp", "duration")
S = 10**9
"""Nanoseconds in a second."""


def recognises(document: Field) -> bool:
    """Tell whether a document is a list that opens with a timed cycle."""
    value = document.value
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and {*_OWN} <= {*value[0]}


def read(document: Field, notes: list[str]) -> list[Recording]:
    """Return the run of a list of cycles."""
    rows = document.elements()
    wall_ns = [_wall_ns(row) for row in rows]
    ends_ns = [_end_ns(row, notes) for row in rows]
    start_ns = ends_ns[0] - wall_ns[0]
    clock = Clock(start_ns, notes)
    table = cycles.plain(
        {
            "condition": ["all"] * len(rows),
            "cycle": _numbers(rows, notes),
            "process": [0] * len(rows),
            "t_ns": [clock.elapsed(row) for row in rows],
            "wall_ns": wall_ns,
            "net_ns": wall_ns,
            **cycles.observables(rows, notes, without=_OWN),
        }
    )
    return [recording.of_cycles(table, start_ns, max(ends_ns), {"cycle_scope": "run"})]


def _wall_ns(row: Field) -> int:
    found = row.get("duration").scaled(S, at_least=0)
    if found is None:
        raise row.get("duration").refusal("seconds of at least 0")
    return found


def _end_ns(row: Field, notes: list[str]) -> int:
    found = recording.moment(row.get("timestamp"), notes)
    if found is None:
        raise row.get("timestamp").refusal("the time of the cycle's end")
    return found.ns


def _numbers(rows: list[Field], notes: list[str]) -> list[int]:
    """Return the cycles, counted from 0."""
    numbers = [cycles.number(row, at_least=0) for row in rows]
    for row, before, number in zip(rows[1:], numbers, numbers[1:], strict=False):
        if number <= before:
            raise row.get("cycle").refusal(f"a cycle above {before}")
    if numbers[0] == 1:
        recording.note(notes, "the file counts cycles from 1, the store from 0")
        return [number - 1 for number in numbers]
    return numbers
