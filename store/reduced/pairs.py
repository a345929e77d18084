"""What the paper tests and their asides correlate in one run, as sums that they need no rows for.

``PAIRS`` is the list: a test's name, a signal of it, how its pairs are summed up.  They are the pairs of the tests' own
SQL: cycles of the measured process from 0 on, and ``samples`` (each probe's last reading in a cycle).  A signal that
is always there has a row even where nothing was recorded; the others only where there is something to pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from store import schema
from store.reduced import moments
from store.reduced.moments import Floats, Sums

MIB: Final = 1048576.0
_READ: Final = {
    "memory": ("rss_bytes",),
    "system": ("cpu_percent", "memory_percent"),
    "thermal": ("temp_celsius", "freq_mhz"),
    "latency": ("call_count", "call_latency_ns"),
}
_NAMES: Final = [table.name.removeprefix("probe_") for table in schema.PROBES]
PROBES: Final[Mapping[str, tuple[str, ...]]] = {**_READ, **{name: _READ.get(name, ()) for name in _NAMES}}
"""The probes of the view ``samples``, and what the tests read of each."""

Tables = Mapping[str, pa.Table]
Columns = dict[str, Floats]
Xy = tuple[Floats, Floats]


class Pair(NamedTuple):
    """One signal of a test: its pairs among a run's rows, and their sums."""

    name: str
    of: Callable[[Rows], Xy]
    sums: Callable[[Floats, Floats], Sums]
    always: bool = True


class Rows:
    """The rows of one run that enter tests: cycles in their order, and what was read in them."""

    def __init__(self, cycles: pa.Table | None, probes: Tables) -> None:
        taken = cycles if cycles is not None else pa.table({"cycle": pa.array([], pa.int64())})
        self.cycle = floats(taken, "cycle")
        self.net_ms = floats(taken, "net_ns") / 1e6
        self.gc_ms = floats(taken, "gc_ns") / 1e6
        self.samples = samples(probes)
        self._timed = np.isfinite(self.net_ms)
        self._net_ns = floats(taken, "net_ns")[self._timed]

    def sampled(self, name: str) -> Floats:
        return self.samples[name]

    def with_cycle_time(self, name: str) -> Xy:
        """Return what was read in a cycle, and the cycle's time; NaN where the cycle is not known."""
        readings, times = self._joined(self.cycle, self.net_ms, outer=True)
        return self.samples[name][readings], times

    def part(self, parts: int, number: int) -> Xy:
        """Return cycles and times of one of so many equal parts of the timed cycles, the first of them longer."""
        kept = _ntile(len(self._net_ns), parts) == number
        return self.cycle[self._timed][kept], self.net_ms[self._timed][kept]

    def timed(self) -> Xy:
        return self.cycle[self._timed], self.net_ms[self._timed]

    def changes(self, quarter: int) -> Xy:
        """Return cycles of a quarter of the timed ones, and by how much their time differs from the one before."""
        change = np.abs(np.diff(self._net_ns, prepend=np.nan)) / 1e6
        kept = _ntile(len(change), 4) == quarter
        return self.cycle[self._timed][kept], change[kept]

    def loads(self, name: str, quarter: int) -> Xy:
        """Return cycles of a quarter of the timed ones, and what was read in them."""
        cycle = self.cycle[self._timed][_ntile(len(self._net_ns), 4) == quarter]
        readings, at = self._joined(cycle, cycle, outer=False)
        return at, self.samples[name][readings]

    def pauses(self) -> Xy:
        kept = self.gc_ms > 0
        return self.cycle[kept], self.gc_ms[kept]

    def _joined(self, cycle: Floats, y: Floats, *, outer: bool) -> tuple[npt.NDArray[np.int64], Floats]:
        """Return places of samples and ``y`` of their cycles, as often as a cycle occurs."""
        at = self.samples["cycle"]
        low, high = np.searchsorted(cycle, at, "left"), np.searchsorted(cycle, at, "right")
        known = np.isfinite(at) & (high > low)
        count = np.where(known, high - low, int(outer))
        readings = np.repeat(np.arange(len(at)), count)
        within = np.arange(len(readings)) - np.repeat(np.cumsum(count) - count, count)
        found = np.full(len(readings), np.nan)
        inner = known[readings]
        found[inner] = y[(low[readings] + within)[inner]]
        return readings, found


PAIRS: Final = (
    Pair("load/cpu", lambda rows: rows.with_cycle_time("cpu_percent"), moments.ranks),
    Pair("load/mem", lambda rows: rows.with_cycle_time("memory_percent"), moments.ranks),
    Pair("memory/rss", lambda r: (r.sampled("cycle"), r.sampled("rss_bytes") / MIB), moments.parabola),
    Pair(
        "latency/latency",
        lambda r: (r.sampled("call_count") / 1000.0, r.sampled("call_latency_ns") / 1e6),
        moments.line,
    ),
    Pair("sensor/temp", lambda r: (r.sampled("t_ns") / 1e9, r.sampled("temp_celsius")), moments.ranks),
    Pair("sensor/freq", lambda r: (r.sampled("t_ns") / 1e9, r.sampled("freq_mhz")), moments.ranks),
    Pair("time/time", lambda rows: (rows.cycle, rows.net_ms), moments.line),
    Pair("fifths/time", lambda rows: rows.timed(), moments.parabola),
    Pair("fifths/first", lambda rows: rows.part(5, 1), moments.parabola, always=False),
    Pair("fifths/last", lambda rows: rows.part(5, 5), moments.parabola, always=False),
    Pair("quarters/spread3", lambda rows: rows.changes(3), moments.line, always=False),
    Pair("quarters/spread4", lambda rows: rows.changes(4), moments.line, always=False),
    Pair("quarters/cpu3", lambda rows: rows.loads("cpu_percent", 3), moments.line, always=False),
    Pair("quarters/cpu4", lambda rows: rows.loads("cpu_percent", 4), moments.line, always=False),
    Pair("quarters/mem3", lambda rows: rows.loads("memory_percent", 3), moments.line, always=False),
    Pair("quarters/mem4", lambda rows: rows.loads("memory_percent", 4), moments.line, always=False),
    Pair("pauses/pause", lambda rows: rows.pauses(), moments.ranks, always=False),
)


def of(cycles: pa.Table | None, probes: Tables) -> Iterator[tuple[str, Sums]]:
    """Yield the sums of each pair of signals by its name.

    Parameters
    ----------
    cycles : pyarrow.Table, optional
        Cycles of the measured process from 0 on, sorted.
    probes : mapping of pyarrow.Table
        Tables of readings by the probe's name.
    """
    rows = Rows(cycles, probes)
    for pair in PAIRS:
        x, y = pair.of(rows)
        if pair.always or len(x):
            yield pair.name, pair.sums(x, y)


def samples(probes: Tables) -> Columns:
    """Return the columns of view ``samples`` that tests read: cycles from 0 on, and readings of no known cycle."""
    read = {name: _readings(probes[name], PROBES[name]) for name in PROBES if name in probes}
    keys = [columns["key"] for columns in read.values()]
    groups, places = np.unique(np.concatenate([np.empty(0, np.int64), *keys]), return_inverse=True)
    found = {name: np.full(len(groups), np.nan) for fields in PROBES.values() for name in fields}
    found["t_ns"], found["cycle"] = np.full(len(groups), np.nan), np.full(len(groups), np.nan)
    for name, columns in read.items():
        place, places = np.split(places, [len(columns["key"])])
        np.fmax.at(found["t_ns"], place, columns["t_ns"])
        found["cycle"][place] = columns["cycle"]
        last = _last(place, columns["t_ns"])
        for signal in PROBES[name]:
            found[signal][place[last]] = columns[signal][last]
    return found


def floats(table: pa.Table, name: str) -> Floats:
    """Return a column as numbers, NaN where it is NULL or absent."""
    if name not in table.column_names:
        return np.full(table.num_rows, np.nan)
    found: Floats = pc.cast(table[name], pa.float64(), safe=False).to_numpy()
    return found


def _readings(table: pa.Table, fields: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Return readings from cycle 0 on, with a key of the sample that they belong to."""
    table = table.filter(pc.greater_equal(pc.coalesce(table["cycle"], 0), 0))
    known = pc.is_valid(table["cycle"]).to_numpy()
    at = pc.fill_null(table["cycle"], 0).to_numpy(), pc.fill_null(table["t_ns"], -(2**61)).to_numpy()
    key = np.where(known, 2 * at[0] + 1, 2 * at[1])
    return {"key": key, **{name: floats(table, name) for name in ("cycle", "t_ns", *fields)}}


def _last(place: npt.NDArray[np.int64], t_ns: Floats) -> npt.NDArray[np.int64]:
    """Return the row of the latest time in each place; of equal ones the first, as SQL's arg_max takes it."""
    order = np.lexsort((-np.arange(len(place)), t_ns, place))
    order = order[np.isfinite(t_ns[order])]
    ends = np.append(place[order][1:] != place[order][:-1], True)[: len(order)]
    found: npt.NDArray[np.int64] = order[ends]
    return found


def _ntile(n: int, parts: int) -> npt.NDArray[np.int64]:
    """Return the part of each of ``n`` ordered rows, from 1, as SQL's ntile counts them."""
    sizes = np.full(parts, n // parts) + (np.arange(parts) < n % parts)
    return np.repeat(np.arange(1, parts + 1), sizes)
