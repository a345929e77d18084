"""Segments with running clocks become rows of differences."""

from itertools import pairwise

import pytest

from probes.meters import Meters
from probes.recording import Recorder
from probes.running import Running
from probes.segment import START, Clock, Schedstat, read_segment
from probes.spool import Stream
from store import converting

COLUMNS = {"condition": int, "cycle": int, "wall_ns": Clock, "cpu_ns": Clock, "runq_ns": Schedstat}


def published(directory):
    recorded = converting.recording(directory)
    rows = converting.reader(recorded, "cycles", ["a", "b"]).read_all().to_pylist()
    return rows, recorded.problems


def stream_of(directory, records):
    stream = Stream(directory, "cycles", COLUMNS, capacity=8, started_at_ns=0, origin_ns=100)
    for flags, row in records:
        page = stream.page
        stream.append_masked(page.offset + page.cursor[0] * page.layout.size, row, flags)
        page.cursor[0] += 1
    stream.close()


def test_a_row_takes_what_its_clocks_went_on(tmp_path):
    records = [
        (START, (0, -1, 1000, 500, b"9 40 1\n")),
        (0, (0, 0, 1100, 560, b"9 50 2\n")),
        (0, (0, 1, 1300, None, b"9 50 2\n")),
        (0, (0, 2, 1400, 700, b"9 60 2\n")),
        (START, (1, 2, 9000, 900, b"9 60 2\n")),
        (0, (1, 3, 9010, 905, b"9 61 2\n")),
    ]
    stream_of(tmp_path, records)
    rows, problems = published(tmp_path)
    names = ("condition", "cycle", "t_ns", "wall_ns", "cpu_ns", "runq_ns", "offcpu_ns", "net_ns", "process")
    assert [tuple(row[name] for name in names) for row in rows] == [
        ("a", 0, 1000, 100, 60, 10, 30, 100, 0),
        ("a", 1, 1200, 200, None, 0, None, 200, 0),
        ("a", 2, 1300, 100, None, 10, None, 100, 0),
        ("b", 3, 8910, 10, 5, 1, 4, 10, 0),
    ]
    assert problems == []


def test_a_row_whose_predecessor_never_reached_the_disk_is_left_out_and_said(tmp_path):
    stream_of(tmp_path, [(START, (0, -1, 0, 0, b"0 0 0"))] + [(0, (0, i, i, i, b"0 0 0")) for i in range(5)])
    segment = read_segment(tmp_path / "cycles-000000.spool")
    raw = bytearray(segment.path.read_bytes())
    at = segment.header_bytes + 2 * segment.record_bytes
    raw[at : at + segment.record_bytes] = bytes(segment.record_bytes)
    segment.path.write_bytes(raw)
    rows, problems = published(tmp_path)
    assert [row["cycle"] for row in rows] == [0, 3, 4]
    assert problems == ["2 rows of cycles-000000.spool never reached the disk and are missing"]


@pytest.mark.parametrize("mode", ["full", "light"])
def test_rows_telescope_over_segments_and_new_observables(tmp_path, monkeypatch, mode):
    monkeypatch.setattr("probes.recording.SEGMENT_ROWS", 16)
    with Meters() as meters:
        recorder = Recorder(
            Running(tmp_path), meters=meters, observables={"population": int}, probes={}, accounts=mode
        )
        with recorder:
            recorder.begin(0)
            for cycle in range(40):
                recorder.end_cycle((None if cycle == 3 else cycle,))
            recorder.add_observables({"energy": float})
            for cycle in range(40, 60):
                recorder.end_cycle((cycle, 0.5))
            recorder.end_condition()
    rows, problems = published(tmp_path)
    assert [row["cycle"] for row in rows] == list(range(60))
    assert [row["population"] for row in rows] == [None if i == 3 else i for i in range(60)]
    assert [row["energy"] for row in rows] == [None] * 40 + [0.5] * 20
    for before, after in pairwise(rows):
        assert after["t_ns"] - before["t_ns"] == after["wall_ns"]
        assert (after["cpu_ns"] is None) == (mode == "light")
        assert (after["minor_faults"] is None) == (mode == "light")
    assert problems == []
