from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from stats.kernels import levene


@pytest.fixture(scope="module")
def rows() -> Iterator:
    """Run the kernel over lists of observations, one a group."""
    with duckdb.connect() as connection:

        def run(groups: Iterable[list[float]]) -> list[dict[str, object]]:
            pairs = [(str(name), y) for name, group in enumerate(groups) for y in group]
            schema = pa.schema({"grp": pa.string(), "y": pa.float64()})
            table = pa.table([list(column) for column in zip(*pairs, strict=True)], schema=schema)
            return connection.from_arrow(table).query("sample", levene.SQL).to_arrow_table().to_pylist()

        yield run


def test_levene_reproduces_the_nist_gear_example(rows, nist):
    data = nist("GEAR.DAT")
    assert len(data) == 100
    batches = [[y for y, _ in batch] for _, batch in groupby(data, key=itemgetter(1))]
    found = levene.levene(rows(batches))
    assert found["median"].w == pytest.approx(1.7059176930008939, rel=1e-12)
    assert found["median"].p == pytest.approx(0.0991, abs=5e-5)
    assert found["mean"].w == pytest.approx(2.159459856, rel=1e-9)
    assert (found["median"].df_between, found["median"].df_within) == (9, 90)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.lists(st.integers(-(10**6), 10**6), min_size=3, max_size=20), min_size=2, max_size=5)
)
def test_levene_agrees_with_scipy_around_both_centres(rows, groups):
    assume(any(len(set(group)) > 2 for group in groups))
    expected = {centre: scipy_stats.levene(*groups, center=centre) for centre in ("mean", "median")}
    assume(all(np.isfinite(test.statistic) for test in expected.values()))
    found = levene.levene(rows(groups))
    for centre, test in expected.items():
        assert found[centre].w == pytest.approx(test.statistic, rel=1e-9, abs=1e-10)
        assert found[centre].p == pytest.approx(test.pvalue, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [
        ([[1.0, 2.0, 4.0]], "at least two groups"),
        ([[1.1, 1.2], [5.3, 9.9]], "at least three observations"),
        ([[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]], "unequally"),
    ],
    ids=["one group", "pairs", "constants"],
)
def test_levene_refuses_what_it_cannot_test(rows, groups, sentence):
    with pytest.raises(ValueError, match=sentence):
        levene.levene(rows(groups))
