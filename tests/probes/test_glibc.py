import ctypes
import sys
from types import SimpleNamespace

import pytest

from probes import glibc
from probes.glibc import Probe, Sample

KIB, MIB = 1 << 10, 1 << 20


def has_mallinfo2():
    try:
        return hasattr(ctypes.CDLL(None), "mallinfo2")
    except TypeError:  # Windows
        return False


GLIBC = pytest.mark.skipif(not has_mallinfo2(), reason="this C library has no mallinfo2")


@pytest.fixture
def read():
    probe = Probe(SimpleNamespace(), every_cycles=1)
    yield lambda: Sample(*probe.read())
    probe.close()


@GLIBC
def test_a_block_of_64_mib_is_mapped_on_its_own_and_given_back(read):
    before = read()
    block = bytearray(64 * MIB)
    during = read()
    del block
    assert during.mmapped_bytes - before.mmapped_bytes == pytest.approx(64 * MIB, abs=64 * KIB)
    assert during.used_bytes - before.used_bytes < MIB
    assert read().mmapped_bytes == before.mmapped_bytes


@GLIBC
def test_512_blocks_of_64_kib_are_32_mib_in_use_and_every_second_one_freed_16_mib_free(read):
    before = read()
    blocks = [bytearray(64 * KIB) for _ in range(512)]
    full = read()
    del blocks[::2]
    half = read()
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
