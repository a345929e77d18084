import os
import sys
import threading
from types import SimpleNamespace

import psutil
import pytest

from probes.descriptors import Probe, Sample

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@LINUX
def test_100_open_files_and_3_threads_are_counted():
    probe = Probe(SimpleNamespace(), every_cycles=1)
    before = Sample(*probe.read())
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(100)]
    end = threading.Event()
    threads = [threading.Thread(target=end.wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    during, known = Sample(*probe.read()), psutil.Process().num_threads()
    end.set()
    for thread in threads:
        thread.join()
    for descriptor in opened:
        os.close(descriptor)
    after = Sample(*probe.read())
    assert (during.open_descriptors - before.open_descriptors, during.threads - before.threads) == (100, 3)
    assert after.open_descriptors == before.open_descriptors
    assert during.threads == known
    assert probe.missing == {}


@LINUX
def test_a_kernel_that_does_not_count_them_is_asked_for_the_list():
    probe = Probe(SimpleNamespace(), every_cycles=1)
    counted = probe.read()
    probe._counted = False
    assert probe.read() == counted


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
