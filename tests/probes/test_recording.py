import json
import os
import threading
import time
from itertools import pairwise
from typing import NamedTuple

import pytest

from probes import memory
from probes.meters import Meters
from probes.reading import TooDear, sample_columns
from probes.recording import Recorder
from probes.room import SpoolLost
from probes.running import Running

MS = 1_000_000


class Sample(NamedTuple):
    level_bytes: int | None
    share: float | None


class Probe:
    """Counts its readings; reports nothing at every third."""

    def __init__(self, *, every_cycles=None, every_s=None, cost_s=0.0):
        self.every_cycles, self.every_s, self.cost_s = every_cycles, every_s, cost_s
        self.reads, self.closed = 0, False
        self.missing = {}

    def read(self):
        time.sleep(self.cost_s)
        self.reads += 1
        return Sample(self.reads, None if self.reads % 3 == 0 else 0.5)

    def close(self):
        self.closed = True


@pytest.fixture
def spool(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


def record(
    spool, *, probes=None, conditions=((5, 0.0), (5, 0.0)), between_s=0.0, status="completed", **options
):
    """Record conditions of (cycles, seconds a cycle); return end.json."""
    running = Running(spool)
    try:
        with (
            Meters() as meters,
            Recorder(
                running, meters=meters, observables={"population": int}, probes=probes or {}, **options
            ) as recorder,
        ):
            for position, (cycles, seconds) in enumerate(conditions):
                time.sleep(between_s)
                recorder.begin(position)
                for cycle in range(cycles):
                    time.sleep(seconds)
                    recorder.end_cycle((cycle,))
                if status == "completed":
                    recorder.end_condition()
    finally:
        running.end(status, None)
    return json.loads((spool / "end.json").read_text())


def test_the_cycle_index_runs_on_over_all_conditions(spool, read_rows):
    record(spool)
    rows = read_rows(spool, "cycles")
    assert [(row["condition"], row["cycle"], row["population"]) for row in rows] == [
        (i // 5, i, i % 5) for i in range(10)
    ]
    assert {row["process"] for row in rows} == {0}


def test_rows_lie_within_the_clocks_around_them(spool, read_rows):
    cpu_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()
    record(spool, conditions=((30, 0.002),))
    wall_ns, cpu_ns = time.perf_counter_ns() - wall_ns, time.thread_time_ns() - cpu_ns
    rows = read_rows(spool, "cycles")
    assert 30 * 2 * MS <= sum(row["wall_ns"] for row in rows) < wall_ns
    assert 0 < sum(row["cpu_ns"] for row in rows) < cpu_ns
    assert sum(row["offcpu_ns"] for row in rows) > 30 * MS  # it sleeps
    assert min(row["runq_ns"] for row in rows) >= 0


def test_building_a_condition_is_in_no_cycle(spool, read_rows):
    record(spool, conditions=((3, 0.0), (3, 0.0)), between_s=0.1)
    rows = read_rows(spool, "cycles")
    before = [0, *(row["t_ns"] for row in rows)]
    apart = [row["t_ns"] - row["wall_ns"] - end for row, end in zip(rows, before, strict=False)]
    assert [ns >= 100 * MS for ns in apart] == [True, False, False] * 2


def test_the_baseline_is_cycle_minus_one_and_in_no_cycle(spool, read_rows):
    probe = Probe(every_cycles=4, cost_s=0.05)
    end = record(spool, probes={"level": probe}, conditions=((9, 0.0),))
    readings = read_rows(spool, "probe_level")
    assert [row["cycle"] for row in readings] == [-1, 3, 7]
    assert readings[0]["condition"] == 0
    assert readings[2] == {
        "condition": 0,
        "cycle": 7,
        "t_ns": readings[2]["t_ns"],
        "level_bytes": 3,
        "share": None,
    }
    rows = read_rows(spool, "cycles")
    dear = {row["cycle"] for row in rows if row["probe_ns"] >= 50 * MS}
    assert dear == {3, 7}
    assert all(row["wall_ns"] >= row["probe_ns"] for row in rows)
    assert rows[3]["t_ns"] >= readings[1]["t_ns"]
    assert end["observer"]["level"] == {
        "reads": 3,
        "ns": end["observer"]["level"]["ns"],
        "baseline_ns": end["observer"]["level"]["baseline_ns"],
        "cpu_ns": end["observer"]["level"]["cpu_ns"],
        "bytes": 3 * 6 * 8,
        "asked": {"every_cycles": 4},
        "in_effect": {"every_cycles": 4},
    }
    assert end["observer"]["level"]["ns"] >= 150 * MS
    assert end["observer"]["level"]["cpu_ns"] < 50 * MS  # it sleeps
    assert probe.closed


def test_a_rate_in_seconds_is_kept_over_conditions(spool, read_rows):
    record(spool, probes={"level": Probe(every_s=0.05)}, conditions=((10, 0.01), (10, 0.01)), between_s=0.1)
    cycles = [row["cycle"] for row in read_rows(spool, "probe_level")]
    assert cycles[0] == -1
    lasted_s = sum(row["wall_ns"] for row in read_rows(spool, "cycles")) / 1e9
    assert 1 <= len(cycles) - 1 <= lasted_s / 0.05  # the time between the conditions does not count


def test_a_rate_that_costs_too_much_is_lowered_and_said(spool, read_rows):
    # So dear that it is too dear even where a cycle waits 100 ms for a CPU.
    end = record(spool, probes={"level": Probe(every_cycles=1, cost_s=0.05)}, conditions=((60, 0.0),))
    assert len(read_rows(spool, "probe_level")) == 4
    assert end["observer"]["level"]["asked"] == {"every_cycles": 1}
    effective = end["observer"]["level"]["in_effect"]["every_cycles"]
    assert effective > 60
    assert len([note for note in end["notes"] if "probe" in note]) == 1
    assert end["notes"][0].startswith("probe level: a reading takes ")
    assert end["notes"][0].endswith(f"more than 1%; lowered to every_cycles={effective}")


def test_a_rate_that_costs_too_much_may_be_refused(spool):
    with pytest.raises(
        TooDear, match=r"probe level: a reading takes .* read it less often or set probe_budget=lower"
    ):
        record(spool, probes={"level": Probe(every_cycles=1, cost_s=0.002)}, budget="refuse")


def test_windows_cover_every_condition_without_a_gap(spool, read_rows, monkeypatch):
    monkeypatch.setattr("probes.windows.SECOND_NS", 100 * MS)
    record(spool, conditions=((3, 0.06), (4, 0.002)))
    cycles, windows = read_rows(spool, "cycles"), read_rows(spool, "windows")
    assert [row["first_cycle"] for row in windows] == [0, *(row["last_cycle"] + 1 for row in windows[:-1])]
    assert {row["condition"]: row["last_cycle"] for row in windows} == {0: 2, 1: 6}
    for window, after in pairwise(windows):
        assert window["wall_ns"] >= 100 * MS or window["condition"] < after["condition"]
    assert len(windows) > 2
    for window in windows:
        inside = [row for row in cycles if window["first_cycle"] <= row["cycle"] <= window["last_cycle"]]
        for account in ("wall_ns", "cpu_ns", "runq_ns", "offcpu_ns"):
            assert window[account] == sum(row[account] for row in inside)
        assert window["t_ns"] == inside[-1]["t_ns"]
        assert window["threads"] is None or window["threads"] >= 1
        # One thread here: the process spends what its loop does, give or take what reading the clocks takes.
        assert abs(window["process_cpu_ns"] - window["cpu_ns"]) < 50 * MS
        assert window["children_cpu_ns"] == 0


def test_a_condition_broken_off_leaves_its_window_without_the_process_clocks(spool, read_rows):
    record(spool, conditions=((4, 0.0),), status="interrupted")
    (window,) = read_rows(spool, "windows")
    assert (window["first_cycle"], window["last_cycle"]) == (0, 3)
    assert window["user_ns"] is not None
    assert (window["process_cpu_ns"], window["children_cpu_ns"], window["threads"]) == (None, None, None)


def test_a_roll_is_charged_to_the_probes(spool, read_rows, monkeypatch, segments):
    monkeypatch.setattr("probes.recording.SEGMENT_ROWS", 4)
    record(spool, conditions=((10, 0.0),))
    assert {row["cycle"] for row in read_rows(spool, "cycles") if row["probe_ns"]} == {3, 6, 9}
    # The first record of a segment is no row: it holds the clocks that the next one counts from.
    assert [one.rows for one in segments(spool, "cycles")] == [4, 4, 4, 2]


def test_what_the_machine_lacks_is_said(spool):
    probe = Probe(every_cycles=1)
    probe.missing = {"share": "no such file"}
    assert "probe level: share is NULL (no such file)" in record(spool, probes={"level": probe})["notes"]


def test_a_reading_that_fails_is_a_row_of_nulls_and_said_and_the_run_goes_on(spool, read_rows):
    probe = memory.Probe(Meters(), every_cycles=1)
    os.close(probe._statm)
    probe._statm = os.open(spool, os.O_RDONLY)  # of a directory nothing can be read
    end = record(spool, probes={"memory": probe}, conditions=((5, 0.0),))
    rows = read_rows(spool, "probe_memory")
    assert {row[field] for row in rows for field in memory.Sample._fields} == {None}
    assert len(read_rows(spool, "cycles")) == 5
    failed = f"{len(rows)} of {len(rows)} readings failed: [Errno 21] Is a directory"
    assert f"probe memory: {', '.join(memory.Sample._fields)} are NULL ({failed})" in end["notes"]


def test_the_end_says_how_it_went(spool):
    end = record(spool, conditions=((5, 0.01),))
    assert end["status"] == "completed"
    assert end["error"] is None
    assert end["wall_ns"] >= 50 * MS
    assert end["cpu_ns"] < end["wall_ns"]
    assert end["peak_rss_bytes"] > 2**20
    assert end["ended_at"] > end["started_at"]
    assert end["started_at"].endswith("+00:00")
    assert "probes.recording" in end["modules"]
    assert not (spool / "end.json.new").exists()


def test_columns_are_those_of_the_sample_of_the_probes_module():
    assert sample_columns(Probe(every_cycles=1)) == {"level_bytes": int, "share": float}


def test_a_disk_that_cannot_hold_the_run_is_said_before_it_begins(spool, monkeypatch):
    monkeypatch.setattr("probes.room.free_bytes", lambda _: 4 * 2**20)
    record(spool, cycles=100)
    monkeypatch.setattr("probes.room.free_bytes", lambda _: 2**20)
    other = spool.parent / "other"
    other.mkdir()
    with pytest.raises(SpoolLost, match=r"need [23]\.\d MiB .* has 1\.0 MiB"):
        record(other, cycles=12_000)


def test_a_full_disk_still_gets_its_end(small_disk, fill):
    disk = small_disk("256k")
    running = Running(disk)
    fill(disk)
    running.end("failed", "the disk is full")
    assert json.loads((disk / "end.json").read_text())["modules"]


def test_a_child_that_forks_off_ends_nothing(spool, monkeypatch):
    running = Running(spool)
    with monkeypatch.context() as inside:
        inside.setattr("probes.running.os.getpid", lambda: 1)
        running.end("failed", "the child's trouble")
    assert not (spool / "end.json").exists()
    running.end("completed", None)
    assert (spool / "end.json").exists()


@pytest.fixture
def running(spool):
    running = Running(spool)
    yield running
    running.end("completed", None)


def recorder_of(running, meters, **options):
    return Recorder(running, meters=meters, observables={"population": int}, probes={}, **options)


def test_an_observable_may_appear_in_mid_run(spool, running, read_rows):
    with Meters() as meters, recorder_of(running, meters) as recorder:
        recorder.begin(0)
        recorder.end_cycle((1,))
        recorder.add_observables({"energy": float})
        recorder.end_cycle((2, 0.5))
        recorder.end_condition()
    rows = read_rows(spool, "cycles")
    assert [(row["population"], row.get("energy")) for row in rows] == [(1, None), (2, 0.5)]
    assert rows[1]["probe_ns"] > 0


@pytest.mark.parametrize(
    ("name", "kind", "word"),
    [
        ("population", int, "a column of cycles already"),
        ("wall_ns", int, "a column of cycles already"),
        ("net_ns", int, "a column of cycles already"),
        ("run_id", int, "a column of cycles already"),
        ("a b", int, "an identifier"),
        ("name", str, "int or float"),
    ],
)
def test_an_observable_that_cannot_be_stored_is_refused(running, name, kind, word):
    with Meters() as meters, recorder_of(running, meters) as recorder:
        with pytest.raises(ValueError, match=word):
            recorder.add_observables({name: kind})
        with pytest.raises(ValueError, match="63 is the most"):
            recorder.add_observables({f"c{i}": int for i in range(60)})


def test_a_thread_beside_the_loop_is_in_the_process_total_only(spool, read_rows):
    stop = threading.Event()

    def spin():
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        record(spool, conditions=((10, 0.02),))
    finally:
        stop.set()
        thread.join()
    windows = read_rows(spool, "windows")
    assert sum(row["process_cpu_ns"] for row in windows) > 2 * sum(row["cpu_ns"] for row in windows)
    assert min(row["threads"] for row in windows) >= 2


def test_what_the_recorder_costs_is_in_the_ledger_with_an_interval(spool):
    end = record(spool, probes={"level": Probe(every_cycles=100)}, conditions=((500, 0.0),))
    ours = end["observer"]["accounts"]
    assert ours["reads"] == 500
    assert 0 < ours["low_ns"] <= ours["ns"] <= ours["high_ns"] < 500 * 1_000_000
    assert end["observer"]["loop"]["ns"] == ours["ns"] + end["totals"]["probe_ns"]
    files = sum(path.stat().st_size for path in spool.glob("*.spool"))
    assert end["observer"]["spool"]["bytes"] == files
    assert end["observer"]["spool"]["reads"] == len(list(spool.glob("*.spool")))


# In a process of one thread: a child forked beside threads may find a lock held for ever.
FORKING = """
import os
from pathlib import Path
from probes.meters import Meters
from probes.recording import Recorder
from probes.running import Running

running = Running(Path("spool"))
with Meters() as meters:
    with Recorder(running, meters=meters, observables={"population": int}, probes={}) as recorder:
        recorder.begin(0)
        recorder.end_cycle((0,))
        child = os.fork()
        if child == 0:
            recorder.end_cycle((1,))
            recorder.end_cycle((2,))
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        recorder.end_cycle((3,))
        recorder.end_condition()
"""


def test_a_forked_child_that_goes_on_writes_nothing(spool, read_rows, script):
    assert script(FORKING, before="").returncode == 0
    assert [row["population"] for row in read_rows(spool, "cycles")] == [0, 3]


def test_segments_hold_no_more_than_their_rows_in_the_end(spool, segments):
    record(spool, conditions=((100, 0.0),))
    for segment in segments(spool):
        assert segment.path.stat().st_size == segment.header_bytes + segment.rows * segment.record_bytes
