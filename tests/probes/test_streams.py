"""What a command's process does with its standard streams, and how it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

LEAVING = """
import atexit, os, signal, sys
from probes.streams import leave, opened

class Late:
    def __del__(self):
        os.write(2, b"torn down")

opened()
late = Late()
atexit.register(os.kill, os.getpid(), signal.SIGINT)
atexit.register(print, "and this")
print("rows")
leave(3)
"""
OPENING = """
import os, sys
from probes.streams import opened
opened()
print(sys.stdin.read(), end="")
print("rows")
print("note", file=sys.stderr)
assert os.open(os.devnull, os.O_RDONLY) > 2
"""


def shell(redirected: str, script: str) -> subprocess.CompletedProcess[str]:
    words = [
        "bash",
        "-c",
        f'exec "$@" {redirected}',
        "bash",
        sys.executable,
        "-E",
        "-c",
        script,
    ]  # -E: buffered
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("redirected", "out"),
    [
        ("", "rows\nand this\n"),
        (">&-", ""),
        (">/dev/full", ""),
        ("> >(exec true)", ""),
        ("2>/dev/full", None),
    ],
    ids=["read", "closed", "full", "left by its reader", "stderr full"],
)
def test_a_process_leaves_with_its_code_once_all_is_said(redirected: str, out: str | None) -> None:
    done = shell(redirected, LEAVING)
    assert (done.returncode, done.stderr) == (3, "")
    assert out is None or done.stdout == out


@pytest.mark.parametrize(
    ("redirected", "out", "err"),
    [
        ("<&-", "rows\n", "note\n"),
        (">&-", "", "note\n"),
        ("2>&-", "rows\n", ""),
        ("<&- >&- 2>&-", "", ""),
    ],
)
def test_a_closed_stream_is_the_null_device_and_no_file_gets_its_number(
    redirected: str, out: str, err: str
) -> None:
    done = shell(redirected, OPENING)
    assert (done.returncode, done.stdout, done.stderr) == (0, out, err)
