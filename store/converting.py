"""Turn a spool's segments into Arrow batches, one segment at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from probes import spool
from store import schema

ALWAYS = ("cycles", "windows")
"""Tables that every run has, be they empty."""

_NUMBERS = {"int": "BIGINT", "float": "DOUBLE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The readable segments of a spool by stream; ``problems`` has one sentence for each that is not."""

    streams: Mapping[str, Sequence[spool.Segment]]
    problems: list[str] = field(default_factory=list)


def recording(directory: Path) -> Recording:
    """Read the headers of all segments in ``directory``; a damaged one is named and left out."""
    streams: dict[str, list[spool.Segment]] = {name: [] for name in ALWAYS}
    problems = []
    for path in sorted(directory.glob("*.spool")):
        try:
            segment = spool.read_segment(path)
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
                found = batch(segment, columns, conditions)
            except (OSError, ValueError) as error:
                recorded.problems.append(_lost(segment.path, error))
                continue
            if found.num_rows < segment.rows:
                recorded.problems.append(_blank(segment, segment.rows - found.num_rows))
            yield found

    return pa.RecordBatchReader.from_batches(columns, batches())


def batch(segment: spool.Segment, columns: pa.Schema, conditions: Sequence[str | None]) -> pa.RecordBatch:
    """Return the rows of one segment; a column that it lacks is NULL, and a row of zeros is none."""
    rows = _records(segment)
    found = {
        name: _array(rows[str(bit)], rows["valid"], bit) for bit, (name, _) in enumerate(segment.columns)
    }
    if "condition" in found:
        names = pa.array([*conditions, None], pa.string())
        found["condition"] = names.take(_known(found["condition"], len(conditions)))
    if "wall_ns" in found and segment.stream == "cycles":
        probe = pc.coalesce(found["probe_ns"], 0) if "probe_ns" in found else 0
        found["net_ns"] = pc.subtract(found["wall_ns"], probe)
    arrays = [_cast(found.get(column.name), column.type, len(rows)) for column in columns]
    return pa.record_batch(arrays, schema=columns)


def _columns(stream: str, segments: Sequence[spool.Segment]) -> pa.Schema:
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


def _records(segment: spool.Segment) -> npt.NDArray[np.void]:
    """Return the records that hold anything: after a power cut the cursor may be ahead of the pages."""
    kinds = {"int": "<i8", "float": "<f8"}
    cells = [(str(bit), kinds[kind]) for bit, (_, kind) in enumerate(segment.columns)]
    data = spool.segment_bytes(segment)
    rows: npt.NDArray[np.void] = np.frombuffer(data, np.dtype([("valid", "<u8"), *cells]))
    valid: npt.NDArray[np.void] = rows[rows["valid"] != 0]
    return valid


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


def _blank(segment: spool.Segment, rows: int) -> str:
    return f"{rows} rows of {segment.path.name} never reached the disk and are missing"
