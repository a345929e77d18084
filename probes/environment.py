"""Facts about the machine, the interpreter and the code, which say whether two runs may be compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from probes import ownership

_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)

VARIABLES = (
    *("MALLOC_ARENA_MAX", "MALLOC_ARENA_TEST", "MALLOC_CHECK_", "MALLOC_CONF", "MALLOC_MMAP_MAX_"),
    *("MALLOC_MMAP_THRESHOLD_", "MALLOC_PERTURB_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_"),
    *("GLIBC_TUNABLES", "LD_PRELOAD", "DYLD_INSERT_LIBRARIES"),
)
"""Environment variables that a run records, in ``runs.allocator`` behind what ``PYTHONMALLOC`` came to; no others.

They set the C library's allocator (mallopt(3), jemalloc) or put another one in its place.  Of files the names are
kept, not their directories.
"""

_SETTING = re.compile(r"[\w.,:=+-]{1,200}")


def facts(root: Path, *, private: bool = False) -> dict[str, Any]:
    """Return what of the environment a run records; JSON types only, ``None`` = cannot be had.

    ``root`` is the directory of the code whose commit counts; ``private`` leaves the host's name out.  A tracked
    program calls this in its own process, hence neither ``platform`` nor ``sysconfig`` nor
    ``importlib.metadata``: they would stay there.
    """
    system = os.uname() if hasattr(os, "uname") else None
    return {
        "git_commit": git_commit(root),
        "git_dirty": git_dirty(root),
        "python": ".".join(map(str, sys.version_info[:3])) + _prerelease(),
        "packages": packages(sys.path),
        "os": system.sysname if system else sys.platform,
        "kernel": system.release if system else None,
        "host": system.nodename if system and not private else None,
        "boot_id": ownership.boot_id(),
        "cpu_model": cpu_model(_text(Path("/proc/cpuinfo"))),
        "cores": os.cpu_count(),
        "memory_bytes": memory_bytes(),
        "allocator": " ".join([allocator(), *settings(os.environ)]),
    }


def settings(variables: Mapping[str, str]) -> list[str]:
    """Return those of `VARIABLES` that are set, as ``NAME=value``; of paths the last part."""
    found = []
    for name in VARIABLES:
        words = re.split(r"[:\s]+", variables.get(name, ""))
        kept = [word.replace("\\", "/").rpartition("/")[2] for word in words]
        value = ":".join(word for word in kept if _SETTING.fullmatch(word))
        if value:
            found.append(f"{name}={value}")
    return found


def without_names(value: Any) -> Any:
    """Return a JSON value whose texts name neither this user's home directory nor the user in a path."""
    if isinstance(value, Mapping):
        return {key: without_names(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_names(item) for item in value]
    return _without_home(value) if isinstance(value, str) else value


def shown(path: str) -> str:
    """Return a path relative to the working directory where it lies below it, else from the home directory on."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return _without_home(path)


def _without_home(text: str) -> str:
    try:
        home = Path.home()
    except RuntimeError:  # neither a variable nor an account tells
        return text
    if not home.name:
        return text
    text = re.sub(rf"{re.escape(str(home))}(?![\w.-])", "~", text)
    # Elsewhere than at home too: /scratch/jane/run.py.
    return re.sub(rf"(?<=[/\\]){re.escape(home.name)}(?![\w.-])", "~", text)


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


def memory_bytes() -> int | None:
    """Return the machine's memory, or ``None`` where psutil cannot tell (Linux without ``/proc``)."""
    try:
        return int(psutil.virtual_memory().total)
    except (OSError, RuntimeError, psutil.Error):
        return None


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
            errors="replace",  # names of files are bytes, and core.quotepath=false shows them
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
