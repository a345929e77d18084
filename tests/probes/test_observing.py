from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from probes.meters import Meters
from probes.observing import OF_RUNS, Observed, check_name, number
from probes.recording import Recorder
from probes.running import Running
from store import schema


@pytest.fixture
def recording(tmp_path):
    """Give an open recording and its spool."""
    running = Running(tmp_path)
    with (
        Meters() as meters,
        Recorder(running, meters=meters, observables={"fixed": int}, probes={}) as recorder,
    ):
        recorder.begin(0)
        yield Observed(recorder, meters, fixed=("fixed",)), meters, tmp_path
    running.end("completed", None)


def cells(read_rows, spool: Path, *names):
    return [tuple(row.get(name) for name in names) for row in read_rows(spool, "cycles")]


def test_an_observable_that_appears_in_mid_run_is_null_before_and_where_it_is_not_observed(
    recording, read_rows
):
    observed, _, spool = recording
    for cycle in range(6):
        if cycle in (2, 3, 5):
            observed.observe({"population": cycle})
        observed.end_cycle((cycle,))
    assert cells(read_rows, spool, "fixed", "population") == [
        (0, None),
        (1, None),
        (2, 2),
        (3, 3),
        (4, None),
        (5, 5),
    ]
    assert len(list(spool.glob("cycles-*.spool"))) == 2


def test_integers_go_on_as_floats_from_the_first_fraction(recording, read_rows):
    observed, _, spool = recording
    for value in (1, 2, 0.5, 3):
        observed.observe({"loss": value, "rest": 7})
        observed.end_cycle((0,))
    assert cells(read_rows, spool, "loss", "rest") == [(1, 7), (2, 7), (0.5, 7), (3.0, 7)]
    assert [type(value) for (value,) in cells(read_rows, spool, "loss")] == [int, int, float, float]


def test_the_last_value_of_a_cycle_counts_and_none_takes_it_back(recording, read_rows):
    observed, _, spool = recording
    observed.observe({"a": 1, "b": 1})
    observed.observe({"a": 2, "b": None, "never": None})
    observed.end_cycle((0,))
    assert cells(read_rows, spool, "a", "b", "never") == [(2, None, None)]


def test_named_samplings_are_observables_zero_where_there_was_no_call(recording, read_rows):
    observed, meters, spool = recording
    from probes import sampling

    for cycle in range(4):
        if cycle in (1, 3):
            with sampling("db"):
                pass
        observed.end_cycle((0,))
    assert cells(read_rows, spool, "sampling_db_calls", "sampling_calls") == [
        (None, 0),
        (1, 1),
        (0, 0),
        (1, 1),
    ]
    charged = [ns for (ns,) in cells(read_rows, spool, "sampling_db_ns")]
    assert (charged[0], charged[2]) == (None, 0)
    assert charged[1] + charged[3] == meters.named["db"].ns


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(True, 1, id="bool"),
        pytest.param(np.int64(3), 3, id="numpy-int"),
        pytest.param(np.float32(0.5), 0.5, id="numpy-float"),
        pytest.param(np.array(4), 4, id="numpy-0d"),
        pytest.param(Decimal("0.25"), 0.25, id="decimal"),
        pytest.param(-(2**63), -(2**63), id="smallest"),
        pytest.param(None, None, id="none"),
    ],
)
def test_numbers_of_any_library_become_plain_ones(given, kept):
    value = number("x", given)
    assert value == kept
    assert type(value) is type(kept)


@pytest.mark.parametrize(
    "given", ["1", b"1", [1], 1j, np.array([1.0, 2.0])], ids=["str", "bytes", "list", "complex", "array"]
)
def test_what_is_no_number_is_refused_with_its_type(given):
    with pytest.raises(TypeError, match=f"is a {type(given).__name__}; give an int or a float"):
        number("x", given)


def test_an_integer_beyond_64_bits_is_refused():
    with pytest.raises(ValueError, match="x=9223372036854775808 does not fit 64 bits"):
        number("x", 2**63)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wall_ns", "a column of cycles"),
        ("net_ns", "a column of cycles"),
        ("Cycle", "a column of cycles"),
        ("run_id", "a column of runs"),
        ("seed", "a column of runs"),
        ("a b", "no column's name"),
        ("größe", "no column's name"),
        ("__filename", "that Arrow adds"),
        ("sampling_db_ns", "begins as those of sampling"),
    ],
)
def test_a_name_must_be_free(name, says):
    with pytest.raises(ValueError, match=says):
        check_name(name)


def test_no_column_of_runs_is_free_for_an_observable():
    assert {column.name for column in schema.RUNS.columns} == OF_RUNS


def test_spellings_that_differ_in_case_are_one_column(recording):
    observed, _, _ = recording
    observed.observe({"Energy": 1})
    for name in ("energy", "Fixed"):
        with pytest.raises(ValueError, match="which ignores case"):
            observed.observe({name: 1})


def test_the_first_observable_too_many_is_refused_and_the_others_stay(recording, read_rows):
    observed, _, spool = recording
    with pytest.raises(ValueError, match="is one too many; a run has room for"):
        observed.observe({f"o{i}": i for i in range(64)})
    observed.end_cycle((0,))
    assert cells(read_rows, spool, "o0", "o40") == [(0, 40)]
