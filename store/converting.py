"""Turn a spool's segments into Arrow batches, one segment at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from probes.segment import CLOCKS, SCHEDSTAT_BYTES, START, Segment, read_segment, segment_bytes
from store import schema

ALWAYS = ("cycles", "windows")
"""Tables that every run has, be they empty."""

_NUMBERS = {"int": "BIGINT", "float": "DOUBLE", "clock": "BIGINT", "schedstat": "BIGINT"}
_CELLS = {"int": "<i8", "float": "<f8", "clock": "<i8", "schedstat": f"S{SCHEDSTAT_BYTES}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The readable segments of a spool by stream; ``problems`` has one sentence for each that is not."""

    streams: Mapping[str, Sequence[Segment]]
    problems: list[str] = field(default_factory=list)


def recording(directory: Path) -> Recording:
    """Read the headers of all segments in ``directory``; a damaged one is named and left out."""
    streams: dict[str, list[Segment]] = {name: [] for name in ALWAYS}
    problems = []
    for path in sorted(directory.glob("*.spool")):
        try:
            segment = read_segment(path)
            streams.setdefault(segment.stream, []).append(segment)
        except (OSError, ValueError) as error:
            problems.append(_lost(path, error))
    for segments in streams.values():
        segments.sort(key=lambda segment: segment.index)
    return Recording(streams=streams, problems=problems)


def reader(recorded: Recording, stream: str, conditions: Sequence[str | None]) -> pa.RecordBatchReader:
    """Return one stream as its table's rows, core columns first, without ``run_id``.

    Parameters
    ----------
    recorded : Recording
        Segments; one that turns out damaged while it is read is added to ``recorded.problems``.
    stream : str
        ``cycles``, ``windows`` or ``probe_<name>``.
    conditions : sequence of str
        Names of the conditions by position.
    """
    segments = recorded.streams[stream]
    columns = _columns(stream, segments)

    def batches() -> Iterator[pa.RecordBatch]:
        for segment in segments:
            try:
                records = _records(segment)
                found = batch(segment, records, columns, conditions)
            except (OSError, ValueError) as error:
                recorded.problems.append(_lost(segment.path, error))
                continue
            missing = int((records["valid"] < START).sum()) - found.num_rows
            if missing:
                recorded.problems.append(_blank(segment, missing))
            yield found

    return pa.RecordBatchReader.from_batches(columns, batches())


def batch(
    segment: Segment,
    records: npt.NDArray[np.void],
    columns: pa.Schema,
    conditions: Sequence[str | None],
) -> pa.RecordBatch:
    """Return the rows of one segment; a column that it lacks is NULL, and a row of zeros is none."""
    kept = _rows(segment, records)
    rows = records[kept]
    found = {
        name: _clock(_totals(records, bit, kind), records["valid"], bit, kept)
        if kind in CLOCKS
        else _array(rows[str(bit)], rows["valid"], bit)
        for bit, (name, kind) in enumerate(segment.columns)
    }
    if "condition" in found:
        names = pa.array([*conditions, None], pa.string())
        found["condition"] = names.take(_known(found["condition"], len(conditions)))
    if segment.stream == "cycles":
        found.update(_derived(segment, rows, found))
    arrays = [_cast(found.get(column.name), column.type, len(rows)) for column in columns]
    return pa.record_batch(arrays, schema=columns)


def _derived(
    segment: Segment, rows: npt.NDArray[np.void], found: Mapping[str, pa.Array]
) -> dict[str, pa.Array]:
    """Return the columns of table ``cycles`` that follow from a row's clocks."""
    if "wall_ns" not in found:
        return {}
    wall = found["wall_ns"]
    derived = {"net_ns": pc.subtract(wall, pc.coalesce(found.get("probe_ns", 0), 0))}
    kinds = dict(segment.columns)
    if kinds["wall_ns"] in CLOCKS:
        at = str(list(kinds).index("wall_ns"))
        derived["t_ns"] = pa.array(rows[at] - segment.origin_ns)
        derived["process"] = pa.array(np.zeros(len(rows), np.int64))
        derived["offcpu_ns"] = pc.subtract(pc.subtract(wall, found["cpu_ns"]), found["runq_ns"])
    return derived


def _columns(stream: str, segments: Sequence[Segment]) -> pa.Schema:
    """Return core columns, then those of the segments: a new observable starts a new segment."""
    core = schema.arrow(stream, run_id=False) if stream in schema.TABLES else pa.schema([])
    types = dict(zip(core.names, core.types, strict=True))
    for segment in segments:
        for name, kind in segment.columns:
            known = types.setdefault(name, _own_type(name, kind))
            if name not in core.names and kind == "float" and known == pa.int64():
                types[name] = pa.float64()
    return pa.schema(list(types.items()))


def _own_type(name: str, kind: str) -> pa.DataType:
    return pa.string() if name == "condition" else schema.ARROW[_NUMBERS[kind]]


def _records(segment: Segment) -> npt.NDArray[np.void]:
    """Return all records up to the cursor, be they rows or not."""
    cells = [(str(bit), _CELLS[kind]) for bit, (_, kind) in enumerate(segment.columns)]
    data = segment_bytes(segment)
    records: npt.NDArray[np.void] = np.frombuffer(data, np.dtype([("valid", "<u8"), *cells]))
    return records


def _rows(segment: Segment, records: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Tell which records are rows: no starts, and none that a power cut took while the cursor was kept.

    A row of clocks needs the record before it too.
    """
    valid = records["valid"]
    rows: npt.NDArray[np.bool_] = (valid != 0) & (valid < START)
    if any(kind in CLOCKS for _, kind in segment.columns):
        rows[1:] &= valid[:-1] != 0
        rows[:1] = False
    return rows


def _totals(records: npt.NDArray[np.void], bit: int, kind: str) -> npt.NDArray[np.int64]:
    if kind == "clock":
        return np.ascontiguousarray(records[str(bit)])
    texts = [text.split() for text in records[str(bit)].tolist()]
    return np.array([int(numbers[1]) if len(numbers) > 1 else 0 for numbers in texts], np.int64)


def _clock(
    totals: npt.NDArray[np.int64],
    valid: npt.NDArray[np.uint64],
    bit: int,
    rows: npt.NDArray[np.bool_],
) -> pa.Array:
    """Return what a clock went on from the record before to each row."""
    read = (valid >> np.uint64(bit)) & np.uint64(1) == 1
    read[1:] &= read[:-1]
    return pa.array(np.diff(totals, prepend=totals[:1])[rows], mask=~read[rows])


def _array(values: npt.NDArray[np.void], valid: npt.NDArray[np.uint64], bit: int) -> pa.Array:
    absent = (valid >> np.uint64(bit)) & np.uint64(1) == 0
    return pa.array(np.ascontiguousarray(values), mask=absent)


def _known(positions: pa.Array, count: int) -> pa.Array:
    """Return positions as indices into ``count`` names and a NULL behind them."""
    inside = pc.and_(pc.greater_equal(positions, 0), pc.less(positions, count))
    return pc.if_else(pc.fill_null(inside, False), positions, count)


def _cast(array: pa.Array | None, kind: pa.DataType, rows: int) -> pa.Array:
    if array is None:
        return pa.nulls(rows, kind)
    return array if array.type == kind else pc.cast(array, kind, safe=False)


def _lost(path: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return f"{path.name} could not be read and its rows are missing ({reason})"


def _blank(segment: Segment, rows: int) -> str:
    return f"{rows} rows of {segment.path.name} never reached the disk and are missing"
