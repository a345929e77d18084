"""Put damaged runs aside, outside ``runs/``, so that every question is answered by healthy ones again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count, groupby
from pathlib import Path

from probes import durable
from store import publishing
from store.upkeep import damage
from store.upkeep.damage import Problem

NAME = "quarantine"


def repair(root: Path, problems: Sequence[Problem]) -> dict[Problem, Path | None]:
    """Move what is damaged to ``<store>/quarantine``; nothing is deleted.

    A run goes as a whole, unless all that is wrong with it is files that do not belong to it: then they go.
    A run of a later version is not damaged and stays, and so does a layer, which hurts no question.

    Returns
    -------
    dict
        Where each problem's run or file lies now; None if it stayed.

    Raises
    ------
    OSError
        If the store cannot be written; one sentence.
    """
    found: dict[Problem, Path | None] = dict.fromkeys(problems)
    runs = [problem for problem in problems if problem.file != damage.LAYER]
    for run_id, group in groupby(runs, lambda problem: problem.run_id):
        found |= _put_aside(root, publishing.run_directory(root, run_id), list(group))
    return found


def _put_aside(root: Path, run: Path, problems: Sequence[Problem]) -> dict[Problem, Path | None]:
    if damage.is_newer(run):
        return {}
    if all(problem.problem == damage.EXTRA for problem in problems):
        return {problem: _move(root, run / problem.file) for problem in problems}
    return dict.fromkeys(problems, _move(root, run))


def _move(root: Path, source: Path) -> Path:
    place = root / NAME / source.relative_to(root / "runs")
    try:
        durable.make(place.parent)
        target = next(path for path in _places(place) if not path.exists())
        source.rename(target)
        durable.sync(target.parent)
        durable.sync(source.parent)
    except OSError as error:
        raise OSError(f"{source} cannot be put aside ({error.strerror}); make the store writable") from error
    return target


def _places(place: Path) -> Iterator[Path]:
    yield place
    yield from (place.with_name(f"{place.name}.{number}") for number in count(2))


def moved(found: Iterable[Path | None]) -> list[Path]:
    """Return what was put aside, each once."""
    return list(dict.fromkeys(path for path in found if path is not None))
