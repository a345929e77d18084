import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from probes import __main__ as commands
from probes import build, doctor
from probes.__main__ import leaves, main
from probes.doctor import as_json, as_text, examine, probe_names
from store import schema

REPOSITORY = Path(doctor.__file__).parents[1]
PROBES = {"memory", "garbage", "system", "latency", "thermal", "pymalloc"} | {
    *("glibc", "trace", "pressure", "disk", "descriptors", "canary")
}


@pytest.fixture(autouse=True)
def _brief(monkeypatch):
    monkeypatch.setattr(doctor, "_FOR_S", 0.0)


def test_every_probe_has_a_leaf_that_the_doctor_reads_as_hydra_does():
    from omegaconf import OmegaConf

    assert set(probe_names()) == PROBES
    for name in PROBES:
        loaded = OmegaConf.to_container(OmegaConf.load(commands.LEAVES / f"{name}.yaml"))
        assert leaves()[name] == loaded[name]
        build.check_probes({name: leaves()[name]})


def test_a_leaf_may_hold_comments_and_one_that_is_none_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(commands, "LEAVES", tmp_path)
    path = tmp_path / "memory.yaml"
    path.write_text("memory:  # of the process\n  every_cycles: 50    # 2.4 us\n  every_s: null\n")
    assert leaves() == {"memory": {"every_cycles": 50, "every_s": None}}
    for text in ("memory: [", "memory", "memory: 3", "disk: {}"):
        path.write_text(text)
        assert main(["doctor"]) == 2
        assert capsys.readouterr().err == f"{path} is no group of options; restore it\n"


def test_without_leaves_each_probe_is_read_once_a_second():
    report = examine({})
    assert {cost.rate for cost in report.costs} == {"every_s=1"}


def test_every_column_of_every_probe_is_said_to_be_measurable_or_why_not():
    report = examine(leaves())
    said = {(signal.table, signal.column) for signal in report.signals}
    for name in PROBES:
        columns = {column.name for column in schema.TABLES[f"probe_{name}"].columns[4:]}
        assert {column for table, column in said if table == f"probe_{name}"} == columns
    assert {"wall_ns", "cpu_ns", "runq_ns", "offcpu_ns"} <= {
        column for table, column in said if table == "cycles"
    }
    for signal in report.signals:
        assert signal.measurable == (signal.reason is None)
        assert signal.measurable or signal.value is None


def test_every_probe_has_a_cost_and_the_share_that_its_rate_takes():
    report = examine(leaves(), cycle_ms=5.0)
    assert {cost.probe for cost in report.costs} == PROBES
    assert report.costs[-1].probe == "trace"
    for cost in report.costs:
        assert 0 < cost.median_ns <= cost.slowest_ns
        assert cost.share_percent > 0
    [disk] = [cost for cost in report.costs if cost.probe == "disk"]
    [garbage] = [cost for cost in report.costs if cost.probe == "garbage"]
    assert (disk.rate, garbage.rate) == ("every_s=0.1", "every_cycles=1")
    assert doctor._share_percent({"every_s": 0.1}, 1e6, 5.0) == pytest.approx(1.0)
    assert doctor._share_percent({"every_cycles": 2}, 1e6, 5.0) == pytest.approx(10.0)


def test_both_forms_hold_the_same_findings():
    report = examine(leaves())
    document = json.loads(as_json(report))
    text = as_text(report)
    for signal in document["signals"]:
        assert f"{signal['table']}.{signal['column']} " in text
    for hint in document["hints"]:
        assert hint["found"] in text
        assert (hint["command"] or "") in text


def test_a_probe_that_breaks_is_a_finding_and_no_traceback(monkeypatch):
    def broken(_probe):
        raise RuntimeError("the sensor is on fire")

    monkeypatch.setattr("probes.disk.Probe.read", broken)
    report = examine(leaves())
    [disk] = [signal for signal in report.signals if signal.table == "probe_disk"]
    assert (disk.measurable, disk.reason) == (False, "RuntimeError: the sensor is on fire")
    assert "on fire" in as_text(report)


def test_on_macos_powermetrics_is_named(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.delattr(psutil, "sensors_temperatures", raising=False)
    report = examine(leaves())
    [temperature] = [signal for signal in report.signals if signal.column == "temp_celsius"]
    assert not temperature.measurable
    assert "powermetrics, as root, is the only source of temperature" in temperature.reason
    [clock] = [signal for signal in report.signals if signal.column == "freq_mhz"]
    assert "nominal" in clock.reason
    assert any("sudo powermetrics" in (hint.command or "") for hint in report.hints)


def test_the_command_prints_its_findings_and_refuses_what_it_cannot(capsys):
    assert main(["doctor", "--format", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {*("machine", "cycle_ms", "signals", "costs", "hints")}
    assert main(["doctor", "--cycle-ms", "0"]) == 2
    assert main(["doctor", "--format", "xml"]) == 2
    assert capsys.readouterr().out == ""


def test_a_machine_without_proc_and_sys_is_examined_to_the_end():
    """The real thing: psutil itself finds nothing there."""
    stage = 'mount --make-rprivate / && mount -t tmpfs none /proc && mount -t tmpfs none /sys || exit 77; exec "$@"'
    command = [sys.executable, "-m", "probes", "doctor", "--format", "json"]
    try:
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", stage, "sh", *command],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare(1) here")
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip(f"a mount namespace is not permitted here: {done.stderr.strip()}")
    assert (done.returncode, done.stderr) == (0, "")
    found = {(one["table"], one["column"]): one for one in json.loads(done.stdout)["signals"]}
    assert found["cycles", "wall_ns"]["measurable"]
    assert found["probe_canary", "best_ns"]["measurable"]
    for key in (("cycles", "runq_ns"), ("probe_memory", "rss_bytes"), ("probe_disk", "read_bytes")):
        assert found[key]["reason"]
