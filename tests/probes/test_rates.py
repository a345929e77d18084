import math

import pytest

from probes.rates import checked


def test_a_rate_by_cycles_is_kept():
    assert checked(3, None) == (3, None)


def test_a_rate_by_seconds_is_kept_as_a_float():
    assert checked(None, 2) == (None, 2.0)


@pytest.mark.parametrize(
    ("every_cycles", "every_s", "words"),
    [
        pytest.param(None, None, "every_cycles and every_s are both missing; give one", id="none"),
        pytest.param(1, 0.5, "every_cycles=1 and every_s=0.5 exclude each other; set one", id="both"),
        pytest.param(0, None, "every_cycles=0 is not a whole number of at least 1", id="zero"),
        pytest.param(-2, None, "every_cycles=-2 ", id="negative"),
        pytest.param(True, None, "every_cycles=True ", id="bool"),
        pytest.param(1.0, None, "every_cycles=1.0 ", id="float"),
        pytest.param("5", None, "every_cycles=5 ", id="text"),
        pytest.param(None, 0, "every_s=0 is not a number of seconds above 0", id="no-time"),
        pytest.param(None, -0.1, "every_s=-0.1 ", id="back-in-time"),
        pytest.param(None, True, "every_s=True ", id="bool-seconds"),
        pytest.param(None, math.nan, "every_s=nan ", id="nan"),
        pytest.param(None, math.inf, "every_s=inf ", id="inf"),
    ],
)
def test_a_rate_that_cannot_be_kept_is_refused(every_cycles, every_s, words):
    with pytest.raises(ValueError, match=words):
        checked(every_cycles, every_s)
