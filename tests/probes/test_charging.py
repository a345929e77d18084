import gc
import threading
import time

import pytest

from probes.charging import active, sampling
from probes.meters import Meters


@pytest.fixture
def meters():
    with Meters() as counting:
        yield counting


def nap():
    time.sleep(0.002)


def test_a_block_and_a_function_are_charged_to_the_sampling_account(meters):
    with sampling():
        nap()
    sampling(nap)()
    assert meters.sampling_calls == 2
    assert meters.sampling_ns >= 4_000_000
    assert not meters.named


def test_a_name_is_charged_beside_the_sampling_account(meters):
    @sampling("db")
    def query():
        nap()
        return 17

    assert query() == 17
    assert (query.__name__, meters.named["db"].calls, meters.sampling_calls) == ("query", 1, 1)
    assert 2_000_000 <= meters.named["db"].ns <= meters.sampling_ns


def test_of_nested_blocks_the_outermost_counts_once_and_once_for_each_name(meters):
    with sampling("outer"), sampling("inner"), sampling("outer"), sampling():
        nap()
    assert meters.sampling_calls == 1
    assert {name: account.calls for name, account in meters.named.items()} == {"outer": 1, "inner": 1}
    assert meters.named["inner"].ns <= meters.named["outer"].ns <= meters.sampling_ns


def test_an_exception_ends_the_block(meters):
    with pytest.raises(KeyError), sampling("db"):
        raise KeyError("boom")
    assert (meters.named["db"].calls, meters.named["db"].depth, meters.unnamed.depth) == (1, 0, 0)


def test_other_threads_are_not_charged(meters):
    thread = threading.Thread(target=sampling("db")(nap))
    with sampling():
        thread.start()
        thread.join()
    assert (meters.sampling_calls, meters.named) == (1, {})


def test_outside_of_a_recording_nothing_is_charged_and_results_pass():
    assert active() is None
    block = sampling("db")
    with block:
        assert sampling(len)("abc") == 3


def test_a_block_that_began_before_the_recording_is_none_of_its_time():
    block = sampling("db")
    block.__enter__()
    with Meters() as meters:
        block.__exit__(None, None, None)
        with block:
            pass
    assert (meters.sampling_calls, meters.named["db"].calls, meters.unnamed.depth) == (1, 1, 0)


def test_callbacks_of_others_at_the_collector_are_passed_over(meters):
    def other(_phase, _info):
        return None

    gc.callbacks.insert(0, other)
    try:
        with sampling():
            pass
    finally:
        gc.callbacks.remove(other)
    assert meters.sampling_calls == 1


@pytest.mark.parametrize("name", ["", "a b", "1st", "größe", "a-b"])
def test_a_name_must_fit_into_a_columns_name(name):
    with pytest.raises(ValueError, match="cannot be part of a column's name"):
        sampling(name)


def generator():
    yield


async def coroutine():
    pass


async def both():
    yield


@pytest.mark.parametrize("function", [generator, coroutine, both], ids=lambda f: f.__name__)
def test_what_returns_before_it_works_cannot_be_charged(function):
    with pytest.raises(TypeError, match=f"sampling cannot time {function.__name__}"):
        sampling(function)


def test_a_thing_to_charge_must_be_a_name_or_a_function():
    with pytest.raises(TypeError, match="give a name or a function"):
        sampling(17)


def test_the_package_exports_functions_and_no_module_takes_their_names():
    import probes.charging
    import probes.tracking

    assert probes.sampling is sampling
    assert probes.track is probes.tracking.track
    assert {"track", "sampling"} <= set(probes.__all__)
