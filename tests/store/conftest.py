"""Spools as a measured process leaves them, written by the real recorder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from probes.identity import new_run_id
from probes.spool import Stream

STARTED_NS = 1_767_323_045_000_000_000
CYCLES = (
    "condition cycle process t_ns wall_ns cpu_ns runq_ns offcpu_ns gc_ns probe_ns sampling_ns sampling_calls "
    "minor_faults major_faults voluntary_switches involuntary_switches"
)


@pytest.fixture(scope="module", autouse=True)
def _no_power_loss() -> Iterator[None]:
    """Spare these tests the disk's flushes, a tenth of a second a run where others write, too.

    What a power loss needs is tested once, by ``test_a_run_is_on_the_disk_before_it_counts``.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


def _job(run_id: str, conditions: Sequence[str], cycles: int) -> dict[str, Any]:
    facts = dict.fromkeys(
        ["git_commit", "os", "kernel", "host", "boot_id", "cpu_model", "allocator"], "known"
    )
    return {
        "format": 1,
        "run_id": run_id,
        "experiment": "spooled",
        "config_id": "0123456789abcdef",
        "sweep_id": None,
        "sweep_index": None,
        "optimization": "cached",
        "workload": "nrm",
        "seed": 7,
        "replicate": 0,
        "continues": None,
        "concurrent_runs": 0,
        "traced": False,
        "sensor_source": None,
        "environment": {
            **facts,
            "git_dirty": False,
            "python": "3.11.7",
            "packages": {"psutil": "7.2.2"},
            "cores": 2,
            "memory_bytes": 2**34,
        },
        "config": {"name": "spooled", "cycles": cycles},
        "conditions": [
            {
                "name": name,
                "position": place,
                "cycles": cycles,
                "mechanisms": {"energy_pooling": "ON" in name},
            }
            for place, name in enumerate(conditions)
        ],
    }


END = {
    "format": 1,
    "status": "completed",
    "error": None,
    "started_at": "2026-01-02T03:04:05+00:00",
    "ended_at": "2026-01-02T03:04:06+00:00",
    "wall_ns": 1_000_000_000,
    "cpu_ns": 500_000_000,
    "peak_rss_bytes": 2**24,
    "modules": ["sys"],
    "observer": {"memory": {"reads": 2, "ns": 9, "bytes": 99, "asked": {"every_cycles": 1}}},
    "notes": ["a note of the owner"],
}


def _cycle(cycle: int, condition: int) -> list[int | None]:
    """Return one row: wall 1000 + cycle, every second probe_ns NULL, population = cycle."""
    probe = None if cycle % 2 else 10
    wall = 1000 + cycle
    row = [condition, cycle, 0, 1000 * (cycle + 1), wall, 600, 100, wall - 700, 0, probe, 50, 2, 1, 0, 1, 0]
    return [*row, cycle]


@pytest.fixture(scope="session")
def dead_pid() -> int:
    """Return the pid of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def make_spool(dead_pid: int) -> Callable[..., Path]:
    """Write a spool whose owner is dead and return its directory.

    ``end`` are changes to ``end.json``; None leaves it out, as a killed owner does.
    """

    def make(
        root: Path,
        *,
        conditions: Sequence[str] = ("OFF-OFF", "ON-OFF"),
        cycles: int = 5,
        capacity: int = 4,
        end: Mapping[str, Any] | None = {},
        log: str = "hello\n",
    ) -> Path:
        spool = root / "spool" / new_run_id()
        spool.mkdir(parents=True)
        (spool / "job.json").write_text(json.dumps(_job(spool.name, conditions, cycles)))
        (spool / "log").write_text(log)
        (spool / "owner.pid").write_text(f"{dead_pid}\n")
        (spool / "owner.lock").touch()
        columns = {**dict.fromkeys(CYCLES.split(), int), "population": int}
        stream = Stream(spool, "cycles", columns, capacity=capacity, started_at_ns=STARTED_NS)
        memory = {"condition": int, "cycle": int, "t_ns": int, "rss_bytes": int, "pss_bytes": int}
        probe = Stream(spool, "probe_memory", memory, capacity=capacity, started_at_ns=STARTED_NS)
        probe.append([0, -1, 5, 2**20, None])
        for condition in range(len(conditions)):
            for cycle in range(condition * cycles, (condition + 1) * cycles):
                stream.append(_cycle(cycle, condition))
                probe.append([condition, cycle, 1000 * (cycle + 1), 2**20 + cycle, 2**19])
        stream.close()
        probe.close()
        if end is not None:
            (spool / "end.json").write_text(json.dumps({**END, **end}))
        return spool

    return make
