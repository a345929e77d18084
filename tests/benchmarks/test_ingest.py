"""Rows logged, killed and counted: the floor loses what it keeps in memory, the spool nothing."""

from __future__ import annotations

import struct
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks import ingest, tools
from benchmarks.peers import own_rows, trackers


def test_every_tool_is_given_the_same_rows() -> None:
    assert trackers.rows(50) == trackers.rows(60)[:50]
    assert {len(row) for row in trackers.rows(50)} == {len(trackers.COLUMNS)}


def test_what_was_logged_is_found_again(tmp_path: Path) -> None:
    for name, (write, read) in own_rows.TOOLS.items():
        assert write(tmp_path / name, trackers.timed(100)) > 0
        assert read(tmp_path / name) == 100


def test_the_count_of_a_process_that_is_killed_at_any_moment_is_whole(tmp_path: Path) -> None:
    directory = tmp_path / "floor"
    counter = directory.with_suffix(".count")
    process = subprocess.Popen(tools.command(tools.FLOOR, directory), env=tools.environment())
    try:
        while process.poll() is None and not ingest._count(counter):
            pass
        seen = [struct.unpack("=q", counter.read_bytes())[0] for _ in range(20_000)]
    finally:
        process.kill()
        process.wait()
    assert all(before <= after for before, after in pairwise(seen))


@pytest.mark.slow
def test_a_kill_costs_the_floor_every_row_and_the_spool_none(tmp_path: Path) -> None:
    plan = ingest.Plan(rounds=1, kills=2, fewer=1)
    kept, floor = (ingest._killed(tool, tmp_path, plan, 1) for tool in (tools.OWN, tools.FLOOR))
    assert kept.lost == 0
    assert floor.lost == floor.logged > 0
