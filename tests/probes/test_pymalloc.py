import ctypes
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest

from probes import pymalloc
from probes.pymalloc import NOTHING, Probe, Sample, parse

REPOSITORY = Path(pymalloc.__file__).parents[1]
PYMALLOC = pytest.mark.skipif(
    os.environ.get("PYTHONMALLOC", "").startswith("malloc")
    or not sysconfig.get_config_var("WITH_PYMALLOC")
    or bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="this Python runs without pymalloc",
)
MIB = 1 << 20

# CPython 3.11.7, the table of size classes shortened; 3.12.1 and 3.13.0 write the same lines.
REPORT = b"""\
Small block threshold = 512, in 32 size classes.

class   size   num pools   blocks in use  avail blocks
-----   ----   ---------   -------------  ------------
    0     16           1             124           897
    1     32           2             992            28

# arenas allocated total           =                    7
# arenas reclaimed                 =                    4
# arenas highwater mark            =                    5
# arenas allocated current         =                    3
3 arenas * 1048576 bytes/arena     =            3,145,728

# bytes in allocated blocks        =            2,423,024
# bytes in available blocks        =              294,032
22 unused pools * 16384 bytes      =              360,448
# bytes lost to pool headers       =                8,016
# bytes lost to quantization       =               11,056
# bytes lost to arena alignment    =               49,152
Total                              =            3,145,728
"""


def test_the_report_counts_arenas_bytes_and_pools():
    assert parse(REPORT) == Sample(
        arenas=3,
        arena_bytes=3 * MIB,
        allocated_bytes=2_423_024,
        available_bytes=294_032,
        free_pools=22,
    )


def test_an_older_python_had_arenas_of_256_kib():
    older = REPORT.replace(b"3 arenas * 1048576", b"12 arenas * 262144")
    assert parse(older)[:2] == (12, 3 * MIB)


def test_what_the_report_lacks_is_none():
    shorter = b"\n".join(line for line in REPORT.splitlines() if b"unused pools" not in line)
    assert parse(shorter) == parse(REPORT)._replace(free_pools=None)
    assert parse(b"") == NOTHING


ALLOCATE = """
import json
from types import SimpleNamespace
from probes.pymalloc import Probe

probe = Probe(SimpleNamespace(), every_cycles=1)
before = probe.read()
held = [bytes(479) for _ in range({blocks})]  # with its header, each fills a block of 512 bytes
during = probe.read()
survivors = held[::{keep}]
del held
print(json.dumps([before, during, probe.read()]))
"""


def readings(keep: int) -> list[Sample]:
    """Before, with and after 64 MiB of small objects of which every ``keep``-th stays.

    In a process of its own: pools that tests before this one left free would take up a part of it.
    """
    return printed(ALLOCATE.format(blocks=64 * MIB // 512, keep=keep))


def printed(script: str) -> list[Sample]:
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return [Sample(*reading) for reading in json.loads(ran.stdout)]


@PYMALLOC
def test_64_mib_of_small_objects_are_64_mib_more_and_go_again():
    before, during, after = readings(keep=64 * MIB)  # the first object alone
    for field in ("arena_bytes", "allocated_bytes"):
        grown = getattr(during, field) - getattr(before, field)
        assert grown / MIB == pytest.approx(64, rel=0.1), field
    assert (after.allocated_bytes - before.allocated_bytes) / MIB == pytest.approx(0, abs=1)
    assert after.arenas < before.arenas + 16
    assert during.arena_bytes == during.arenas * MIB


@PYMALLOC
def test_one_survivor_a_pool_pins_the_arenas_and_leaves_their_blocks_free():
    before, during, after = readings(keep=31)  # a pool of 16 KiB holds 31 of them
    assert after.arenas == pytest.approx(during.arenas, rel=0.05)
    assert (after.allocated_bytes - before.allocated_bytes) / MIB == pytest.approx(64 / 31, abs=1)
    assert (after.available_bytes - before.available_bytes) / MIB == pytest.approx(64 * 30 / 31, rel=0.1)


READ = """
import json
from probes.pymalloc import Probe

probe = Probe(None, every_cycles=1)
for _ in range(10):
    first = probe.read()
for _ in range(1000):
    last = probe.read()
print(json.dumps([first, last]))
"""


@PYMALLOC
def test_readings_leave_nothing_behind():
    first, last = printed(READ)
    # A row is 100 bytes and more: keeping a thousand would show.
    assert abs(last.allocated_bytes - first.allocated_bytes) < 50_000


def test_without_pymalloc_a_reading_is_null_with_the_reason():
    code = "from probes.pymalloc import Probe; p = Probe(None, every_cycles=1); print(p.read(), p.missing)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONMALLOC": "malloc"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(NOTHING) in done.stdout
    assert done.stdout.count("PYTHONMALLOC=malloc") == len(Sample._fields)


def test_a_python_that_hides_the_symbol_gives_null_with_the_reason(monkeypatch):
    monkeypatch.setattr(ctypes, "PyDLL", lambda _: SimpleNamespace())
    probe = Probe(SimpleNamespace(), every_cycles=1)
    assert probe.read() == NOTHING
    assert set(probe.missing) == set(Sample._fields)
    assert "_PyObject_DebugMallocStats" in probe.missing["arenas"]
    probe.close()
