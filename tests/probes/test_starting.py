"""A run tells its probes when it began: before its workload is built, and by its own clock."""

import hashlib
import subprocess
import sys
import time
import tracemalloc
from types import SimpleNamespace

import pytest

from conf.compose import ROOT, leaves
from probes import build
from probes.meters import Meters
from probes.recording import Recorder
from probes.running import Running
from store import open_catalog


@pytest.fixture
def recorded(tmp_path):
    """Record ten cycles with the probes of some leaves; returns the run."""

    def record(specs, between):
        spool = tmp_path / "spool"
        spool.mkdir()
        running = Running(spool)
        with Meters() as meters:
            probes = build.probes(specs, meters)
            recorder = Recorder(running, meters=meters, observables={}, probes=probes, cycles=10)
            with recorder:
                between(running)
                recorder.begin(0)
                for _ in range(10):
                    recorder.end_cycle(())
                recorder.end_condition()
        running.end("completed", None)
        return spool

    return record


def test_a_replay_counts_from_the_runs_start_and_not_from_its_first_reading(recorded, read_rows, tmp_path):
    (tmp_path / "trace.csv").write_text("t_s,temp_celsius\n0,20\n0.05,30\n1000,40\n")
    specs = {
        "thermal": {
            "_target_": "probes.thermal.Probe",
            "every_cycles": 1,
            "replay": str(tmp_path / "trace.csv"),
        }
    }

    def until_it_is_warm(running):
        while time.perf_counter_ns() < running.origin_ns + 60_000_000:
            time.sleep(0.01)

    rows = read_rows(recorded(specs, until_it_is_warm), "probe_thermal")
    assert rows[0]["cycle"] == -1
    assert {row["temp_celsius"] for row in rows} == {30.0}
    assert {row["freq_mhz"] for row in rows} == {None}


def test_what_is_built_after_the_recorder_is_traced(recorded, read_rows):
    kept = SimpleNamespace()

    def build_world(_running):
        kept.world = bytearray(4 << 20)

    rows = read_rows(
        recorded({"trace": {"_target_": "probes.trace.Probe", "every_cycles": 5}}, build_world), "probe_trace"
    )
    assert len(rows) >= 2
    assert min(row["current_bytes"] for row in rows) >= 4 << 20
    assert not tracemalloc.is_tracing()


ASK = """
select traced, sensor_source, (select count(*) from samples) as samples,
    (select min(temp_celsius) from probe_thermal) as celsius,
    (select min(current_bytes) from probe_trace) as traced_bytes,
    (select count(*) from probe_pressure) + (select count(*) from probe_disk) + (select count(*) from probe_glibc)
    + (select count(*) from probe_descriptors) + (select count(*) from probe_canary) as others
from runs
"""


@pytest.mark.slow
def test_a_declared_run_keeps_the_rows_of_every_probe(tmp_path):
    content = b"t_s,temp_celsius\n0,50\n3600,50\n"
    (tmp_path / "trace.csv").write_bytes(content)
    probes = ",".join(leaves("probe"))
    words = ("experiment=smoke", f"probe=[{probes}]", "probe.thermal.replay=trace.csv", "progress=false")
    subprocess.run(
        [sys.executable, str(ROOT.parent / "run.py"), *words], cwd=tmp_path, check=True, capture_output=True
    )
    with open_catalog(tmp_path / "data") as catalog:
        [row] = catalog.query(ASK)
    assert (row["traced"], row["sensor_source"]) == (True, f"replay:{hashlib.sha256(content).hexdigest()}")
    assert row["celsius"] == 50.0
    assert row["traced_bytes"] > 0
    assert row["others"] >= 5  # the baselines at least
    assert row["samples"] > 1
