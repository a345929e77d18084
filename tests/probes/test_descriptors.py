import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from probes.descriptors import Probe, Sample

ROOT = Path(__file__).resolve().parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


# In a process of its own: what tests before this one left open or running may end in between.
HOLD = """
import json, os, psutil, threading
from types import SimpleNamespace
from probes.descriptors import Probe

probe = Probe(SimpleNamespace(), every_cycles=1)
before = probe.read()
opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]
end = threading.Event()
threads = [threading.Thread(target=end.wait) for _ in range(3)]
for thread in threads:
    thread.start()
during, known = probe.read(), psutil.Process().num_threads()
probe._counted = False  # as before Linux 6.2
listed = probe.read()
end.set()
for thread in threads:
    thread.join()
for descriptor in opened:
    os.close(descriptor)
print(json.dumps([before, during, listed, probe.read(), known, probe.missing]))
"""


@LINUX
def test_100_open_files_and_3_threads_are_counted_by_size_and_by_list():
    ran = subprocess.run([sys.executable, "-c", HOLD], capture_output=True, text=True, check=True, cwd=ROOT)
    *readings, known, missing = json.loads(ran.stdout)
    before, during, listed, after = (Sample(*reading) for reading in readings)
    assert (during.open_descriptors - before.open_descriptors, during.threads - before.threads) == (100, 3)
    assert listed == during
    assert after.open_descriptors == before.open_descriptors
    assert during.threads == known
    assert missing == {}


def test_without_procfs_psutil_answers(tmp_path, monkeypatch):
    handles = SimpleNamespace(num_handles=lambda: 42, num_threads=lambda: 2)  # Windows
    for process in (handles, SimpleNamespace(num_fds=lambda: 42, num_threads=lambda: 2)):
        monkeypatch.setattr(psutil, "Process", lambda process=process: process)
        assert Probe(SimpleNamespace(), every_cycles=1, root=tmp_path).read() == (42, 2)


def test_what_nobody_counts_is_null_with_the_reason(tmp_path, monkeypatch):
    def gone():
        raise psutil.NoSuchProcess(1)

    monkeypatch.setattr(psutil, "Process", gone)
    probe = Probe(SimpleNamespace(), every_cycles=1, root=tmp_path)
    assert probe.read() == (None, None)
    assert set(probe.missing) == set(Sample._fields)
