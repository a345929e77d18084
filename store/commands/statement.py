"""What ``sql`` is asked: the statement, from wherever it comes, its parameters, and how many rows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from store.adhoc import Rows


def text(argument: str | None, file: Path | None) -> str:
    """Return the statement: the argument, else what the file holds, else what stdin holds.

    Raises
    ------
    ValueError
        If there is none, or more than one place to take it from.
    """
    if argument is not None and file is not None:
        raise ValueError(f"a statement is given and file {file} too; give one of them")
    if file is not None:
        return _decoded(file)
    if argument not in (None, "-"):
        return str(argument)
    if argument is None and sys.stdin.isatty():
        raise ValueError("no statement is given; write one as an argument, in a --file, or to stdin")
    return sys.stdin.read()


def parameters(words: Sequence[str]) -> dict[str, Any]:
    """Return the values of ``$name``: JSON where a word is that (``5``, ``true``, ``"5"``), else text.

    Raises
    ------
    ValueError
        If a word is no ``name=value``, or a name stands twice.
    """
    found: dict[str, Any] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not name.isidentifier():
            raise ValueError(
                f"--param {word!r} is no pair; write --param name=value, and $name in the statement"
            )
        if name in found:
            raise ValueError(f"--param names {name} twice; name it once")
        found[name] = _value(value)
    return found


class Limited:
    """The first rows of a statement; ``cut`` tells afterwards whether there were more."""

    def __init__(self, rows: Rows, limit: int | None) -> None:
        self.schema: pa.Schema = rows.schema
        self.cut = False
        self._rows = rows
        self._limit = limit

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        left = self._limit
        for batch in self._rows:
            if left is None or batch.num_rows <= left:
                yield batch
            else:
                self.cut = True
                yield batch.slice(0, left)
                return
            left = None if left is None else left - batch.num_rows


def _decoded(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeError as error:
        raise ValueError(f"{file} is no UTF-8 text ({error}); save it as UTF-8") from error


def _value(word: str) -> Any:
    try:
        value = json.loads(word)
    except (ValueError, RecursionError):
        return word
    return word if isinstance(value, dict) else value
