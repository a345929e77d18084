import math
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes.room import SpoolLost
from probes.segment import read_segment, segment_bytes
from probes.spool import Stream

COLUMNS = {"cycle": int, "energy": float}


def stream(directory: Path, name: str = "cycles", capacity: int = 4, columns=None) -> Stream:
    return Stream(directory, name, columns or COLUMNS, capacity=capacity, started_at_ns=7)


CELL = st.none() | st.integers(-(2**63), 2**63 - 1)
REAL = st.none() | st.floats()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=40,
    deadline=None,
)
@given(st.lists(st.tuples(CELL, REAL), max_size=12))
def test_rows_come_back_bit_for_bit(tmp_path_factory, read_rows, rows):
    directory = tmp_path_factory.mktemp("spool")
    written = stream(directory)
    for row in rows:
        written.append(row)
    written.close()
    back = [tuple(row.values()) for row in read_rows(directory, "cycles")]
    assert repr(back) == repr(rows)


def test_a_missing_value_is_not_zero(tmp_path, read_rows):
    written = stream(tmp_path)
    written.append((0, 0.0))
    written.append((None, None))
    assert read_rows(tmp_path, "cycles") == [{"cycle": 0, "energy": 0.0}, {"cycle": None, "energy": None}]


def test_nan_is_a_value(tmp_path, read_rows):
    stream(tmp_path).append((1, math.nan))
    assert math.isnan(read_rows(tmp_path, "cycles")[0]["energy"])


def test_a_full_segment_is_closed_when_the_next_row_comes(tmp_path, read_rows, segments):
    written = stream(tmp_path)
    for cycle in range(8):
        written.append((cycle, 0.5))
    assert [(one.index, one.rows, one.closed) for one in segments(tmp_path)] == [(0, 4, True), (1, 4, False)]
    assert written.full
    written.append((8, 0.5))
    assert [one.rows for one in segments(tmp_path)] == [4, 4, 1]
    assert [row["cycle"] for row in read_rows(tmp_path, "cycles")] == list(range(9))


def test_a_segment_carries_its_own_schema(tmp_path, read_rows, segments):
    written = stream(tmp_path)
    written.append((0, 0.5))
    written.extend({"population": int})
    written.append((1, 1.5, 17))
    written.close()
    first, second = segments(tmp_path)
    assert first.columns == (("cycle", "int"), ("energy", "float"))
    assert second.columns == (*first.columns, ("population", "int"))
    assert (first.closed, first.rows, first.started_at_ns) == (True, 1, 7)
    assert read_rows(tmp_path, "cycles")[1] == {"cycle": 1, "energy": 1.5, "population": 17}


def test_an_open_segment_is_read_to_its_cursor(tmp_path, segments):
    written = stream(tmp_path, capacity=100)
    written.append((1, 2.0))
    (segment,) = segments(tmp_path, "cycles")
    assert not segment.closed
    assert segment_bytes(segment) == struct.pack("<Qqd", 3, 1, 2.0)


def test_segments_are_ordered_by_stream_and_index(tmp_path, segments):
    for name in ("windows", "cycles", "probe_memory"):
        written = stream(tmp_path, name, capacity=1)
        for cycle in range(12):
            written.append((cycle, 0.0))
    found = [(one.stream, one.index) for one in segments(tmp_path)]
    assert found == [(name, i) for name in ("cycles", "probe_memory", "windows") for i in range(12)]
    assert {one.stream for one in segments(tmp_path, "windows")} == {"windows"}


def test_many_columns_make_a_longer_header(tmp_path, read_rows, segments):
    columns = {f"an_observable_with_quite_a_long_name_{'x' * 60}_{i:02d}": int for i in range(63)}
    stream(tmp_path, columns=columns).append(tuple(range(63)))
    (segment,) = segments(tmp_path)
    assert segment.header_bytes == 8192
    assert list(read_rows(tmp_path, "cycles")[0].values()) == list(range(63))


def test_killing_the_writer_loses_no_row(tmp_path, read_rows):
    script = f"""
import os, signal
from pathlib import Path
from probes.spool import Stream
stream = Stream(Path({str(tmp_path)!r}), "cycles", {{"cycle": int, "energy": float}}, capacity=64, started_at_ns=0)
for cycle in range(1000):
    stream.append((cycle, cycle / 2))
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert [row["cycle"] for row in read_rows(tmp_path, "cycles")] == list(range(1000))


def damaged(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "foreign":
        content = bytearray(b"PAR1" + bytes(5000))
    elif how == "empty":
        content = bytearray()
    elif how == "other version":
        content[8:12] = struct.pack("<I", 9)
    elif how == "other byte order":
        content[12:16] = struct.pack(">I", 0x01020304)
    elif how == "damaged header":
        content[50:60] = b"\xff" * 10
    elif how == "truncated":
        content = content[:4100]
    elif how == "cursor beyond the end":
        content[16:24] = struct.pack("<Q", 999)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ("foreign", "not a spool segment"),
        ("empty", "not a spool segment"),
        ("other version", "format 9"),
        ("other byte order", "0x4030201"),
        ("damaged header", "damaged header"),
        ("truncated", "truncated"),
        ("cursor beyond the end", "truncated"),
    ],
)
def test_what_is_no_whole_segment_is_refused_by_name(tmp_path, how, word):
    written = stream(tmp_path)
    for cycle in range(4):
        written.append((cycle, 0.0))
    written.close()
    path = tmp_path / "cycles-000000.spool"
    damaged(path, how)
    with pytest.raises(ValueError, match=word) as refused:
        read_segment(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    "row",
    [(1,), (1, 2.0, 3), ("a", 2.0), (1.5, 2.0), (2**63, 2.0)],
    ids=["short", "long", "text", "real", "big"],
)
def test_a_row_that_does_not_fit_names_the_stream_and_its_columns(tmp_path, row, segments):
    written = stream(tmp_path)
    with pytest.raises(ValueError, match=r"stream cycles .* cycle \(int\), energy \(float\)"):
        written.append(row)
    assert segments(tmp_path)[0].rows == 0


def test_more_columns_than_mask_bits_are_refused(tmp_path):
    with pytest.raises(ValueError, match="64 columns; expected 1 to 63"):
        stream(tmp_path, columns={f"c{i}": int for i in range(64)})


def test_a_closed_stream_takes_no_row(tmp_path):
    written = stream(tmp_path)
    written.close()
    written.close()
    with pytest.raises(ValueError, match="closed"):
        written.append((1, 1.0))


def test_a_full_disk_keeps_what_was_written(small_disk, read_rows):
    disk = small_disk("64k")
    written = stream(disk, capacity=1000)  # 28 KiB a segment
    for cycle in range(2000):
        written.append((cycle, 0.0))
    with pytest.raises(SpoolLost, match="No space left on device"):
        written.append((2000, 0.0))
    written.close()
    assert [row["cycle"] for row in read_rows(disk, "cycles")] == list(range(2000))
    assert not list(disk.glob("*.new"))


def test_a_vanished_directory_is_a_lost_spool(tmp_path):
    directory = tmp_path / "spool"
    directory.mkdir()
    written = stream(directory, capacity=1)
    written.append((0, 0.0))
    (directory / "cycles-000000.spool").unlink()
    directory.rmdir()
    with pytest.raises(SpoolLost, match="No such file"):
        written.append((1, 0.0))
