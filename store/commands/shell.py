"""Ask one statement after another: multi-line, with history and completion, under the same lock as ``sql``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import duckdb

from store import output
from store.catalog import Catalog, open_catalog
from store.commandline import note, sentence
from store.commands import line_editing
from store.commands.statement import Limited
from store.selection import Selection

PROMPT, MORE = "driftlab> ", "     ...> "
LEAVING = ("exit", "quit", ".exit", ".quit", "\\q")
HELP = """Write a statement and end it with ; (SELECT, DESCRIBE, SHOW, SUMMARIZE).
  show tables;  describe cycles;  from runs limit 5;     Tab completes tables and columns
  Ctrl-C cancels a statement, Ctrl-D or exit ends."""


class Shell:
    """The prompt over one store; runs published meanwhile are seen by the next statement."""

    def __init__(self, root: Path, selection: Selection, options: argparse.Namespace) -> None:
        self._root = root
        self._selection = selection
        self._options = options
        self._catalog = self._open()
        self._seen = self._state()
        self._failed = False

    def run(self) -> int:
        """Answer until the input ends; 2 if a statement of a script failed, else 0."""
        interactive = sys.stdin.isatty()
        try:
            self._converse(interactive)
        finally:
            self._catalog.close()
        return 2 if self._failed and not interactive else 0

    def _converse(self, interactive: bool) -> None:
        with line_editing.prompt(self._catalog.columns() if interactive else {}, note) as remember:
            if interactive:
                note(f"{self._root}: {self._catalog.runs().num_rows} runs; help tells more, Ctrl-D ends")
            for statement in self._statements(interactive):
                remember()
                self._answer(statement)

    def _statements(self, interactive: bool) -> Iterator[str]:
        waiting = ""
        while True:
            try:
                line = input((MORE if waiting else PROMPT) if interactive else "")
            except KeyboardInterrupt:
                if not interactive:
                    raise
                waiting = ""
                sys.stdout.write("\n")
                continue
            except EOFError:
                if interactive:
                    sys.stdout.write("\n")
                elif waiting.strip():
                    yield waiting
                return
            if not waiting and line.strip().rstrip(";").lower() in LEAVING:
                return
            if not waiting and line.strip().rstrip(";").lower() in ("help", ".help"):
                note(HELP)
                continue
            whole, waiting = split(f"{waiting}{line}\n")
            yield from whole

    def _answer(self, statement: str) -> None:
        try:
            with suppress(KeyboardInterrupt):
                self._write(statement)
                return
            note("interrupted")
        except (ValueError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            note(sentence(error))
        self._failed = True

    def _write(self, statement: str) -> None:
        catalog = self._fresh()
        ids = self._selection.ids(catalog, running=True)
        options = self._options
        limits = {"timeout_s": options.timeout_s, "memory_limit": options.memory_limit}
        with catalog.sql(statement, runs=ids, **limits) as rows:
            limited = Limited(rows, options.limit)
            output.write_rows(limited, format=options.format or "table")
        if limited.cut:
            note(f"the first {options.limit} rows; start with --limit N for more")

    def _fresh(self) -> Catalog:
        state = self._state()
        if state != self._seen or self._options.live:
            self._catalog.close()
            self._catalog, self._seen = self._open(), state
        return self._catalog

    def _open(self) -> Catalog:
        catalog = open_catalog(self._root, live=self._options.live, timeout_s=self._options.timeout_s)
        for problem in catalog.problems[:2]:
            note(problem)
        return catalog

    def _state(self) -> list[int]:
        """Return what changes whenever a run or a layer comes or goes."""
        notes = self._root / "notes"
        places = [self._root / "runs", self._root / "spool", notes, *notes.glob("*")]
        return [place.stat().st_mtime_ns for place in places if place.exists()]


def split(text: str) -> tuple[list[str], str]:
    """Return the statements of a text that are whole, each without its ``;``, and the rest."""
    # Bytes of stdin that are no UTF-8 stay as they are, for the statement's own refusal.
    whole, start, data = [], 0, text.encode(errors="surrogateescape")
    for offset, kind in duckdb.tokenize(text.encode(errors="replace").decode()):
        if kind == duckdb.token_type.operator and data[offset : offset + 1] == b";":
            whole.append(data[start:offset].decode(errors="surrogateescape"))
            start = offset + 1
    rest = data[start:].decode(errors="surrogateescape")
    return [statement for statement in whole if statement.strip()], rest if rest.strip() else ""
