import subprocess
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest

from probes import trace
from probes.trace import Probe, Sample

REPOSITORY = Path(trace.__file__).parents[1]
MIB = 1 << 20


def test_eight_mib_are_traced_from_the_start_of_the_run_to_its_end():
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert not tracemalloc.is_tracing()
    probe.started(0)
    try:
        before = Sample(*probe.read())
        block = bytearray(8 * MIB)
        during = Sample(*probe.read())
        del block
        after = Sample(*probe.read())
    finally:
        probe.close()
    assert during.current_bytes - before.current_bytes == pytest.approx(8 * MIB, abs=65536)
    assert after.current_bytes - before.current_bytes < 65536
    assert after.peak_bytes >= 8 * MIB
    assert after.overhead_bytes > 0
    assert not tracemalloc.is_tracing()


def test_a_program_that_traces_itself_keeps_its_tracing():
    tracemalloc.start(3)
    try:
        probe = Probe(SimpleNamespace(), every_cycles=1)
        probe.started(0)
        probe.close()
        assert tracemalloc.get_traceback_limit() == 3
    finally:
        tracemalloc.stop()


def test_tracing_that_the_program_stopped_is_null_with_the_reason():
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert probe.read() == (None, None, None)
    assert "the program has stopped tracemalloc" in probe.missing["peak_bytes"]


def test_importing_the_probe_or_building_it_loads_no_tracemalloc():
    code = (
        "import sys; from probes.trace import Probe; Probe(None, every_cycles=1);"
        "sys.exit('tracemalloc' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.parametrize("value", [0, 1.5, True], ids=repr)
def test_frames_are_a_whole_number(value):
    with pytest.raises(ValueError, match=f"frames={value} is not a whole number of at least 1"):
        Probe(SimpleNamespace(), every_cycles=1, frames=value)
