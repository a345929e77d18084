import ctypes
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from probes import glibc
from probes.glibc import Probe, Sample

ROOT = Path(__file__).resolve().parents[2]
KIB, MIB = 1 << 10, 1 << 20


def has_mallinfo2():
    try:
        return hasattr(ctypes.CDLL(None), "mallinfo2")
    except TypeError:  # Windows
        return False


GLIBC = pytest.mark.skipif(not has_mallinfo2(), reason="this C library has no mallinfo2")


# In a process of its own: what tests before this one left in the heap may be freed in between.
ALLOCATE = """
import json
from types import SimpleNamespace
from probes.glibc import Probe

read = Probe(SimpleNamespace(), every_cycles=1).read
before = read()
block = bytearray(64 << 20)
during = read()
del block
after = read()
blocks = [bytearray(64 << 10) for _ in range(512)]
full = read()
del blocks[::2]
print(json.dumps([before, during, after, full, read()]))
"""


@pytest.fixture(scope="module")
def readings():
    """Before, with and after a block of 64 MiB, then with 512 of 64 KiB and with half of these."""
    ran = subprocess.run(
        [sys.executable, "-c", ALLOCATE], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return [Sample(*reading) for reading in json.loads(ran.stdout)]


@GLIBC
def test_a_block_of_64_mib_is_mapped_on_its_own_and_given_back(readings):
    before, during, after, *_ = readings
    assert during.mmapped_bytes - before.mmapped_bytes == pytest.approx(64 * MIB, abs=64 * KIB)
    assert during.used_bytes - before.used_bytes < MIB
    assert after.mmapped_bytes == before.mmapped_bytes


@GLIBC
def test_512_blocks_of_64_kib_are_32_mib_in_use_and_every_second_one_freed_16_mib_free(readings):
    _, _, before, full, half = readings
    assert full.used_bytes - before.used_bytes == pytest.approx(32 * MIB, rel=0.05)
    assert full.used_bytes - half.used_bytes == pytest.approx(16 * MIB, rel=0.05)
    assert half.free_bytes - full.free_bytes >= 15 * MIB
    assert half.arena_bytes == half.used_bytes + half.free_bytes
    # What lies between live blocks cannot go back.
    assert half.free_bytes - half.top_bytes >= 15 * MIB


def test_a_c_library_without_mallinfo2_gives_null_and_the_reason(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: SimpleNamespace())
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert probe.read() == (None,) * 5
    assert set(probe.missing) == set(Sample._fields)
    assert "no mallinfo2" in probe.missing["arena_bytes"]


def test_a_replaced_malloc_gives_null_and_its_name(monkeypatch):
    libc = SimpleNamespace(mallctl=None, mallinfo2=None)
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: libc)
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert probe.read() == (None,) * 5
    assert probe.missing["used_bytes"].startswith("jemalloc has replaced malloc")


def test_sizes_are_not_cut_to_31_bits():
    words = [getattr(glibc._Mallinfo2, name).size for name, _ in glibc._Mallinfo2._fields_]
    assert words == [ctypes.sizeof(ctypes.c_void_p)] * 10
    assert sys.maxsize > 2**31
