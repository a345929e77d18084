from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import conf
from stats.__main__ import main as stats_main
from store import open_catalog
from store.__main__ import main as store_main

MAINS = {"conf": conf.main, "store": store_main, "stats": stats_main}
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def command(tmp_path):
    """Start ``python <words>`` of the clone from an empty directory; returns the process, which ends with the test."""
    here = tmp_path / "caller's directory"
    here.mkdir(exist_ok=True)
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *words],
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


@pytest.fixture
def finished(command):
    """Run ``python <words>`` to its end and return (exit code, stdout, stderr)."""

    def run(*words: str) -> tuple[int, str, str]:
        process = command(*words)
        out, err = process.communicate()
        return process.returncode, out, err

    return run


@pytest.fixture
def done(tmp_path, monkeypatch, capfd):
    """Do what ``python <words>`` does, in this process and an empty directory; returns (exit code, stdout, stderr).

    Where the process itself is not what a test is about: to start one takes 0.6 s.
    """
    here = tmp_path / "caller's directory"
    here.mkdir(exist_ok=True)

    def do(*words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(here)
        capfd.readouterr()
        module, rest = (words[1], words[2:]) if words[0] == "-m" else ("conf", words[1:])
        code = MAINS[module](rest)
        return code, *capfd.readouterr()

    return do


@pytest.fixture
def rows():
    """Ask a store in SQL and return the rows."""

    def ask(store: Path, query: str) -> list[dict]:
        with open_catalog(store) as catalog:
            return catalog.query(query)

    return ask


@pytest.fixture
def living_spool():
    """Wait until a run in ``store`` has recorded ``least`` cycles; returns its spool and its owner's pid."""
    from probes.segment import read_segment

    def wait(store: Path, least: int = 5, timeout_s: float = 100.0) -> tuple[Path, int]:
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            for spool in (store / "spool").glob("*"):
                pid = spool / "owner.pid"
                segments = spool.glob("cycles-*.spool") if pid.exists() else ()
                written = sum(read_segment(path).rows for path in segments)
                if written > least:  # one record of a segment is no row
                    return spool, int(pid.read_text())
            time.sleep(0.05)
        raise TimeoutError(f"no run recorded {least} cycles within {timeout_s} s")

    return wait
