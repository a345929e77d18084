"""Whichever process is killed, no recorded row is lost and the rest of the sweep goes on."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from probes.ownership import state

RUN_PY = str(Path(__file__).resolve().parents[2] / "run.py")
# Some 30 samples of 4 ms a cycle: 3 s and more for the first run, long enough to be killed in the middle; none for the
# second one.  Whatever waits, waits for a state.
SWEEP = (
    *("experiment=smoke", "optimization=unoptimized", "optimization.persist=none"),
    *("blocking_interval_s=0.004,0", "conditions=[OFF-OFF]", "cycles=40", "progress=false"),
)
LONGER = (*SWEEP, "cycles=100")
"""Where nobody waits for the end of the first run."""


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store with spaces"


def status(rows, store):
    query = "select run_id, status, n_cycles, (select count(*) from cycles c where c.run_id = r.run_id) as recorded"
    return rows(store, f"{query} from runs r order by started_at")


@contextmanager
def held(pid):
    """Keep a process from going on: it lives until it was looked at."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_killed_run_keeps_its_rows_and_the_others_go_on(command, rows, living_spool, store):
    sweep = command(RUN_PY, "-m", *LONGER, f"store.root={store}")
    _, pid = living_spool(store)
    os.kill(pid, signal.SIGKILL)
    _, err = sweep.communicate()
    assert sweep.returncode == 1, err
    first, second = status(rows, store)
    assert first["status"] == "interrupted"
    assert 5 <= first["recorded"] == first["n_cycles"] < 100
    assert (second["status"], second["recorded"]) == ("completed", 100)
    assert first["run_id"] in err
    assert not list((store / "spool").iterdir())


@pytest.mark.slow
def test_without_its_parent_a_run_goes_on_and_refresh_publishes_it(command, done, rows, living_spool, store):
    sweep = command(RUN_PY, "-m", *SWEEP, f"store.root={store}")
    spool, pid = living_spool(store)
    with held(pid):
        sweep.kill()
        sweep.communicate()
        assert done("-m", "store", "--store", str(store), "refresh")[0] == 0
        assert spool.exists(), "refresh took a run that lives"
        (alive,) = rows(store, "select status, started_at from runs")
    assert alive["status"] == "running"
    assert alive["started_at"] is not None  # the newest is not taken for the oldest
    while state(spool) == "running":
        time.sleep(0.1)
    code, out, _ = done("-m", "store", "--store", str(store), "refresh")
    assert (code, out.strip()) == (0, spool.name)
    assert [(row["status"], row["recorded"]) for row in status(rows, store)] == [("completed", 40)]
    code, _, err = done(RUN_PY, "-m", *SWEEP, f"store.root={store}")
    assert code == 0, err
    assert "1 of 2 runs are completed already" in err
    assert [row["status"] for row in status(rows, store)] == ["completed", "completed"]


def test_with_both_killed_the_same_command_publishes_and_completes(command, done, rows, living_spool, store):
    sweep = command(RUN_PY, "-m", *SWEEP, f"store.root={store}")
    _, pid = living_spool(store)
    sweep.kill()
    os.kill(pid, signal.SIGKILL)
    sweep.communicate()
    code, _, err = done(RUN_PY, "-m", *SWEEP, f"store.root={store}")
    assert code == 0, err
    found = status(rows, store)
    assert [row["status"] for row in found] == ["interrupted", "completed", "completed"]
    assert found[0]["recorded"] >= 5


def test_ctrl_c_ends_the_run_cleanly_and_stops_the_sweep(command, rows, living_spool, store):
    sweep = command(RUN_PY, "-m", *LONGER, f"store.root={store}")
    living_spool(store)
    sweep.send_signal(signal.SIGINT)
    out, err = sweep.communicate()
    assert (sweep.returncode, out) == (130, "")  # a stump is not judged
    said = (
        "stopped: 0 of 2 runs completed, 1 broken off, 1 not started; the same command goes on with the rest"
    )
    assert err.splitlines()[-1] == said
    (only,) = status(rows, store)
    assert only["status"] == "interrupted"
    assert only["recorded"] >= 5
