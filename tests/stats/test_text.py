from __future__ import annotations

import os
from collections import Counter

import pytest

from stats.text import between, grid, number

ROWS = [
    {
        "quantity": "call_reduction",
        "value": 0.5,
        "remark": "pass --expected-a-s and --expected-b-s, seconds of one run",
    },
    {
        "quantity": "speedup",
        "value": 2.0,
        "remark": "12.5 % of A's run time removed [12.1 %, 12.9 %] in all of them",
    },
]


@pytest.mark.parametrize("columns", [50, 64, 80, 100, 200])
def test_a_table_fits_the_terminal_and_loses_no_word(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = grid(ROWS, "table")
    assert max(map(len, text.splitlines())) <= columns
    words = text.split()
    assert all(
        words.count(word) >= n for word, n in Counter(" ".join(row["remark"] for row in ROWS).split()).items()
    )


def test_words_and_options_are_never_broken(monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    lines = grid(ROWS, "table").splitlines()
    assert any("--expected-a-s" in line for line in lines)
    assert not any(line.strip().startswith("%") for line in lines), "a number keeps its sign of per cent"


def test_what_no_terminal_shows_is_wrapped_at_a_hundred_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr("shutil.get_terminal_size", lambda fallback=(80, 24): os.terminal_size(fallback))
    text = grid([{**ROWS[0], "more": "word " * 40}], "table")
    assert 90 < max(map(len, text.splitlines())) <= 100


def test_markdown_is_one_line_a_row():
    assert len(grid(ROWS, "markdown").splitlines()) == 2 + len(ROWS)


def test_a_column_that_says_nothing_is_left_out():
    assert grid([{"a": 1, "b": None, "c": ""}], "table").split() == ["a", "-", "1"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (440.966, "441"),
        (1_080_000, "1,080,000"),
        (6960.0, "6960"),
        (1_080_000.4, "1,080,000"),
        (0.000376422, "0.0003764"),
        (0.99999512, "0.9999951"),
        (1 - 1e-14, "1"),
        (-0.999, "-0.999"),
        (0.0, "0"),
        (1.0, "1"),
        (3, "3"),
        (None, "-"),
    ],
)
def test_numbers_have_the_digits_that_matter(value, text):
    assert number(value) == text


def test_an_interval_without_a_bound_is_none():
    assert (between(1.0, 2.5), between(None, 2.5)) == ("[1, 2.5]", "-")
