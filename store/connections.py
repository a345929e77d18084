"""Locked connections to the tables of some runs, the latest of them kept open: each takes 20 ms to make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from store import query
from store.query import Connection, Source

KEPT = 8


class Connections:
    """Connections by the runs whose tables they see; None are all runs."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, ...] | None, Connection] = {}

    def to(
        self, runs: Sequence[str] | None, tables: Callable[[Sequence[str] | None], Mapping[str, Source]]
    ) -> Connection:
        """Return the connection that sees ``tables(runs)``.

        Raises
        ------
        ValueError
            As ``tables`` and ``query.connect`` do.
        """
        key = None if runs is None else tuple(runs)
        if key not in self._open:
            if len(self._open) >= KEPT:
                self._open.pop(next(iter(self._open))).close()
            self._open[key] = query.connect(tables(runs))
        return self._open[key]

    def close(self) -> None:
        """Close them all."""
        for connection in self._open.values():
            connection.close()
        self._open.clear()
