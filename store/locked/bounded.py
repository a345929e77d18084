"""Work on a connection within a time limit, and one sentence for what DuckDB says against it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

import duckdb
import pyarrow as pa

T = TypeVar("T")

GRACE_S = 2.0
"""How long an interrupted statement may take to notice; one heavy scalar function never does."""


LONGEST_S = 1e7
"""A wait of 10^10 s is more than the system's clocks take."""


class Refused(ValueError):  # noqa: N818 - reads as the sentence it is
    """A statement that was not run, or that DuckDB ended; one sentence."""


def checked(timeout_s: float | None) -> float | None:
    """Return a time limit [s].

    Raises
    ------
    Refused
        If it is none.
    """
    if timeout_s is None or 0 < timeout_s < LONGEST_S:
        return timeout_s
    raise Refused(
        f"timeout_s={timeout_s:g} is no limit; give seconds above 0 and below {LONGEST_S:g}, or None"
    )


class Bound:
    """Runs work in a thread of its own, so that the time limit and Ctrl-C are heeded while DuckDB is busy."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, timeout_s: float | None) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._pool = ThreadPoolExecutor(1)

    def run(self, work: Callable[[], T]) -> T:
        """Return what ``work`` does, or end it: at the limit, or with Ctrl-C.

        Raises
        ------
        Refused
            If DuckDB, Arrow or a file says that it cannot be done; one sentence.
        TimeoutError
            At the limit.
        KeyboardInterrupt
            At Ctrl-C.

        Work that still does not listen ``GRACE_S`` later ends the process, with code 2 at the limit and 130 at Ctrl-C.
        """
        future = self._pool.submit(work)
        left = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        try:
            finished, _ = wait([future], left)
        except KeyboardInterrupt:
            self._end(future, "interrupted", 130)
            raise
        if not finished:
            remedy = "ask for less, or raise --timeout-s (Python: timeout_s)"
            late = f"the query took longer than {self._timeout_s:g} s; {remedy}"
            self._end(future, late, 2)
            raise TimeoutError(late)
        try:
            return future.result()
        except (duckdb.Error, pa.ArrowException, OSError) as error:  # a file that is gone is an OSError
            raise Refused(sentence(error)) from error

    def _end(self, future: Future[T], reason: str, code: int) -> None:
        """Interrupt until it helps; a statement that does not listen takes the process with it."""
        give_up = time.monotonic() + GRACE_S
        with suppress(KeyboardInterrupt):  # a second Ctrl-C does not want to wait
            while time.monotonic() < give_up:
                self._connection.interrupt()
                if wait([future], 0.05).done:
                    return
        os.write(2, f"{reason}\n".encode())
        os._exit(code)

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()


def sentence(error: Exception) -> str:
    """Reduce DuckDB's message to one line: what is wrong, and the candidates it offers."""
    if isinstance(error, duckdb.OutOfMemoryException):  # its remedies are settings, which are locked
        used = re.search(r"[\d.]+ \w+/([\d.]+ \w+) used", str(error))
        limit = f" of {used[1]}" if used else ""
        remedy = "ask for less, or raise --memory-limit (Python: memory_limit)"
        return f"the query takes more than its memory{limit}; {remedy}"
    kept: list[str] = []
    for line in str(error).splitlines():
        if line.startswith("LINE "):
            break
        kept.append(line.strip())
    text = " ".join(filter(None, kept)) or type(error).__name__
    text = text.rpartition("failed: ValueError: ")[2]  # what a table of ours says for itself
    return text if len(text) <= 500 else text[:500] + " …"
