import hashlib
import tracemalloc

import psutil
import pytest

from conf.compose import ConfigurationError, composer
from conf.jobs import composed_jobs, record
from probes import build, thermal
from probes.sources import pinned, sensor_source, traced

MEMORY = {"memory": {"_target_": "probes.memory.Probe", "every_cycles": 1}}
TRACE = {"trace": {"_target_": "probes.trace.Probe", "every_cycles": 1}}
THERMAL = {"_target_": "probes.thermal.Probe", "every_s": 1.0, "replay": None}
CSV = b"t_s,temp_celsius\n0,40\n3600,41\n"


@pytest.fixture
def replayed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace.csv").write_bytes(CSV)
    return {"thermal": THERMAL | {"replay": "trace.csv"}}


def test_a_run_with_the_trace_probe_is_traced(monkeypatch):
    monkeypatch.delenv("PYTHONTRACEMALLOC", raising=False)
    assert traced(TRACE | MEMORY)
    assert not traced(MEMORY)


@pytest.mark.parametrize(("value", "on"), [("1", True), ("0", False), ("", False)], ids=["1", "0", "empty"])
def test_a_child_inherits_the_environments_tracing(monkeypatch, value, on):
    monkeypatch.setenv("PYTHONTRACEMALLOC", value)
    assert traced(MEMORY) is on


def test_a_program_that_traces_itself_is_traced():
    assert not traced(MEMORY, here=True)
    tracemalloc.start()
    try:
        assert traced(MEMORY, here=True)
    finally:
        tracemalloc.stop()


def test_the_source_is_null_live_or_the_traces_digest(replayed, monkeypatch):
    assert sensor_source(MEMORY) is None
    monkeypatch.setattr(thermal, "live", lambda: True)
    assert sensor_source({"thermal": THERMAL}) == "live"
    monkeypatch.setattr(thermal, "live", lambda: False)
    assert sensor_source({"thermal": THERMAL}) is None
    assert sensor_source(replayed) == f"replay:{hashlib.sha256(CSV).hexdigest()}"


def test_sensors_are_live_where_psutil_reads_one(monkeypatch):
    monkeypatch.setattr(psutil, "sensors_temperatures", dict, raising=False)
    monkeypatch.setattr(thermal, "nominal", lambda _root, _platform: "nominal")
    assert not thermal.live()
    monkeypatch.setattr(thermal, "temperature", lambda _reader: thermal.Reading(50.0, ""))
    assert thermal.live()


def test_a_pinned_trace_is_found_from_anywhere_and_refused_once_it_has_changed(
    replayed, tmp_path, monkeypatch
):
    specs = pinned(replayed | MEMORY)
    assert specs["memory"] == MEMORY["memory"]
    assert replayed["thermal"]["replay"] == "trace.csv"
    monkeypatch.chdir("/")
    build.check_probes(specs)
    (tmp_path / "trace.csv").write_bytes(CSV + b"3601,42\n")
    with pytest.raises(ValueError, match=r"^probe\.thermal\.replay=.*trace\.csv has changed"):
        build.check_probes(specs)


def test_specs_without_a_trace_are_left_as_they_are():
    assert pinned(MEMORY | {"thermal": THERMAL}) == MEMORY | {"thermal": THERMAL}


@pytest.fixture
def job_json():
    """Compose one run of ``smoke`` and return its ``job.json``."""

    def write(*overrides):
        with composer():
            [job] = composed_jobs([["experiment=smoke", *overrides]])
        return record(job, run_id="r", environment={}, concurrent_runs=0, sweep_id=None, sweep_index=None)

    return write


def test_a_declared_run_says_that_it_is_traced_and_what_it_replays(replayed, tmp_path, job_json):
    job = job_json("probe=[thermal,trace]", "probe.thermal.replay=trace.csv")
    sha256 = hashlib.sha256(CSV).hexdigest()
    assert (job["traced"], job["sensor_source"]) == (True, f"replay:{sha256}")
    assert job["config"]["probe"]["thermal"]["replay"] == "trace.csv"
    thermal_spec = job["build"]["probe"]["thermal"]
    assert (thermal_spec["replay"], thermal_spec["replay_sha256"]) == (str(tmp_path / "trace.csv"), sha256)


def test_a_declared_run_without_either_says_so(job_json):
    job = job_json("probe=[memory]")
    assert (job["traced"], job["sensor_source"]) == (False, None)


def test_a_malformed_trace_is_refused_while_the_run_is_composed(replayed, tmp_path, job_json):
    (tmp_path / "trace.csv").write_text("t_s,temp_celsius\n5,40\n4,40\n")
    with pytest.raises(
        ConfigurationError, match=r"^probe\.thermal\.replay=trace\.csv is no trace: row 2 is at 4 s"
    ):
        job_json("probe=[thermal]", "probe.thermal.replay=trace.csv")
