"""One count of cycles over all conditions, from files whose count may start anew in each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate, groupby, pairwise
from typing import NamedTuple

from store.raw.fields import Field


class Place(NamedTuple):
    """Where a row of the file stands by its own words."""

    field: Field
    condition: str | None
    cycle: int
    process: int = 0


class Timeline(NamedTuple):
    """The conditions in the order of the file, and the run's cycle at which each starts.

    ``scope`` is ``condition`` where the file's count starts anew, ``run`` where it runs on; ``base`` is the
    file's number of a condition's first cycle where it starts anew.
    """

    scope: str
    names: tuple[str, ...]
    starts: tuple[int, ...]
    base: int = 0

    def condition(self, cycle: int) -> str | None:
        """Return the condition that runs at a cycle of the run; a baseline reading belongs to the first."""
        if len(self.names) != len(self.starts) or not self.names:
            return self.names[0] if len(self.names) == 1 else None
        return self.names[max(bisect_right(self.starts, cycle) - 1, 0)]


def of_cycles(rows: Sequence[Place], lengths: Mapping[str, int | None]) -> Timeline:
    """Return the timeline of the rows of ``per_cycle_metrics``.

    Parameters
    ----------
    rows : sequence of Place
        In the order of the file.
    lengths : mapping
        Declared cycles of every condition, in the order of the file.

    Raises
    ------
    NotImportable
        If cycles do not rise within a condition, or start anew in a condition that was there before.
    """
    if not rows:
        return declared(lengths)
    blocks = [list(block) for _, block in groupby(rows, key=lambda row: row.condition)]
    for block in blocks:
        _check_rising(block)
    names = tuple(str(block[0].condition) for block in blocks)
    if all(_key(before[-1]) < _key(after[0]) for before, after in pairwise(blocks)):
        return Timeline("run", names, tuple(block[0].cycle for block in blocks))
    for i, block in enumerate(blocks):
        if names[i] in names[:i]:
            raise (
                block[0]
                .field.get("cycle")
                .refusal(f"a cycle that runs on, since {names[i]} was there before")
            )
    base = 1 if all(block[0].cycle == 1 for block in blocks) else 0
    done = [block[-1].cycle - base + 1 for block in blocks]
    spans = [max(n, lengths.get(name) or 0) for n, name in zip(done, names, strict=True)]
    return Timeline("condition", names, (0, *accumulate(spans[:-1])), base)


def declared(lengths: Mapping[str, int | None]) -> Timeline:
    """Return the timeline that the conditions' own ``cycles`` give, for a file without rows of cycles."""
    known = [length for length in lengths.values() if length is not None]
    if len(known) < len(lengths):
        return Timeline("run", tuple(lengths), ())
    return Timeline("run", tuple(lengths), (0, *accumulate(known[:-1])) if known else ())


def place_cycles(rows: Sequence[Place], timeline: Timeline) -> list[int]:
    """Return the run's cycle of each row of ``per_cycle_metrics``."""
    if timeline.scope == "run":
        return [row.cycle for row in rows]
    offsets = dict(zip(timeline.names, timeline.starts, strict=True))
    return [offsets[str(row.condition)] + row.cycle - timeline.base for row in rows]


def place_readings(rows: Sequence[Place], timeline: Timeline) -> list[int]:
    """Return the run's cycle of each reading; readings carry no condition, so their order decides.

    Raises
    ------
    NotImportable
        If their count starts anew, but not once for every condition.
    """
    part, parts = 0, []
    for before, row in pairwise([*rows[:1], *rows]):
        part += row.cycle < before.cycle
        parts.append(part)
    if part == 0:
        return [row.cycle for row in rows]
    if part + 1 != len(timeline.starts):
        raise (
            rows[parts.index(1)]
            .field.get("cycle")
            .refusal(f"cycles that run on, or start anew in each of {len(timeline.names)} conditions")
        )
    return [_shifted(row.cycle, timeline, i) for row, i in zip(rows, parts, strict=True)]


def _shifted(cycle: int, timeline: Timeline, part: int) -> int:
    return cycle if cycle < 0 and part == 0 else timeline.starts[part] + cycle - timeline.base


def _key(row: Place) -> tuple[int, int]:
    return row.cycle, row.process


def _check_rising(block: Sequence[Place]) -> None:
    for before, row in pairwise(block):
        if _key(row) <= _key(before):
            raise row.field.get("cycle").refusal(f"a cycle above {before.cycle} in condition {row.condition}")
