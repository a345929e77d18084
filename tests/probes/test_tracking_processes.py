import threading

import pytest

from probes.tracking import track

ALREADY = "this process is being recorded already; end the other recording first"


def test_a_second_loop_at_the_same_time_is_an_error_and_the_first_goes_on(unpublished, ends, loop):
    for _ in loop(unpublished):
        with pytest.raises(RuntimeError, match=ALREADY):
            next(iter(loop(unpublished)))
    assert ends() == [("completed", 3)]


def test_a_loop_left_by_that_error_in_its_first_cycle_is_not_kept(unpublished, capsys, ends, loop):
    def nested():
        for _ in loop(unpublished):
            for _ in loop(unpublished):
                pass

    with pytest.raises(RuntimeError, match=ALREADY):
        nested()
    assert not list((unpublished / "spool").iterdir())
    assert "is not kept: another recording was begun within its first cycle" in capsys.readouterr().err
    with track(experiment="mine", store=unpublished) as rec, pytest.raises(RuntimeError, match=ALREADY):
        next(iter([rec.cycle(), *loop(unpublished)]))
    assert ends() == [("completed", 1)]


def test_a_loop_in_a_thread_is_recorded_with_its_own_clocks(unpublished, read_rows, ends, loop):
    def work():
        for _ in loop(unpublished, 4):
            sum(range(200_000))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ends() == [("completed", 4)]
    (spool,) = (unpublished / "spool").iterdir()
    assert all(row["cpu_ns"] > 100_000 for row in read_rows(spool, "cycles"))


def test_cycles_of_another_thread_end_the_recording_and_not_the_loop(unpublished, capsys, ends):
    with track(experiment="mine", store=unpublished) as rec:
        rec.cycle()
        thread = threading.Thread(target=rec.cycle)
        thread.start()
        thread.join()
        rec.cycle()
    assert ends() == [("failed", 1)]
    assert "in another thread than the first; loop in one thread" in capsys.readouterr().err


# In a process of one thread: a child forked beside threads may find a lock held for ever.
FORKING = """
import multiprocessing

def record():
    for _ in tracked(5): pass

loop = tracked(4)
for cycle in loop:
    if cycle == 1:
        child = multiprocessing.get_context("fork").Process(target=record)
        child.start()
        child.join()
        print(child.exitcode)
    loop.observe(cycle_=cycle)
"""


def test_a_forked_child_may_record_a_loop_of_its_own_and_harms_none(script, ends):
    assert script(FORKING).stdout == "0\n"
    assert ends() == [("completed", 4), ("completed", 5)]
