import json
import sys
import time
from types import SimpleNamespace

import pytest

from probes import cycles
from probes.meters import Meters
from probes.recording import Recorder
from probes.running import Running
from probes.schedule import Schedule

MS = 1_000_000


@pytest.fixture
def spool(tmp_path):
    path = tmp_path / "spool"
    path.mkdir()
    return path


@pytest.fixture
def running(spool):
    running = Running(spool)
    yield running
    running.end("completed", None)


def recorder_of(running, meters, **options):
    return Recorder(running, meters=meters, observables={"population": int}, probes={}, **options)


def record(spool, *, conditions, **options):
    """Record conditions of (cycles, seconds a cycle); return end.json."""
    running = Running(spool)
    with Meters() as meters, recorder_of(running, meters, **options) as recorder:
        for position, (number, seconds) in enumerate(conditions):
            recorder.begin(position)
            for cycle in range(number):
                time.sleep(seconds)
                recorder.end_cycle((cycle,))
            recorder.end_condition()
    running.end("completed", None)
    return json.loads((spool / "end.json").read_text())


@pytest.mark.parametrize(
    ("below", "light"), [(16, False), (17, True)], ids=["half of them short", "most of them short"]
)
def test_accounts_are_light_where_the_median_cycle_is_below_four_ms(below, light):
    lengths_ns = [4 * MS - 1] * below + [4 * MS] * (33 - below)
    cycles = SimpleNamespace(cycle=0, lengths_ns=lambda: lengths_ns)
    assert Schedule(cycles, None, [], trial=True, portable=False).choose() is light


def test_light_accounts_are_chosen_and_the_identity_holds_in_windows(spool, read_rows, monkeypatch):
    # On a busy machine a sleep of 0.2 ms takes longer than the 4 ms of the choice.
    monkeypatch.setattr("probes.schedule.LIGHT_BELOW_NS", 60_000 * MS)
    end = record(spool, conditions=((300, 0.0002), (40, 0.001)))
    cycles, windows = read_rows(spool, "cycles"), read_rows(spool, "windows")
    assert end["observer"]["accounts"]["mode"] == "light"
    assert any(note.startswith("light accounts") for note in end["notes"])
    for row in cycles:
        assert (row["cpu_ns"], row["offcpu_ns"], row["minor_faults"]) == (None, None, None)
        # No more than that of a row: who waits between the two clocks, waits in the next row.
        assert row["runq_ns"] >= 0
    assert windows[0]["first_cycle"] == 0
    for window in windows:
        inside = [row for row in cycles if window["first_cycle"] <= row["cycle"] <= window["last_cycle"]]
        for account in ("wall_ns", "runq_ns"):
            assert window[account] == sum(row[account] for row in inside)
        assert window["wall_ns"] == window["cpu_ns"] + window["runq_ns"] + window["offcpu_ns"]
        assert window["t_ns"] == inside[-1]["t_ns"]
    rest = {row["last_cycle"] for row in windows if row["last_cycle"] in (299, 339)}
    assert rest == {299, 339}
    assert all(row["wall_ns"] >= 10 * MS for row in windows if row["last_cycle"] not in rest)
    assert sum(row["offcpu_ns"] for row in windows) > 0.5 * 340 * 0.0002 * 1e9


def test_long_cycles_get_full_accounts(spool, read_rows):
    end = record(spool, conditions=((36, 0.006),))
    assert end["observer"]["accounts"]["mode"] == "full"
    assert all(row["cpu_ns"] > 0 for row in read_rows(spool, "cycles"))


def test_few_cycles_choose_nothing(spool, read_rows):
    record(spool, conditions=((31, 0.0005),))
    assert all(row["cpu_ns"] is not None for row in read_rows(spool, "cycles"))


def test_light_mode_reads_user_time_in_the_window_that_completes_a_second(spool, read_rows, monkeypatch):
    second_ns = 200 * MS
    monkeypatch.setattr("probes.windows.SECOND_NS", second_ns)
    # One cycle closes no window of its own, however long it takes: what it leaves is a rest.
    record(spool, conditions=((250, 0.0025), (1, 0.0)), accounts="light")
    *windows, rest = read_rows(spool, "windows")
    lasted_ns = used_ns = seconds = 0
    for row in (row for row in windows if row["last_cycle"] < 249):  # the last one may be a rest too
        lasted_ns, used_ns = lasted_ns + row["wall_ns"], used_ns + row["cpu_ns"]
        assert (row["user_ns"] is not None) == (lasted_ns >= second_ns)
        if row["user_ns"] is not None:
            assert (
                row["process_cpu_ns"] > 0.9 * used_ns
            )  # all there is but the recorder's own, around the window
            lasted_ns, used_ns, seconds = 0, 0, seconds + 1
    assert 1 <= seconds < len(windows) / 3
    assert (rest["user_ns"] is None, rest["process_cpu_ns"] is None) == (True, False)


def test_an_accounts_mode_may_be_asked_for(spool, read_rows):
    end = record(spool, conditions=((200, 0.0002),), accounts="full")
    assert end["observer"]["accounts"]["mode"] == "full"
    assert all(row["cpu_ns"] is not None for row in read_rows(spool, "cycles"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="full accounts are Linux's")
def test_every_cycle_reads_its_clocks_in_the_only_right_order(running, monkeypatch):
    order = []

    def noted(name):
        call = getattr(cycles, name)
        return lambda *args: (order.append(name), call(*args))[1]

    with Meters() as meters, recorder_of(running, meters) as recorder:
        recorder.begin(0)
        with monkeypatch.context() as patch:
            for name in ("getrusage", "thread_time_ns", "pread", "perf_counter_ns"):
                patch.setattr(cycles, name, noted(name))
            recorder.end_cycle((1,))
    asked = ["perf_counter_ns"]
    assert order == [*asked, "getrusage", "thread_time_ns", "pread", "perf_counter_ns"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="light accounts are Linux's")
def test_a_cycle_that_closes_a_window_in_light_mode_reads_one_clock_more(
    spool, running, monkeypatch, read_rows
):
    monkeypatch.setattr("probes.windows.LIGHT_NS", 0)
    order = []

    def noted(name):
        call = getattr(cycles, name)
        return lambda *args: (order.append(name), call(*args))[1]

    with Meters() as meters, recorder_of(running, meters, accounts="light") as recorder:
        recorder.begin(0)
        with monkeypatch.context() as patch:
            for name in ("getrusage", "thread_time_ns", "pread", "perf_counter_ns"):
                patch.setattr(cycles, name, noted(name))
            recorder.end_cycle((1,))
            recorder.end_cycle((2,))
        recorder.end_condition()
    assert order == ["pread", "perf_counter_ns", "thread_time_ns", "pread", "perf_counter_ns"]
    rows, (window,) = read_rows(spool, "cycles"), read_rows(spool, "windows")
    assert [row["cpu_ns"] for row in rows] == [None, None]
    assert window["wall_ns"] == sum(row["wall_ns"] for row in rows)
    assert window["runq_ns"] == sum(row["runq_ns"] for row in rows)
    assert window["cpu_ns"] + window["runq_ns"] + window["offcpu_ns"] == window["wall_ns"]
    assert window["user_ns"] is None
