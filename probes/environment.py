"""Facts about the machine, the interpreter and the code, which say whether two runs may be compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)


def facts(root: Path) -> dict[str, Any]:
    """Return what of the environment a run records; JSON types only, ``None`` = cannot be had.

    ``root`` is the directory of the code whose commit counts.  A tracked program calls this in its own
    process, hence neither ``platform`` nor ``sysconfig`` nor ``importlib.metadata``: they would stay there.
    """
    system = os.uname() if hasattr(os, "uname") else None
    return {
        "git_commit": git_commit(root),
        "git_dirty": git_dirty(root),
        "python": ".".join(map(str, sys.version_info[:3])) + _prerelease(),
        "packages": packages(sys.path),
        "os": system.sysname if system else sys.platform,
        "kernel": system.release if system else None,
        "host": system.nodename if system else None,
        "boot_id": _text(Path("/proc/sys/kernel/random/boot_id")),
        "cpu_model": cpu_model(_text(Path("/proc/cpuinfo"))),
        "cores": os.cpu_count(),
        "memory_bytes": int(psutil.virtual_memory().total),
        "allocator": allocator(),
    }


def git_commit(root: Path) -> str | None:
    """Return the commit that ``root`` is at, or ``None`` outside a repository."""
    return _git(root, "rev-parse", "--verify", "HEAD")


def git_dirty(root: Path) -> bool | None:
    """Tell whether a tracked file differs from the commit; files that git does not know do not count."""
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    return None if changed is None else bool(changed)


def packages(path: list[str]) -> dict[str, str]:
    """Return the installed distributions by normalised name, from the names of their metadata directories.

    The first on ``path`` wins, as in an import.  Names alone take 0.5 ms for 57 distributions, where
    ``importlib.metadata`` takes 37 ms and leaves 3.4 MiB behind (Python 3.11.7).
    """
    found: dict[str, str] = {}
    for directory in path:
        for name, version in _distributions(Path(directory or ".")):
            found.setdefault(name, version)
    return dict(sorted(found.items()))


def cpu_model(cpuinfo: str | None) -> str | None:
    """Return the model that ``/proc/cpuinfo`` names; ARM kernels name none."""
    found = _MODEL.search(cpuinfo or "")
    return found[1].strip() if found else None


def allocator() -> str:
    """Return the allocator of small objects in the terms of ``PYTHONMALLOC``.

    Where the variable does not decide, the interpreter does: without pymalloc it counts no blocks.
    """
    asked = "" if sys.flags.ignore_environment else os.environ.get("PYTHONMALLOC", "")
    if asked not in ("", "default"):
        return asked
    if "t" in getattr(sys, "abiflags", ""):
        return "mimalloc"
    if not sys.getallocatedblocks():
        return "malloc"
    return "pymalloc_debug" if sys.flags.dev_mode else "pymalloc"


def _distributions(directory: Path) -> list[tuple[str, str]]:
    try:
        names = sorted(entry.name for entry in os.scandir(directory) if entry.name.endswith(".dist-info"))
    except OSError:
        return []
    pairs = (name.removesuffix(".dist-info").rpartition("-") for name in names)
    return [(re.sub(r"[-_.]+", "-", name).lower(), version) for name, _, version in pairs if name]


def _git(root: Path, *command: str) -> str | None:
    # A hook's GIT_DIR would make git answer for another repository; its locks would disturb the user's.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(root), *command],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _prerelease() -> str:
    level = sys.version_info.releaselevel
    return "" if level == "final" else f"{level}{sys.version_info.serial}"


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
