import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from probes.memory import Owners, Probe, Sample, parse_smaps_rollup, parse_statm

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]
LINUX = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")

STATM = b"4521 1688 812 5 0 1093 0\n"
ROLLUP = b"""\
5570a7335000-7ffde3f63000 ---p 00000000 00:00 0                          [rollup]
Rss:                6752 kB
Pss:                4210 kB
Pss_Dirty:          3112 kB
Pss_Anon:           3112 kB
Shared_Clean:       3040 kB
Shared_Dirty:          0 kB
Private_Clean:       600 kB
Private_Dirty:      3112 kB
Anonymous:          3112 kB
Private_Hugetlb:    2048 kB
Swap:                 12 kB
SwapPss:               6 kB
Locked:                0 kB
"""


@pytest.fixture
def procfs(tmp_path):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "statm").write_bytes(STATM)
    (tmp_path / "self" / "smaps_rollup").write_bytes(ROLLUP)
    return tmp_path


@pytest.fixture
def open_probe():
    opened = []

    def build(**options):
        opened.append(Probe(SimpleNamespace(), every_cycles=1, **options))
        return opened[-1]

    yield build
    for probe in opened:
        probe.close()


def test_statm_counts_pages():
    assert parse_statm(STATM, 4096) == (1688 * 4096, 4521 * 4096)


def test_smaps_rollup_counts_kibibytes_and_uss_is_all_that_is_private():
    assert parse_smaps_rollup(ROLLUP) == Owners(4210 * 1024, (600 + 3112 + 2048) * 1024, 12 * 1024)


def test_a_line_that_the_kernel_lacks_is_none():
    assert parse_smaps_rollup(b"Rss:  10 kB\nPss:  7 kB\n") == Owners(7 * 1024, None, None)


def test_owners_are_read_at_the_first_of_every_so_many_readings(procfs, open_probe):
    probe = open_probe(root=procfs, smaps_every=3)
    readings = [Sample(*probe.read()) for _ in range(7)]
    assert [reading.pss_bytes is not None for reading in readings] == [True, False, False] * 2 + [True]
    assert all(reading.rss_bytes == readings[0].rss_bytes for reading in readings)
    assert probe.missing == {}


def test_owners_are_never_read_at_zero(procfs, open_probe):
    probe = open_probe(root=procfs, smaps_every=0)
    assert [probe.read()[2:] for _ in range(3)] == [(None, None, None)] * 3


def test_a_kernel_without_smaps_rollup_gives_null_and_the_reason(procfs, open_probe):
    (procfs / "self" / "smaps_rollup").unlink()
    probe = open_probe(root=procfs, smaps_every=1)
    assert Sample(*probe.read())[1:] == (4521 * os.sysconf("SC_PAGE_SIZE"), None, None, None)
    assert set(probe.missing) == {"pss_bytes", "uss_bytes", "swap_bytes"}
    assert "smaps_rollup: No such file" in probe.missing["pss_bytes"]


def test_a_missing_statm_gives_null_and_the_reason(procfs, open_probe):
    (procfs / "self" / "statm").unlink()
    probe = open_probe(root=procfs)
    assert probe.read() == (None, None, 4210 * 1024, 5760 * 1024, 12 * 1024)
    assert set(probe.missing) == {"rss_bytes", "vms_bytes"}


def test_without_procfs_psutil_answers(tmp_path, open_probe):
    probe = open_probe(root=tmp_path, smaps_every=1)
    sample = Sample(*probe.read())
    assert sample.rss_bytes == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    assert sample.uss_bytes is not None
    assert 0 < sample.uss_bytes <= sample.rss_bytes


# In a small process of its own: where libraries are shared with other test processes, PSS moves with theirs.
DIRTY = """
import json, mmap
from types import SimpleNamespace
from probes.memory import Probe

probe = Probe(SimpleNamespace(), every_cycles=1, smaps_every=1)
probe.read()
before = probe.read()
with mmap.mmap(-1, 64 << 20) as area:
    for page in range(0, len(area), mmap.PAGESIZE):
        area[page] = 1
    during = probe.read()
print(json.dumps([before, during, probe.read()]))
"""


@LINUX
def test_64_dirty_mib_are_64_mib_more():
    read = subprocess.run([sys.executable, "-c", DIRTY], capture_output=True, text=True, check=True, cwd=ROOT)
    before, during, after = (Sample(*values) for values in json.loads(read.stdout))
    for field in ("rss_bytes", "vms_bytes", "pss_bytes", "uss_bytes"):
        grown = getattr(during, field) - getattr(before, field)
        left = getattr(after, field) - getattr(before, field)
        assert (grown / MIB, left / MIB) == (pytest.approx(64, abs=1), pytest.approx(0, abs=1)), field


@LINUX
def test_closing_releases_the_descriptor_and_may_be_repeated():
    gc.collect()  # what other tests left open is not closed in between
    descriptors = psutil.Process().num_fds()
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert psutil.Process().num_fds() == descriptors + 1
    probe.close()
    probe.close()
    assert psutil.Process().num_fds() == descriptors


@pytest.mark.parametrize("value", [-1, 2.5, True, "50", None], ids=repr)
def test_smaps_every_is_a_whole_number(value):
    with pytest.raises(ValueError, match=f"smaps_every={value} is not a whole number of at least 0"):
        Probe(SimpleNamespace(), every_cycles=1, smaps_every=value)
