"""numpy's legacy generator without numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nrm.randomness import SEED_MAX, legacy_generator


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31, SEED_MAX])
def test_draws_equal_numpys_random_state(seed: int) -> None:
    ours, theirs = legacy_generator(seed), np.random.RandomState(seed)
    expected = theirs.uniform(0, 2 * math.pi, size=2000)
    assert [2 * math.pi * ours.random() for _ in range(2000)] == expected.tolist()


@pytest.mark.parametrize("seed", [-1, SEED_MAX + 1])
def test_seeds_that_numpy_refuses_are_refused(seed: int) -> None:
    with pytest.raises(
        ValueError, match=f"^seed={seed} is out of range; give an integer from 0 to 4294967295$"
    ):
        legacy_generator(seed)
