import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import psutil
import pytest

from probes import thermal
from probes.thermal import Probe, Sample, frequency, nominal, temperature

REPOSITORY = Path(thermal.__file__).parents[1]


class Entry(NamedTuple):
    label: str
    current: float | None


def reader(chips=None, clocks=None):
    return SimpleNamespace(
        sensors_temperatures=lambda: chips or {},
        cpu_freq=lambda percpu: [SimpleNamespace(current=clock) for clock in clocks or []],
    )


# As psutil lists them on an Intel laptop, a Ryzen, a Threadripper with Tctl 27 degrees too high, and a Raspberry Pi.
INTEL = {
    "acpitz": [Entry("", 27.8)],
    "nvme": [Entry("Composite", 71.9)],
    "coretemp": [Entry("Package id 0", 61.0), Entry("Core 0", 58.0), Entry("Core 1", 63.0)],
}
RYZEN = {"amdgpu": [Entry("edge", 80.0)], "k10temp": [Entry("Tctl", 55.1), Entry("Tccd1", 48.3)]}
OFFSET = {"k10temp": [Entry("Tctl", 77.0), Entry("Tdie", 50.0)]}
PI = {"cpu_thermal": [Entry("", 47.2)], "rp1_adc": [Entry("", 51.0)]}


@pytest.mark.parametrize(
    ("chips", "celsius"),
    [
        pytest.param(INTEL, 63.0, id="intel-hottest-core"),
        pytest.param(RYZEN, 55.1, id="amd-and-not-the-gpu"),
        pytest.param(OFFSET, 50.0, id="amd-without-the-offset"),
        pytest.param(PI, 47.2, id="arm"),
        pytest.param({"x86_pkg_temp": [Entry("", 44.0)]}, 44.0, id="thermal-zone"),
    ],
)
def test_the_temperature_is_that_of_the_cpus_hottest_sensor(chips, celsius):
    assert temperature(reader(chips)) == (celsius, "")


@pytest.mark.parametrize(
    ("chips", "reason"),
    [
        pytest.param({}, "no temperature sensor", id="none"),
        pytest.param({"nvme": [Entry("", 40.0)], "acpitz": [Entry("", 27.8)]}, "acpitz, nvme", id="others"),
        pytest.param({"coretemp": [Entry("Core 0", 0.0)]}, "coretemp", id="zero"),
        pytest.param({"coretemp": [Entry("Core 0", None)]}, "coretemp", id="empty"),
    ],
)
def test_a_machine_without_a_cpu_sensor_has_no_temperature_and_never_zero(chips, reason):
    value, lacking = temperature(reader(chips))
    assert value is None
    assert reason in lacking


def test_a_psutil_without_sensors_says_on_which_system():
    bare = SimpleNamespace()
    for read in (temperature, frequency):
        assert read(bare).value is None
        assert sys.platform in read(bare).lacking


def test_the_frequency_is_the_mean_of_the_cpus_that_are_online():
    assert frequency(reader(clocks=[3000.0, 0.0, 1000.0])) == (2000.0, "")
    assert frequency(reader(clocks=[0.0])).value is None
    assert frequency(reader(clocks=None)).value is None


def test_an_error_of_the_reader_is_the_reason():
    def broken(**_):
        raise NotImplementedError("can't find current frequency file")

    failing = SimpleNamespace(cpu_freq=broken)
    assert frequency(failing) == (None, "psutil.cpu_freq: can't find current frequency file")


@pytest.mark.parametrize("made", ["cpufreq/policy0", "cpu0/cpufreq"])
def test_linux_measures_the_clock_where_a_cpufreq_driver_does(tmp_path, made):
    assert "no cpufreq driver" in nominal(tmp_path, "linux")
    (tmp_path / "devices" / "system" / "cpu" / made).mkdir(parents=True)
    assert nominal(tmp_path, "linux") == ""


def test_the_clock_that_macos_names_is_nominal():
    assert "nominal" in nominal(Path("/sys"), "darwin")


@pytest.fixture
def sensors(tmp_path, monkeypatch):
    """A machine with a cpufreq driver, whose sensors say what ``chips`` and ``clocks`` hold."""
    (tmp_path / "devices" / "system" / "cpu" / "cpu0" / "cpufreq").mkdir(parents=True)
    monkeypatch.setattr(sys, "platform", "linux")
    said = SimpleNamespace(chips=INTEL, clocks=[2000.0], asked=0)

    def temperatures():
        said.asked += 1
        return said.chips

    monkeypatch.setattr(psutil, "sensors_temperatures", temperatures, raising=False)
    clocks = reader(clocks=said.clocks).cpu_freq
    monkeypatch.setattr(psutil, "cpu_freq", lambda percpu: clocks(percpu), raising=False)
    said.root = tmp_path
    return said


def test_a_machine_with_sensors_is_read(sensors):
    probe = Probe(SimpleNamespace(), every_s=1, root=sensors.root)
    assert probe.read() == Sample(temp_celsius=63.0, freq_mhz=2000.0)
    assert probe.missing == {}
    probe.close()


def test_what_the_first_reading_lacks_is_not_asked_for_again(sensors):
    sensors.chips = {}
    probe = Probe(SimpleNamespace(), every_s=1, root=sensors.root)
    assert [probe.read() for _ in range(3)] == [Sample(None, 2000.0)] * 3
    assert sensors.asked == 1
    assert probe.missing == {"temp_celsius": "the machine shows no temperature sensor"}


def test_a_sensor_that_fails_once_is_asked_again(sensors):
    probe = Probe(SimpleNamespace(), every_s=1, root=sensors.root)
    probe.read()
    sensors.chips = {}
    assert probe.read() == Sample(None, 2000.0)
    sensors.chips = INTEL
    assert probe.read() == Sample(63.0, 2000.0)
    assert probe.missing["temp_celsius"].startswith("at some readings: ")


def test_a_clock_that_nobody_measures_is_null_with_the_reason(sensors, tmp_path):
    probe = Probe(SimpleNamespace(), every_s=1, root=tmp_path / "without")
    assert probe.read() == Sample(63.0, None)
    assert "/proc/cpuinfo holds the nominal clock" in probe.missing["freq_mhz"]


# A thermal zone and a cpufreq policy in a mount namespace of their own: psutil's real code reads them.
STAGE = """
mount --make-rprivate / && mount -t tmpfs none /sys/class/thermal &&
mount -t tmpfs none /sys/devices/system/cpu/cpufreq || exit 77
zone=/sys/class/thermal/thermal_zone0; policy=/sys/devices/system/cpu/cpufreq/policy0
mkdir $zone $policy; echo x86_pkg_temp > $zone/type; echo 45000 > $zone/temp
for file in scaling_cur_freq scaling_min_freq scaling_max_freq; do echo 1500000 > $policy/$file; done
exec "$0" -c "$1"
"""
HEATING = """
import json
from pathlib import Path
from probes.thermal import Probe
probe = Probe(None, every_cycles=1)
first = probe.read()
Path("/sys/class/thermal/thermal_zone0/temp").write_text("91000")
print(json.dumps([first, probe.read(), probe.missing]))
"""


def test_a_zone_heated_from_45_to_91_degrees_reads_45_and_91():
    try:
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", STAGE, sys.executable, HEATING],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare(1) here")
    if done.returncode == 77 or done.stderr.startswith("unshare:"):
        pytest.skip(f"a mount namespace is not permitted here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    before, after, missing = json.loads(done.stdout)
    if list(Path("/sys/class/hwmon").glob("hwmon*/temp*_input")):
        pytest.skip("hwmon sensors stand before thermal zones here")
    assert (before[0], after[0]) == (45.0, 91.0)
    assert before[1] > 0
    assert missing == {}


@pytest.fixture
def replaying(tmp_path, monkeypatch):
    """A probe that replays three readings over two seconds, and a clock that is set by hand."""
    (tmp_path / "trace.csv").write_text("t_s,temp_celsius,freq_mhz\n0.5,40,3000\n1,41,\n2,45,2800\n")
    clock = SimpleNamespace(ns=0)
    monkeypatch.setattr(time, "perf_counter_ns", lambda: clock.ns)
    probe = Probe(SimpleNamespace(), every_s=1, replay=str(tmp_path / "trace.csv"), root=tmp_path)

    def read(t_s):
        clock.ns = 7_000_000_000 + round(t_s * 1e9)
        return probe.read()

    probe.started(7_000_000_000)
    return SimpleNamespace(read=read, probe=probe)


def test_a_replayed_trace_is_read_by_the_time_since_the_runs_start(replaying):
    assert [replaying.read(t_s) for t_s in (0.5, 0.99, 1.2, 2.0)] == [
        Sample(40.0, 3000.0),
        Sample(40.0, 3000.0),
        Sample(41.0, None),
        Sample(45.0, 2800.0),
    ]
    assert list(replaying.probe.missing) == ["freq_mhz"]


def test_outside_its_trace_a_replay_reads_nothing_and_says_from_when_on(replaying):
    assert [replaying.read(t_s) for t_s in (0.1, 1.2, 2.1, 9.0)] == [
        Sample(None, None),
        Sample(41.0, None),
        Sample(None, None),
        Sample(None, None),
    ]
    assert replaying.probe.missing["temp_celsius"] == (
        "at some readings; from 0.1 s: the replayed trace begins at 0.5 s; from 2.1 s: the replayed trace ends at 2 s"
    )


def test_a_replay_asks_no_sensor(sensors, tmp_path):
    (tmp_path / "trace.csv").write_text("t_s,temp_celsius\n0,20\n1000000,20\n")
    probe = Probe(SimpleNamespace(), every_s=1, replay=str(tmp_path / "trace.csv"), root=sensors.root)
    assert probe.read() == Sample(20.0, None)
    assert sensors.asked == 0


def test_the_modules_of_a_replay_are_loaded_by_a_replay_only():
    code = "import sys, probes.sources, probes.thermal; sys.exit('probes.replay' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0
