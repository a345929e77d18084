import json
import struct
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from probes.segment import Segment, read_segment, segment_bytes
from probes.tracking import Recording, Tracked, track

ROOT = Path(__file__).resolve().parents[2]

PLANTED = '''
"""A workload with one thing to do, for tests."""
import os, signal, time

class Workload:
    observables = {"population": int, "energy": float}

    def __init__(self, *, do="nothing", at=5, seconds=0.0):
        if do not in ACTS:
            raise ValueError(f"do={do} is no act; give one of {sorted(ACTS)}")
        self.do, self.at, self.seconds = do, at, seconds

    def planned_s(self, condition):
        return self.seconds * condition.cycles

    def start(self, condition, scene):
        (scene.scratch / "file").write_text("x")
        time.sleep(0.02)
        return Simulation(self, scene)

class Simulation:
    def __init__(self, workload, scene):
        self.workload, self.scene = workload, scene

    def step(self, cycle):
        if self.workload.seconds:
            time.sleep(self.workload.seconds)
        if cycle == self.workload.at:
            ACTS[self.workload.do](self)
        return cycle, cycle / 2

    def close(self):
        print("closed", flush=True)

def boom(simulation):
    raise KeyError("boom")

def quit_(simulation):
    raise SystemExit(3)

def swallow(simulation):
    open("asleep", "w").close()
    try:
        time.sleep(60)
    except Exception:
        pass

def wait(simulation):
    open("asleep", "w").close()
    while not os.path.exists("awake"):
        time.sleep(0.01)

def kill(simulation):
    os.kill(os.getpid(), signal.SIGKILL)

def vanish(simulation):
    import shutil
    shutil.rmtree(simulation.scene.scratch.parent)

def fork(simulation):
    if os.fork() == 0:
        raise SystemExit(0)
    os.wait()

ACTS = {"nothing": lambda simulation: None, "boom": boom, "quit": quit_, "sleep": swallow, "wait": wait,
        "kill": kill, "vanish": vanish, "fork": fork}
'''

MEASURED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from probes import build, recording, windows
build.WORKLOADS = ("planted.Workload",)
recording.SEGMENT_ROWS = int(sys.argv[3])
windows.SECOND_NS = int(sys.argv[4])
from probes.measured import run
sys.exit(run(Path(sys.argv[2])))
"""


@pytest.fixture
def read_rows() -> Callable[..., list[dict[str, Any]]]:
    """Read a stream of a spool as the store does: up to the cursors, ``None`` where the mask says so."""

    def read(directory: Path, stream: str) -> list[dict[str, Any]]:
        return [row for segment in segments_of(directory, stream) for row in rows_of(segment)]

    return read


def segments_of(directory: Path, stream: str | None = None) -> list[Segment]:
    """Return the segments of a spool directory, or of one stream in it, in the order of their rows."""
    found = [read_segment(path) for path in directory.glob(f"{stream or '*'}-*.spool")]
    return sorted(
        (one for one in found if stream in (None, one.stream)), key=lambda one: (one.stream, one.index)
    )


@pytest.fixture
def segments() -> Callable[..., list[Segment]]:
    """Read the headers of a spool's segments."""
    return segments_of


def rows_of(segment: Segment) -> Iterator[dict[str, Any]]:
    """Decode one segment; a row's clocks are what they went on since the record before."""
    codes = {"int": "q", "float": "d", "clock": "q", "schedstat": "48s"}
    record = struct.Struct("<Q" + "".join(codes[kind] for _, kind in segment.columns))
    before: dict[str, int | None] = {}
    for mask, *values in record.iter_unpack(segment_bytes(segment)):
        now = {
            name: number(kind, value) if mask >> i & 1 else None
            for i, ((name, kind), value) in enumerate(zip(segment.columns, values, strict=True))
        }
        clocks = {name for name, kind in segment.columns if kind in ("clock", "schedstat")}
        if not mask >> 63:
            yield {
                **now,
                **{name: gone(before[name], now[name]) for name in clocks},
                **derived(segment, now, before),
            }
        before = now


def number(kind: str, value: Any) -> Any:
    return int(value.split()[1]) if kind == "schedstat" else value


def gone(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else now - before


def derived(segment: Segment, now: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    if ("wall_ns", "clock") not in segment.columns:
        return {}
    wall, cpu, runq = (gone(before[name], now[name]) for name in ("wall_ns", "cpu_ns", "runq_ns"))
    known = None not in (wall, cpu, runq)
    return {
        "t_ns": now["wall_ns"] - segment.origin_ns,
        "process": 0,
        "offcpu_ns": wall - cpu - runq if known else None,
    }


@pytest.fixture
def write_job() -> Callable[..., Path]:
    """Write the job of a planted workload into a spool; returns the spool."""

    def write(spool: Path, *, cycles: tuple[int, ...] = (10, 10), **changes: Any) -> Path:
        probe: Mapping[str, Any] = changes.pop("probe", {})
        budget = changes.pop("budget", "lower")
        target = changes.pop("target", "planted.Workload")
        job = {
            "format": 1,
            "run_id": spool.name,
            "experiment": "planted",
            "seed": 1,
            "conditions": [
                {"name": f"c{i}", "position": i, "cycles": number, "mechanisms": {}}
                for i, number in enumerate(cycles)
            ],
            "build": {"workload": {"_target_": target, **changes}, "probe": probe},
            "probe_budget": budget,
        }
        spool.mkdir(parents=True)
        (spool / "job.json").write_text(json.dumps(job))
        return spool

    return write


@pytest.fixture
def measure(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a real measured process that may also run the planted workload."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "planted.py").write_text(PLANTED)
    started: list[subprocess.Popen[bytes]] = []

    # A minute, so that no window ends because the machine stood still for a second.
    def start(
        spool: Path, *, segment_rows: int = 4096, second_ns: int = 60 * 10**9
    ) -> subprocess.Popen[bytes]:
        with (spool / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    MEASURED,
                    str(tmp_path / "code"),
                    str(spool / "job.json"),
                    str(segment_rows),
                    str(second_ns),
                ],
                cwd=tmp_path,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a file system of a given size."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        where = tmp_path / "disk"
        where.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting a small tmpfs is not permitted here: {done.stderr.strip()}")
        mounted.append(where)
        return where

    yield mount
    for where in mounted:
        subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.fixture
def fill() -> Callable[[Path], None]:
    """Leave no byte free on a small disk."""

    def fill(disk: Path) -> None:
        with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass

    return fill


UNPUBLISHED = """
import os, signal, sys, time, threading
from probes import track
from probes.tracking import Recording
Recording._publish = lambda self: None
def tracked(n=8, **more):
    return track(range(n), experiment="mine", store="data", **more)
def session(**more):
    return track(experiment="mine", store="data", **more)
def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
"""


@pytest.fixture
def preamble() -> str:
    """Begin a user's script whose runs stay in their spools."""
    return UNPUBLISHED


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a user's script in a real process of its own."""

    def run(text: str, *, before: str = UNPUBLISHED) -> subprocess.CompletedProcess[str]:
        path = tmp_path / "script.py"
        path.write_text(before + textwrap.dedent(text))
        command = [sys.executable, str(path)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)

    return run


@pytest.fixture
def only_spool() -> Callable[[Path], Path]:
    """Find the one spool of the store ``data`` in a directory."""
    return only_spool_of


def only_spool_of(directory: Path) -> Path:
    (spool,) = (directory / "data" / "spool").iterdir()
    return spool


@pytest.fixture
def end_of() -> Callable[[Path], dict[str, Any]]:
    """Read the only run's ``end.json``."""
    return lambda directory: json.loads((only_spool_of(directory) / "end.json").read_text())


@pytest.fixture
def unpublished(monkeypatch, tmp_path) -> Path:
    """Leave runs of this very process in their spools, and give the store."""
    monkeypatch.setattr(Recording, "_publish", lambda self: None)
    return tmp_path / "data"


@pytest.fixture
def loop() -> Callable[..., Tracked[int]]:
    """Track a short loop in this very process."""

    def loop(store: Path, cycles: int = 3, **more: Any) -> Tracked[int]:
        return track(range(cycles), experiment="mine", store=store, **more)

    return loop


@pytest.fixture
def ends(read_rows, unpublished) -> Callable[[], list[tuple[str, int]]]:
    """Tell how each run ended and how many cycles stand in its spool, in the order of their starts."""

    def ends() -> list[tuple[str, int]]:
        found = sorted((unpublished / "spool").iterdir())
        statuses = [json.loads((spool / "end.json").read_text())["status"] for spool in found]
        return [
            (status, len(read_rows(spool, "cycles"))) for status, spool in zip(statuses, found, strict=True)
        ]

    return ends
