"""Python's allocator of small objects: its arenas, and how much of them is in use.

An arena goes back to the system only when all its pools are empty: one survivor pins it.  What sets fragmentation
apart from growth is ``arena_bytes`` rising while ``allocated_bytes`` does not.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from typing import NamedTuple

from probes.protocols import Meters, Value
from probes.rates import checked

_ARENAS = re.compile(rb"^(\d+) arenas \* (\d+) bytes/arena", re.MULTILINE)
_LIVE = re.compile(rb"^# bytes in allocated blocks +=\s*([\d,]+)", re.MULTILINE)
_FREE = re.compile(rb"^# bytes in available blocks +=\s*([\d,]+)", re.MULTILINE)
_POOLS = re.compile(rb"^(\d+) unused pools \* \d+ bytes", re.MULTILINE)


class Sample(NamedTuple):
    """One reading.  ``None`` becomes NULL and means "not read", never zero.

    ``available_bytes`` are the free blocks of pools in use; ``free_pools`` are the pools without a live block.
    """

    arenas: int | None
    arena_bytes: int | None
    allocated_bytes: int | None
    available_bytes: int | None
    free_pools: int | None


NOTHING = Sample(None, None, None, None, None)


def parse(text: bytes) -> Sample:
    """Return what CPython's report says; a line that it lacks is ``None``, as all are where pymalloc is off."""
    totals = text[text.find(b"# arenas") :]  # behind the table of size classes, which took 22 us to search
    arenas, pools = _ARENAS.search(totals), _POOLS.search(totals)
    live, free = (_count(pattern.search(totals)) for pattern in (_LIVE, _FREE))
    return Sample(
        int(arenas[1]) if arenas else None,
        int(arenas[1]) * int(arenas[2]) if arenas else None,
        live,
        free,
        int(pools[1]) if pools else None,
    )


def _count(found: re.Match[bytes] | None) -> int | None:
    return int(found[1].replace(b",", b"")) if found else None


class Probe:
    """Let ``_PyObject_DebugMallocStats`` write its report into memory, and read five numbers out of it.

    A reading takes 19 us at 5 arenas and 0.85 ms at 970, since every pool's header is looked at (medians of 5,000
    and 300; Linux 6.18, Python 3.11.7, AMD EPYC).  ``sys._debugmallocstats`` writes the same to an unbuffered
    stderr: 0.2 ms.
    """

    def __init__(
        self, _meters: Meters, *, every_cycles: int | None = None, every_s: float | None = None
    ) -> None:
        self.every_cycles, self.every_s = checked(every_cycles, every_s)
        self.missing: dict[str, str] = {}
        try:
            self._report: Callable[[], bytes] | None = _reporter()
        except (AttributeError, OSError, TypeError) as error:
            self._lack(f"this Python or its C library cannot write the report: {error}")

    def read(self) -> tuple[Value, ...]:
        """Take one sample."""
        if self._report is None:
            return NOTHING
        sample = parse(self._report())
        if sample == NOTHING:
            self._lack(
                "pymalloc is off (PYTHONMALLOC=malloc, a free-threaded build) or covered by tracemalloc"
            )
        return sample

    def close(self) -> None:
        """Nothing is held."""

    def _lack(self, why: str) -> None:
        self._report = None
        self.missing = dict.fromkeys(Sample._fields, why)


def _reporter() -> Callable[[], bytes]:
    """Return a function that returns the report; raise AttributeError where a symbol is missing."""
    # PyDLL keeps the GIL: the report walks lists that any other thread changes.
    write = ctypes.PyDLL(None)._PyObject_DebugMallocStats
    libc = ctypes.CDLL(None)
    open_memstream, fclose, free = libc.open_memstream, libc.fclose, libc.free
    write.argtypes, write.restype = [ctypes.c_void_p], ctypes.c_int
    open_memstream.argtypes, open_memstream.restype = [ctypes.c_void_p, ctypes.c_void_p], ctypes.c_void_p
    fclose.argtypes, free.argtypes = [ctypes.c_void_p], [ctypes.c_void_p]

    def report() -> bytes:
        text, size = ctypes.c_void_p(), ctypes.c_size_t()
        file = open_memstream(ctypes.byref(text), ctypes.byref(size))
        if not file:
            return b""
        write(file)
        fclose(file)
        try:
            return ctypes.string_at(text.value, size.value) if text.value else b""
        finally:
            free(text)

    return report
