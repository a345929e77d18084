"""Who may publish a spool: its owner holds a POSIX lock on ``owner.lock`` for as long as it lives.

``lockf``, not ``flock``: a worker that the owner forked and that survives it would keep the latter.  The price
is that closing *any* descriptor of the file drops the lock of the whole process.  So a process never opens
``owner.lock`` of a spool whose ``owner.pid`` is its own, and asks no ``state`` of a spool whose ``adopt_lock``
it holds.
"""

from __future__ import annotations

import errno
import importlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

fcntl: Any
try:
    fcntl = importlib.import_module("fcntl")
except ImportError:  # Windows: as on a file system without locks, nothing is adopted unless somebody vouches
    fcntl = None

State = Literal["born", "running", "dead", "unlockable"]

BIRTH_S = 60.0
"""A spool without a lock is left alone for so long: its owner may be starting."""

_HELD = (errno.EACCES, errno.EAGAIN)
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)


class Owner:
    """The claim of this process on one spool."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self.pid = os.getpid()

    @classmethod
    def claim(cls, spool: Path) -> Owner:
        """Write ``owner.pid``, then show ``owner.lock``, which is locked before it has that name.

        Raises
        ------
        FileExistsError
            If the spool had an owner before.
        """
        lock = spool / "owner.lock"
        if lock.exists():
            raise FileExistsError(
                errno.EEXIST, "the spool has an owner already; give every run a spool of its own", str(lock)
            )
        (spool / "owner.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
        unfinished = spool / "owner.lock.new"
        if fcntl is None:  # Windows renames no open file
            unfinished.touch()
            unfinished.rename(lock)
            return cls(None)
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | _CLOEXEC, 0o644)
        try:
            _lock(descriptor)
            unfinished.rename(lock)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Let others publish; a second call does nothing, and so does one from a forked child."""
        if self._descriptor is not None and os.getpid() == self.pid:
            os.close(self._descriptor)
            self._descriptor = None


def state(spool: Path) -> State:
    """Tell whether a spool's owner lives.

    ``born``: no lock yet, younger than a minute.  ``unlockable``: the file system has no locks, so nobody knows.
    """
    if _is_own(spool):
        return "running"
    try:
        descriptor = os.open(spool / "owner.lock", os.O_RDONLY | _CLOEXEC)
    except FileNotFoundError:
        return "born" if _is_young(spool) else "dead"
    try:
        if fcntl is None:
            return "unlockable"
        fcntl.lockf(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return "running" if error.errno in _HELD else "unlockable"
    finally:
        os.close(descriptor)
    return "dead"


def live(spools: Path) -> int:
    """Return how many spools in a directory have a living owner, or one that is being born."""
    with suppress(FileNotFoundError):
        return sum(spool.is_dir() and state(spool) in ("running", "born") for spool in spools.iterdir())
    return 0


def boot_id() -> str | None:
    """Return the boot of this host, within which a process's number is its own; None where the kernel tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


@contextmanager
def adopt_lock(spool: Path, *, wait: bool, own: bool) -> Iterator[bool]:
    """Hold a spool for publishing.

    Parameters
    ----------
    spool : Path
        The spool directory.
    wait : bool
        Wait until its owner, or another adopter, is gone; else give up at once.
    own : bool
        The caller started the owner and knows that it has ended: a spool without a lock is adopted now.

    Yields
    ------
    bool
        True while this process holds the lock; False if somebody else has it, the owner is this very process,
        the file system has no locks, or the spool is gone.
    """
    descriptor = None if _is_own(spool) else _open_lock(spool, own=own)
    if descriptor is None:
        yield False
        return
    try:
        yield _acquire(descriptor, wait=wait) and _is_current(descriptor, spool)
    finally:
        os.close(descriptor)


def _open_lock(spool: Path, *, own: bool) -> int | None:
    with suppress(FileNotFoundError):
        return os.open(spool / "owner.lock", os.O_RDWR | _CLOEXEC)
    if not own and _is_young(spool):
        return None
    with suppress(FileNotFoundError):
        # Without an owner's lock file adopters need one among themselves.
        return os.open(spool / "owner.lock", os.O_RDWR | os.O_CREAT | _CLOEXEC, 0o644)
    return None


def _acquire(descriptor: int, *, wait: bool) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (*_HELD, *_NO_LOCKS):
            return False
        raise
    return True


def _is_current(descriptor: int, spool: Path) -> bool:
    """Tell whether the locked file still stands in the spool: who held it before may have published the run."""
    try:
        return os.path.samestat(os.fstat(descriptor), (spool / "owner.lock").stat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int) -> None:
    """Lock at once, or go on without where the file system has no locks: then nothing is adopted by itself."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_own(spool: Path) -> bool:
    """Tell whether this very process owns the spool, without opening its lock.

    The number in ``owner.pid`` is not enough: in a container every program is process 1.
    """
    try:
        if int((spool / "owner.pid").read_text(encoding="ascii")) != os.getpid():
            return False
        # The lock is held before it has its name: if it stands there and is ours, the kernel lists it.
        return _holds((spool / "owner.lock").stat().st_ino)
    except ValueError:
        return False
    except FileNotFoundError as error:
        return str(error.filename).endswith("owner.lock")


def _holds(inode: int) -> bool:
    """Look a POSIX lock of this process up, see proc_locks(5); where there is no such list, suppose it is held."""
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return True
    held = (line.split() for line in lines if " POSIX " in line and "->" not in line)
    return any(int(fields[4]) == os.getpid() and fields[5].endswith(f":{inode}") for fields in held)


def _is_young(spool: Path) -> bool:
    try:
        # A file server's clock may be ahead by a little; a date far ahead is of a clock set back since.
        return abs(time.time() - spool.stat().st_mtime) < BIRTH_S
    except FileNotFoundError:
        return False
