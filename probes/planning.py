"""What the streams of a run will hold and take on disk, and what its columns take, before its first cycle."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from operator import index
from typing import NamedTuple

from probes import cycles, windows
from probes.protocols import Probe
from probes.reading import READING, sample_columns
from probes.segment import MOST_COLUMNS
from probes.spool import FEWEST, segment_size

WINDOW_ROWS = 1024
"""One row a second: 17 minutes a segment; in light mode, a hundred a second, ten seconds."""


class Plan(NamedTuple):
    """The rows that one stream will hold at most (``None``: not known), and whether it will hold so many."""

    columns: Mapping[str, type]
    most_rows: int | None
    sure: bool
    largest: int

    @property
    def capacity(self) -> int:
        """Rows of a segment."""
        return self.largest if self.most_rows is None else min(self.largest, max(FEWEST, self.most_rows))

    @property
    def estimated_bytes(self) -> int:
        """What the stream takes on disk, or its first segment where the number of rows is not sure."""
        segments = ceil((self.most_rows or 1) / self.capacity) if self.sure else 1
        return segments * segment_size(self.columns, self.capacity)


def plans(
    columns: Mapping[str, type], probes: Mapping[str, Probe], cycles: int | None, largest: int
) -> dict[str, Plan]:
    """Plan all streams of a run of so many cycles, if that is known."""
    # One record more: each segment begins with the clocks that its first row counts from.
    known = None if cycles is None else cycles + ceil((cycles + 1) / largest)
    return {
        "cycles": Plan(columns, known, cycles is not None, largest),
        "windows": Plan(windows.COLUMNS, min(cycles or WINDOW_ROWS, WINDOW_ROWS), False, WINDOW_ROWS),
        **{f"probe_{name}": _readings(probe, cycles, largest) for name, probe in probes.items()},
    }


def check_observables(taken: Mapping[str, type], columns: Mapping[str, type]) -> None:
    """Refuse columns that cannot come beside those that cycles have already."""
    for name, kind in columns.items():
        widened = name not in cycles.COLUMNS and taken.get(name) is int and kind is float
        if (name in taken and not widened) or name in cycles.DERIVED:
            raise ValueError(f"observable {name!r} is a column of cycles already; give it another name")
        if not name.isidentifier() or kind not in (int, float):
            raise ValueError(f"observable {name!r} of type {kind}: expected an identifier, and int or float")
    wanted = len({**taken, **columns})
    if wanted > MOST_COLUMNS:
        raise ValueError(f"{wanted} columns of cycles; {MOST_COLUMNS} is the most")


def integer(value: object) -> int | None:
    """Return what a BIGINT of the store takes: an integer of 64 bits, those of numpy too; ``None`` for all else."""
    if isinstance(value, bool):
        return None
    try:
        number = index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
    return int(number) if -(2**63) <= number < 2**63 else None


def _readings(probe: Probe, cycles: int | None, largest: int) -> Plan:
    columns = {**READING, **sample_columns(probe)}
    if cycles is None or probe.every_cycles is None:
        # A rate in seconds: at most once a cycle, and how long the cycles take is not known.
        return Plan(columns, None if cycles is None else cycles + 1, False, largest)
    return Plan(columns, cycles // probe.every_cycles + 1, True, largest)
