"""What the tables are made of: recorded files brought in, scaled experiments run, in one store."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conf import main
from conf.compose import compose_one, composer
from store import raw
from store.catalog import Catalog
from store.upkeep.maintenance import refresh

# What each experiment is given besides the size that it declares itself.  The light rules reach their published
# numbers under constant metrics and at full length; what a sample waits for changes no population.
EXPERIMENTS: Mapping[str, Sequence[str]] = {
    "c255_light": ("optimization=cached", "workload.metrics=constant"),
    "phase1b": (),
    "phase2": (),
}
LEFT_OUT = "left out: the recorded files were not named (ARCHIVE=DIR)"
REVIEW = "phase1a"
RECORDED = "experiment = 'c256' and status = 'imported'"
"""The readings of the study's C256, in a store that holds no other import of that name."""
COST_MODEL = "c256_cost_model.json"
"""Unit costs measured on the study's code; no result of a run, so not imported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """An open store with runs, recorded and made here; ``codes`` holds the exit code of each experiment."""

    catalog: Catalog
    archive: Path | None
    codes: Mapping[str, int] = field(default_factory=dict)
    imported: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def cost_model(self) -> dict[str, Any] | None:
        """Return the unit costs and operation counts of the study's code, or None without the archive."""
        if self.archive is None:
            return None
        found: dict[str, Any] = json.loads((self.archive / COST_MODEL).read_bytes())
        return found


def run(name: str, store: Path, log: Path) -> int:
    """Run a scaled experiment and keep what it prints in ``log``; return its exit code."""
    words = [f"experiment={name}", *EXPERIMENTS.get(name, ())]
    with composer():
        composed = compose_one(words)
    scaled = [word for word in composed.config["scaled"] if not composed.config["where"]]
    root = str(store).replace("\\", "\\\\").replace("'", "\\'")
    sweeps = ["-m"] if composed.multirun else []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as stream, redirect_stdout(stream):
        stream.write(f"$ python run.py {shlex.join([*sweeps, *words, *scaled])}\n")
        stream.flush()
        return main([*sweeps, *words, *scaled, "progress=false", f"store.root='{root}'"])


def bring_in(
    archive: Path, store: Path, say: Callable[[str], None]
) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Import every result file of ``archive``; return the runs by file, and the refusals by file.

    Raises
    ------
    ValueError
        If there is no result file.
    """
    imported: dict[str, tuple[str, ...]] = {}
    refused: dict[str, str] = {}
    for path in _results(archive):
        try:
            imported[path.name] = raw.import_file(path, store).run_ids
        except raw.NotImportable as error:
            refused[path.name] = str(error)
            say(str(error))
    if not imported:
        raise ValueError(f"{archive} holds no result file of the study; name the directory that does")
    refresh(store)
    return imported, refused


def _results(archive: Path) -> Iterable[Path]:
    found = sorted(path for path in archive.iterdir() if path.suffix in (".json", ".csv", ".gz"))
    return (path for path in found if path.name != COST_MODEL)
