"""Observables that a program adds to its cycles while it runs, and those of its named samplings."""

from __future__ import annotations

import operator
import threading
from collections.abc import Mapping, Sequence

from probes.meters import Meters
from probes.protocols import Value
from probes.recording import CYCLES, DERIVED, Recorder
from probes.segment import MOST_COLUMNS

OF_RUNS = frozenset(
    (
        *("run_id", "experiment", "config_id", "sweep_id", "sweep_index", "optimization", "workload", "seed"),
        *("replicate", "status", "started_at", "ended_at", "wall_s", "cpu_s", "n_cycles"),
        *("total_sampling_calls", "peak_rss_bytes", "traced", "sensor_source", "continues", "git_commit"),
        *("git_dirty", "python", "packages", "os", "kernel", "host", "boot_id", "cpu_model", "cores"),
        *("memory_bytes", "allocator", "concurrent_runs", "config", "source", "error", "tags", "notes"),
    )
)
"""Columns of table ``runs``: a name in both tables would make every join of them ambiguous."""

_TAKEN = frozenset((*CYCLES, *DERIVED, *OF_RUNS))
_OF_ARROW = ("__filename", "__batch_index", "__fragment_index", "__last_in_fragment")
"""What a scan by Arrow adds to the columns of a file: with such a column the table could not be read."""
_RANGE = 2**63


class Observed:
    """The recorder of a loop whose observables are not known beforehand; ``fixed`` are those that are."""

    def __init__(self, recorder: Recorder, meters: Meters, *, fixed: Sequence[str] = ()) -> None:
        self.recorder, self._meters, self._end = recorder, meters, recorder.end_cycle
        self._types: dict[str, type] = {}
        self._values: dict[str, Value] = {}
        self._charged: dict[str, tuple[int, int]] = {}
        self._fixed = frozenset(fixed)
        self._new: dict[str, type] = {}
        self._lock = threading.Lock()  # observe() may be called from any thread

    def observe(self, values: Mapping[str, object]) -> None:
        """Set observables of the cycle under way; the last value of a name stands in its row.

        Raises
        ------
        ValueError
            If a name cannot be an observable, or an integer does not fit 64 bits.
        TypeError
            If a value is not a number.
        """
        for name, given in values.items():
            kind = self._types.get(name)
            if (type(given) is float and kind is float) or (
                type(given) is int and kind is int and -_RANGE <= given < _RANGE
            ):
                with self._lock:
                    self._values[name] = given
                continue
            value = number(name, given)
            if name not in self._types:
                check_name(name)
            with self._lock:
                self._take(name, value)

    def end_cycle(self, values: Sequence[Value] = ()) -> None:
        """End the cycle with the fixed observables' values, and those observed in it."""
        if self._meters.named:
            self._charge()
        elif not self._types:
            self._end(values)
            return
        with self._lock:
            if self._new:
                self.recorder.add_observables(self._new)
                self._new = {}
            row = tuple(map(self._values.get, self._types))
            self._values.clear()
        self._end((*values, *row))

    @property
    def pending(self) -> bool:
        """Whether anything was observed that stands in no row yet."""
        return bool(self._values)

    def _take(self, name: str, value: Value) -> None:
        if value is None:
            self._values.pop(name, None)
            return
        kind = self._types.get(name)
        if kind is None:
            self._check_room(name)
            self._types[name] = self._new[name] = type(value)
        elif kind is int and isinstance(value, float):
            # Refusing would end a simulation of hours for one fraction; the rows before stay exact to 2^53.
            self._types[name] = self._new[name] = float
        elif kind is float:
            value = float(value)
        self._values[name] = value

    def _check_room(self, name: str) -> None:
        folded = name.casefold()
        for known in (*self._types, *self._fixed):
            if folded == known.casefold():
                raise ValueError(
                    f"observable {name!r} is {known!r} to SQL, which ignores case; use one spelling"
                )
        room = MOST_COLUMNS - len(CYCLES) - len(self._fixed)
        if len(self._types) >= room:
            raise ValueError(f"observable {name!r} is one too many; a run has room for {room}")

    def _charge(self) -> None:
        """Observe what the named samplings took since the last cycle's end: 0 where there was none."""
        for name, account in list(self._meters.named.items()):
            ns, calls = self._charged.get(name, (0, 0))
            self._take(f"sampling_{name}_ns", account.ns - ns)
            self._take(f"sampling_{name}_calls", account.calls - calls)
            self._charged[name] = (account.ns, account.calls)


def number(name: str, value: object) -> Value:
    """Return an observable's value as a plain int or float; a bool is 0 or 1, ``None`` is not measured.

    Numbers of other libraries count by what they convert to (``numpy.int64`` to int, ``numpy.float32`` to float).
    """
    if value is None or type(value) is int or type(value) is float:
        plain: Value = value
    else:
        plain = _converted(name, value)
    if isinstance(plain, int) and not -_RANGE <= plain < _RANGE:
        raise ValueError(f"observable {name}={plain} does not fit 64 bits; give a float")
    return plain


def check_name(name: str) -> None:
    """Refuse a name that cannot stand beside the columns of cycles and of runs.

    Raises
    ------
    ValueError
        With the name and what it collides with.
    """
    if not (name.isidentifier() and name.isascii()):
        raise ValueError(
            f"observable {name!r} is no column's name; use letters, digits and underscores, a letter first"
        )
    if name.casefold() in _TAKEN:
        table = "runs" if name.casefold() in OF_RUNS else "cycles"
        raise ValueError(
            f"observable {name!r} is a column of {table} already; give another name, such as own_{name}"
        )
    if name in _OF_ARROW:
        raise ValueError(f"observable {name!r} is a column that Arrow adds; give another name")
    if name.casefold().startswith("sampling_"):
        raise ValueError(f"observable {name!r} begins as those of sampling() do; give another name")


def _converted(name: str, value: object) -> Value:
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        pass
    try:
        if isinstance(value, str | bytes | bytearray):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"observable {name}={value!r} is a {type(value).__name__}; give an int or a float"
        ) from error
