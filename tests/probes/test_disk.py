import os
import sys
from types import SimpleNamespace

import psutil
import pytest

from probes.disk import Machine, Own, Probe, Sample, parse_diskstats, parse_io, whole_disks

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MIB = 1 << 20

IO = b"""\
rchar: 6976
wchar: 12
syscr: 10
syscw: 3
read_bytes: 4096
write_bytes: 8192
cancelled_write_bytes: 4096
"""
DISKS = b"""\
   7       0 loop0 11 0 99 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 934880 64706 1000 638060 13860005 349942 3000 698931 0 531840 1558839 1288372 111 38 71374 450 15
 254       1 vda1 934880 64706 1000 638060 13860005 349942 3000 698931 0 531840 1558839 1288372 111 38 71374 450 15
 259       0 nvme0n1 5 0 24 1 2 0 8 1 0 1 2
"""


def test_the_totals_are_read_out_of_the_kernels_text():
    assert parse_io(IO) == Own(6976, 12, 10, 3, 4096, 8192)
    assert parse_io(b"rchar: 5\n") == Own(5, None, None, None, None, None)


def test_whole_disks_are_summed_and_their_partitions_are_not():
    disks = frozenset((b"vda", b"nvme0n1"))
    assert parse_diskstats(DISKS, disks) == Machine(512 * 1024, 512 * 3008)
    assert parse_diskstats(DISKS, frozenset((b"sda",))) == Machine(None, None)


def test_what_is_memory_or_made_of_other_disks_is_no_disk(tmp_path):
    for name in ("vda", "nvme0n1", "loop0", "zram0", "ram0", "dm-0", "md127", "sr0", "mmcblk0"):
        (tmp_path / "sys" / "block" / name).mkdir(parents=True)
    assert whole_disks(tmp_path) == {b"vda", b"nvme0n1", b"mmcblk0"}
    assert whole_disks(tmp_path / "nothing") == frozenset()


@LINUX
def test_eight_writes_of_a_mib_are_eight_calls_and_as_many_bytes(tmp_path):
    probe = Probe(SimpleNamespace(), every_cycles=1)
    before = Sample(*probe.read())
    with (tmp_path / "file").open("wb", buffering=0) as file:
        for _ in range(8):
            file.write(bytes(MIB))
        os.fsync(file.fileno())
    written = Sample(*probe.read())
    (tmp_path / "file").read_bytes()
    read = Sample(*probe.read())
    probe.close()
    assert written.write_calls - before.write_calls == 8
    assert written.call_write_bytes - before.call_write_bytes == 8 * MIB
    assert read.call_read_bytes - written.call_read_bytes >= 8 * MIB
    if written.write_bytes > before.write_bytes:  # on a tmpfs nothing is
        assert written.write_bytes - before.write_bytes == pytest.approx(8 * MIB, rel=0.1)


def test_without_procfs_psutil_answers(tmp_path, monkeypatch):
    own = SimpleNamespace(read_count=1, write_count=2, read_bytes=3, write_bytes=4)
    monkeypatch.setattr(psutil, "Process", lambda: SimpleNamespace(io_counters=lambda: own))
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: SimpleNamespace(read_bytes=5, write_bytes=6))
    probe = Probe(SimpleNamespace(), every_cycles=1, root=tmp_path)
    assert probe.read() == Sample(3, 4, 1, 2, None, None, 5, 6)
    assert set(probe.missing) == {"read_bytes", "write_bytes"}
    probe.close()


def test_macos_counts_no_process_and_a_machine_may_have_no_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(psutil, "Process", SimpleNamespace)
    monkeypatch.setattr(psutil, "disk_io_counters", lambda: None)
    probe = Probe(SimpleNamespace(), every_cycles=1, root=tmp_path)
    assert probe.read() == (None,) * 8
    assert set(probe.missing) == set(Sample._fields)


def test_a_file_that_may_not_be_read_gives_null_and_the_reason(tmp_path):
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "io").write_bytes(IO)
    probe = Probe(SimpleNamespace(), every_cycles=1, root=tmp_path)
    assert probe.read() == (6976, 12, 10, 3, 4096, 8192, None, None)
    assert probe.missing["machine_read_bytes"].endswith("diskstats: No such file or directory")
    probe.close()


def test_a_list_of_disks_longer_than_a_page_is_read_whole(tmp_path):
    names = [f"sd{i}" for i in range(400)]
    for name in names:
        (tmp_path / "sys" / "block" / name).mkdir(parents=True)
    (tmp_path / "proc" / "self").mkdir(parents=True)
    lines = "".join(f"   8   {i} {name} 1 0 2 0 1 0 4 0 0 0 0\n" for i, name in enumerate(names))
    (tmp_path / "proc" / "diskstats").write_text(lines)
    probe = Probe(SimpleNamespace(), every_cycles=1, root=tmp_path)
    assert probe.read()[6:] == (400 * 2 * 512, 400 * 4 * 512)
    probe.close()
