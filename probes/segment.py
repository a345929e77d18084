"""What a segment of a spool looks like, and how it is read: up to its cursor, at any time, by anybody.

A header page (magic, format, byte order, cursor, closed, JSON) and records of fixed width: a mask of the columns
that hold a value, then the columns.  Clocks stand there as they were read, so that a row costs no subtraction while
it is written: a row's value is the difference to the record before.  A record that is a ``START`` is no row; it
holds what the next one counts from, at the begin of every condition and of every segment with clocks.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAGIC = b"DRIFTSPL"
FORMAT = 2
BYTE_ORDER_MARK = 0x01020304
PAGE_BYTES = 4096
MOST_COLUMNS = 63
"""One bit of the mask each, but for the last one."""

START = 1 << 63
"""In a mask: no row, but the clocks from which the next row counts."""

# magic, format, byte-order mark, cursor, closed, header bytes, JSON bytes
HEAD = struct.Struct("<8sIIQQII")
CURSOR_AT, CLOSED_AT = 16, 24
SCHEDSTAT_BYTES = 48


class Clock(int):
    """A column's type: a running total, of which each row takes what came on."""


class Schedstat(int):
    """A column's type: proc_pid_schedstat(5) as text, whose second number is a ``Clock``.

    Parsed when the rows are read: the text takes 0.1 us less to write than the number.
    """


NAMES: Mapping[type, str] = {int: "int", float: "float", Clock: "clock", Schedstat: "schedstat"}
CODES = {"int": "q", "float": "d", "clock": "q", "schedstat": f"{SCHEDSTAT_BYTES}s"}
CLOCKS = ("clock", "schedstat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file of a stream, as its header tells it; ``rows`` is where the cursor stood when it was read.

    Rows count ``START`` records too.  ``origin_ns`` is the wall clock at which ``t_ns`` is 0.
    """

    path: Path
    stream: str
    columns: tuple[tuple[str, str], ...]
    record_bytes: int
    capacity: int
    index: int
    started_at_ns: int
    origin_ns: int
    closed: bool
    rows: int
    header_bytes: int


def record(kinds: list[str]) -> struct.Struct:
    """Return the layout of a record: the mask, then the columns."""
    return struct.Struct("<Q" + "".join(CODES[kind] for kind in kinds))


def read_segment(path: Path) -> Segment:
    """Return what a segment's header says.

    Raises
    ------
    ValueError
        If the file is no segment, was written by another version, or is shorter than its cursor says.
    """
    with path.open("rb") as file:
        head = file.read(HEAD.size)
        if len(head) < HEAD.size or not head.startswith(MAGIC):
            raise ValueError(f"{path} is not a spool segment; move it out of the spool directory")
        _, version, order, cursor, closed, header_bytes, json_bytes = HEAD.unpack(head)
        if (version, order) != (FORMAT, BYTE_ORDER_MARK):
            raise ValueError(
                f"{path} has format {version}, byte order {order:#x}; this version reads format {FORMAT}, "
                f"{BYTE_ORDER_MARK:#x}: adopt it with the version that wrote it"
            )
        document, size = file.read(json_bytes), os.fstat(file.fileno()).st_size
    segment = _described(path, document, rows=cursor, closed=bool(closed), header_bytes=header_bytes)
    if segment.rows > segment.capacity or size < header_bytes + segment.rows * segment.record_bytes:
        raise ValueError(
            f"{path} is truncated: {size} bytes for {segment.rows} rows of {segment.record_bytes} bytes; "
            "restore the file or remove it"
        )
    return segment


def _described(path: Path, text: bytes, *, rows: int, closed: bool, header_bytes: int) -> Segment:
    try:
        document: dict[str, Any] = json.loads(text)
        columns = tuple((str(name), str(kind)) for name, kind in document["columns"])
        if not {kind for _, kind in columns} <= set(CODES):
            raise ValueError(f"columns {columns}")
        if document["record_bytes"] != record([kind for _, kind in columns]).size:
            raise ValueError(f"records of {document['record_bytes']} bytes")
        return Segment(
            path=path,
            stream=str(document["stream"]),
            columns=columns,
            record_bytes=int(document["record_bytes"]),
            capacity=int(document["capacity"]),
            index=int(document["segment"]),
            started_at_ns=int(document["started_at_ns"]),
            origin_ns=int(document["origin_ns"]),
            closed=closed,
            rows=rows,
            header_bytes=header_bytes,
        )
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{path} has a damaged header ({error}); restore the file or remove it") from error


def segment_bytes(segment: Segment) -> bytes:
    """Return the records of a segment up to its cursor: exactly ``rows * record_bytes`` bytes."""
    wanted = segment.rows * segment.record_bytes
    with segment.path.open("rb") as file:
        file.seek(segment.header_bytes)
        records = file.read(wanted)
    if len(records) < wanted:
        raise ValueError(
            f"{segment.path} is truncated: {len(records)} of {wanted} bytes of records; restore the file"
        )
    return records


def last_value(segment: Segment, column: str) -> int | None:
    """Return an ``int`` or ``clock`` column of a segment's last record; ``None`` if there is none."""
    layout = record([kind for _, kind in segment.columns])
    at = [name for name, _ in segment.columns].index(column)
    if not segment.rows:
        return None
    with segment.path.open("rb") as file:
        file.seek(segment.header_bytes + (segment.rows - 1) * layout.size)
        mask, *values = layout.unpack(file.read(layout.size))
    return int(values[at]) if mask >> at & 1 else None
