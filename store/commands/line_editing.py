"""The line that a person types: history between sessions, completion of tables and columns."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

KEPT_LINES = 10_000
WORDS = (
    "select", "from", "where", "group by", "order by", "having", "limit", "join", "using", "with", "as", "and",
    "or", "not", "is null", "distinct", "count(*)", "avg(", "median(", "quantile_cont(", "describe", "summarize",
    "show tables",
)  # fmt: skip


def history() -> Path:
    """Return the file of the history: with the user's state, outside of every store."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "driftlab" / "store_history"


@contextmanager
def prompt(tables: Mapping[str, pa.Schema], note: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Set line editing up for ``input``; yields what keeps the lines so far.

    Without tables, for a script, there is none.
    """
    try:
        import readline
    except ImportError:  # pragma: no cover - Python built without it
        tables = {}
    if not tables:
        yield lambda: None
        return
    path = history()
    readline.set_completer(completer(tables))
    readline.set_completer_delims(" \t\n()=<>,;+-*/'\"")
    readline.parse_and_bind("tab: complete")
    readline.set_history_length(KEPT_LINES)

    def remember() -> None:
        readline.write_history_file(path)

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            readline.read_history_file(path)
        remember()
    except OSError as error:
        note(
            f"no history: {path} cannot be written ({error.strerror}); set XDG_STATE_HOME to another directory"
        )
        yield lambda: None
        return
    yield remember
    remember()


def completer(tables: Mapping[str, pa.Schema]) -> Callable[[str, int], str | None]:
    """Return readline's function: the n-th word that begins so."""
    names = dict.fromkeys([*tables, *(name for columns in tables.values() for name in columns.names), *WORDS])

    def complete(text: str, index: int) -> str | None:
        table, dot, _ = text.rpartition(".")
        words = (
            [f"{table}.{name}" for name in tables[table].names] if dot and table in tables else list(names)
        )
        found = [word for word in words if re.match(re.escape(text), word, re.IGNORECASE)]
        return found[index] if index < len(found) else None

    return complete
