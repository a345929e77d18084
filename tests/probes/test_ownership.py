import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from probes import ownership
from probes.ownership import Owner, adopt_lock, live, state

CLAIM = """
import os, sys, time
from pathlib import Path
from probes.ownership import Owner
owner = Owner.claim(Path(sys.argv[1]))
if "fork" in sys.argv and os.fork() == 0:
    os.write(1, b"child %d\\n" % os.getpid())  # one write: the two share a pipe
    time.sleep(60)
os.write(1, b"claimed\\n")
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    path = tmp_path / "spool" / "run"
    path.mkdir(parents=True)
    return path


@pytest.fixture
def claim(spool: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(seconds: float = 60, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", CLAIM, str(spool), str(seconds), *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout is not None
    return next(line for line in process.stdout if line.startswith(word))


def grow_old(spool: Path) -> None:
    then = time.time() - 2 * ownership.BIRTH_S
    os.utime(spool, (then, then))


def test_a_spool_dated_far_ahead_is_not_being_born(spool):
    ahead = time.time() + 2 * ownership.BIRTH_S
    os.utime(spool, (ahead, ahead))
    assert state(spool) == "dead"


def test_a_spool_is_born_runs_and_dies(spool, claim):
    assert state(spool) == "born"
    process = claim()
    said(process, "claimed")
    assert state(spool) == "running"
    assert int((spool / "owner.pid").read_text()) == process.pid
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert state(spool) == "dead"


def test_a_spool_that_nobody_claims_is_dead_after_a_minute(spool):
    grow_old(spool)
    assert state(spool) == "dead"


def test_looking_takes_nothing_from_the_living(spool, claim):
    said(claim(), "claimed")
    for _ in range(3):
        assert state(spool) == "running"
        with adopt_lock(spool, wait=False, own=False) as held:
            assert not held
    assert state(spool) == "running"


def test_a_process_never_opens_the_lock_of_its_own_spool(spool):
    owner = Owner.claim(spool)
    assert state(spool) == "running"
    with adopt_lock(spool, wait=True, own=True) as held:
        assert not held
    look = f"from pathlib import Path; from probes.ownership import state; print(state(Path({str(spool)!r})))"
    seen = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "running"  # closing any descriptor would have dropped it
    owner.release()
    owner.release()


def test_a_forked_worker_that_survives_its_owner_does_not_keep_the_spool(spool, claim):
    process = claim(60, "fork")
    child = int(said(process, "child").split()[1])
    process.kill()
    process.wait()
    assert state(spool) == "dead"
    os.kill(child, signal.SIGKILL)


def test_the_dead_are_adopted_by_one_at_a_time(spool, claim):
    process = claim(0)
    process.wait()
    with adopt_lock(spool, wait=False, own=False) as held:
        assert held
        other = f"""
from pathlib import Path
from probes.ownership import adopt_lock
with adopt_lock(Path({str(spool)!r}), wait=False, own=False) as held:
    print(held)
"""
        seen = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True, check=True)
        assert seen.stdout.strip() == "False"


def test_waiting_ends_with_the_owner(spool, claim):
    process = claim(0.5)
    said(process, "claimed")
    with adopt_lock(spool, wait=True, own=False) as held:
        assert held
        assert process.wait(60) == 0


def test_an_adopter_that_waited_for_another_finds_the_spool_gone(spool, claim, monkeypatch):
    claim(0).wait()
    real = fcntl.lockf

    def published_meanwhile(descriptor: int, how: int) -> None:
        real(descriptor, how)
        (spool / "owner.lock").unlink()

    monkeypatch.setattr(fcntl, "lockf", published_meanwhile)
    with adopt_lock(spool, wait=True, own=False) as held:
        assert not held


@pytest.mark.parametrize(
    ("own", "old", "taken"), [(False, False, False), (True, False, True), (False, True, True)]
)
def test_a_spool_without_a_lock_is_taken_by_its_parent_or_when_old(spool, own, old, taken):
    if old:
        grow_old(spool)
    with adopt_lock(spool, wait=False, own=own) as held:
        assert held is taken


def test_a_spool_that_is_gone_is_nobodys(tmp_path):
    with adopt_lock(tmp_path / "gone", wait=True, own=True) as held:
        assert not held
    assert state(tmp_path / "gone") == "dead"


def test_a_spool_has_one_owner(spool):
    owner = Owner.claim(spool)
    with pytest.raises(FileExistsError, match="has an owner already"):
        Owner.claim(spool)
    owner.release()


def test_without_locks_a_run_goes_on_and_nobody_adopts_it(spool, monkeypatch):
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    owner = Owner.claim(spool)
    (spool / "owner.pid").write_text("1\n")  # somebody else's, as far as this process can tell
    assert state(spool) == "unlockable"
    with adopt_lock(spool, wait=True, own=True) as held:
        assert not held
    owner.release()


def test_living_spools_are_counted(spool, claim):
    assert live(spool.parent / "none") == 0
    said(claim(), "claimed")
    (spool.parent / "old").mkdir()
    grow_old(spool.parent / "old")
    assert live(spool.parent) == 1


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="the system lists no locks (/proc/locks)")
def test_a_dead_owner_whose_number_came_to_this_process_is_dead(spool):
    # In a container the next program is process 1 again.
    (spool / "owner.pid").write_text(f"{os.getpid()}\n")
    (spool / "owner.lock").touch()
    assert state(spool) == "dead"
    with adopt_lock(spool, wait=False, own=False) as claimed:
        assert claimed


def test_a_process_takes_its_own_living_spool_for_running_and_keeps_its_lock(spool, claim):
    owner = Owner.claim(spool)
    assert state(spool) == "running"
    with adopt_lock(spool, wait=False, own=True) as claimed:
        assert not claimed
    look = "import sys; from pathlib import Path; from probes.ownership import state; print(state(Path(sys.argv[1])))"
    seen = subprocess.run(
        [sys.executable, "-c", look, str(spool)], capture_output=True, text=True, check=True
    )
    assert seen.stdout.strip() == "running"
    owner.release()
