from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.kernels import quadratic
from stats.kernels.usable import Unfit

numbers = st.integers(-1000, 1000)
pairs = st.lists(st.tuples(numbers, numbers), min_size=4, max_size=40)
blanks = st.lists(st.sampled_from([(None, 1.0), (1.0, None), (math.nan, 2.0), (3.0, math.inf)]), max_size=5)


def solve(matrix: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Solve a small regular system exactly (Gauss-Jordan over the rationals)."""
    rows = [[*line, value] for line, value in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next(i for i in range(k, len(rows)) if rows[i][k] != 0)
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i in range(len(rows)):
            if i != k:
                rows[i] = [a - rows[i][k] * b for a, b in zip(rows[i], rows[k], strict=True)]
    return [row[-1] for row in rows]


def exact(data: Sequence[tuple[float, float]], degree: int) -> tuple[list[Fraction], Fraction]:
    """Return the coefficients and R² of the least-squares polynomial, without rounding."""
    xs, ys = ([Fraction(value) for value in column] for column in zip(*data, strict=True))
    powers = range(degree + 1)
    normal = [[sum(x ** (i + j) for x in xs) for j in powers] for i in powers]
    coefficients = solve(normal, [sum(y * x**i for x, y in zip(xs, ys, strict=True)) for i in powers])
    residual = sum(
        (y - sum(c * x**i for i, c in enumerate(coefficients))) ** 2 for x, y in zip(xs, ys, strict=True)
    )
    mean = sum(ys) / len(ys)
    return coefficients, 1 - residual / sum((y - mean) ** 2 for y in ys)


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [("WAMPLER1.DAT", 0, 1), ("WAMPLER1.DAT", 0, 2), ("WAMPLER2.DAT", 2, 0)],
    ids=["Wampler1", "Wampler2", "Wampler3"],
)
def test_parabola_agrees_with_exact_least_squares_on_the_wampler_sets(reduce, nist, name, x, y):
    data = [(row[x], row[y]) for row in nist(name)]
    assert len(data) == 21
    found = quadratic.fit(reduce(quadratic.SQL, a=data)["a"])
    coefficients, r2 = exact(data, 2)
    line, r2_linear = exact(data, 1)
    assert [found.c0, found.c1, found.c2] == pytest.approx([float(c) for c in coefficients], rel=1e-12)
    assert found.slope == pytest.approx(float(line[1]), rel=1e-12)
    assert found.r2_linear == pytest.approx(float(r2_linear), rel=1e-13)
    assert found.r2_poly == pytest.approx(float(r2), rel=1e-13)
    assert found.delta_r2 == pytest.approx(float(r2 - r2_linear), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    data=pairs, gaps=blanks, offset=st.sampled_from([0, 10**6, 17 * 10**8]), lift=st.sampled_from([0, 10**9])
)
def test_parabola_agrees_with_exact_least_squares_under_ties_offsets_and_gaps(
    reduce, data, gaps, offset, lift
):
    moved = [(float(x + offset), float(y + lift)) for x, y in data]
    found = quadratic.fit(reduce(quadratic.SQL, a=moved + gaps)["a"])
    xs, ys = zip(*data, strict=True)
    if len(set(xs)) < 3 or len(set(ys)) == 1:
        assert isinstance(found, Unfit)
        return
    (_, r2), (_, r2_linear) = exact(data, 2), exact(data, 1)
    assert found.n == len(data)
    assert found.r2_linear == pytest.approx(float(r2_linear), abs=1e-10)
    assert found.r2_poly == pytest.approx(float(r2), abs=1e-10)
    assert found.delta_r2 == pytest.approx(float(r2 - r2_linear), abs=1e-10)


def test_points_on_a_line_gain_nothing_from_a_parabola(reduce):
    lines = {f"{slope} of {n}": (n, slope) for n in (37, 385, 2552) for slope in (1 / 3, -0.1, 7e-9, 2.5e11)}
    points = {name: [(float(x), slope * x) for x in range(n)] for name, (n, slope) in lines.items()}
    for row in reduce(quadratic.SQL, **points).values():
        found = quadratic.fit(row)
        assert (found.delta_r2, found.c2) == (0.0, 0.0)


def test_a_noise_free_square_gains_one_sixteenth(reduce):
    found = quadratic.fit(reduce(quadratic.SQL, a=[(float(i), float(i * i)) for i in range(3000)])["a"])
    assert found.delta_r2 == pytest.approx(1 / 16, abs=1e-4)
    assert found.c2 == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([(None, 1.0)], "n = 0 readings of RSS with cycle; at least 4 are needed"),
        ([(0.0, 1.0), (1.0, 2.0), (2.0, 1.0)], "n = 3 readings of RSS with cycle; at least 4 are needed"),
        ([(0.1, float(i)) for i in range(5)], "cycle is constant (n = 5)"),
        ([(float(i), 0.1) for i in range(5)], "RSS is constant (n = 5)"),
        (
            [(0.0, 1.0), (1.0, 2.0), (0.0, 3.0), (1.0, 5.0)],
            "cycle has two distinct values; a parabola needs three (n = 4)",
        ),
        (
            [(0.0, 1e200), (1.0, -1e200), (2.0, 0.0), (3.0, 0.0)],
            "RSS is too large for double precision (n = 4)",
        ),
    ],
    ids=["nothing read", "three", "x constant", "y constant", "two places", "overflow"],
)
def test_what_has_no_parabola_says_why(reduce, data, reason):
    found = quadratic.fit(reduce(quadratic.SQL, a=data)["a"], x="cycle", y="RSS")
    assert isinstance(found, Unfit)
    assert found.reason == reason
