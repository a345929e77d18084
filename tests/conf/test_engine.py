"""`optimization=vectorized` chooses the engine of arrays, and an explicit key wins over it."""

from __future__ import annotations

import pytest

from conf.compose import composer
from conf.jobs import composed_jobs


@pytest.mark.parametrize(
    ("words", "engine"),
    [
        (["optimization=vectorized"], "numpy"),
        (["optimization=vectorized", "workload.engine=objects"], "objects"),
        (["workload.engine=objects", "optimization=vectorized"], "objects"),
        (["optimization=cached"], "objects"),
        (["optimization=cached", "workload.engine=numpy"], "numpy"),
    ],
    ids=["leaf", "key after leaf", "key before leaf", "other leaf", "key alone"],
)
def test_an_explicit_engine_wins_over_the_leaf(words: list[str], engine: str) -> None:
    with composer():
        (job,) = composed_jobs([["experiment=smoke", *words]])
    assert job.config["workload"]["engine"] == engine
