"""A user's own code under a declared experiment: ``workload=callable workload.target=pkg.mod:factory``.

The one door for code that is in no list: the module is found as ``python`` in the caller's directory would find it,
save that an installed one of the same name is an error.  A run records the module's file and its sha256, which count
in ``config_id``; modules that it imports do not.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

from probes.environment import shown
from probes.protocols import Condition, Scene

OURS = Path(__file__).resolve().parents[1]
PACKAGES = frozenset({"conf", "nrm", "probes", "stats", "store", "workloads"})


class Simulation:
    """The factory's object, stepped."""

    def __init__(self, made: Any, observe: Callable[[Mapping[str, object]], None], target: str) -> None:
        self._made, self._observe, self._target = made, observe, target

    def step(self, cycle: int) -> tuple[()]:
        """Do one cycle; what ``step`` returns by name is observed."""
        observed = self._made.step(cycle)
        if observed is not None:
            if not isinstance(observed, Mapping):
                raise TypeError(
                    f"step of workload.target={self._target} returned {observed!r}; "
                    "return numbers by name, such as {'population': 17}, or nothing"
                )
            self._observe(observed)
        return ()

    def close(self) -> None:
        """Close the object if it can be closed."""
        getattr(self._made, "close", lambda: None)()


class Workload:
    """An object that ``target`` makes, a step a cycle.

    ``options`` are the factory's keyword arguments; it is given ``seed`` too if it has a parameter of that name.
    ``file`` and ``sha256`` say what was declared: a module that has changed since then is refused.
    """

    observables: Mapping[str, type[int] | type[float]] = {}

    def __init__(
        self,
        *,
        target: str | None = None,
        options: Mapping[str, Any] | None = None,
        file: str | None = None,
        sha256: str | None = None,
        optimization: Mapping[str, Any] | None = None,
        mechanism: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        del file, optimization, mechanism  # recorded; the study's leaves mean nothing to other code
        self._target = str(target)
        self._options = _named(options)
        module, self._factory = _found(self._target)
        self._path = Path(str(module.__file__))
        self.sha256 = hashlib.sha256(self._path.read_bytes()).hexdigest()
        if sha256 not in (None, self.sha256):
            raise ValueError(
                f"workload.target={self._target}: {shown(str(self._path))} has the sha256 {self.sha256}, declared was "
                f"{sha256}; start the run anew"
            )
        self._takes_seed = _check_options(self._factory, self._options, self._target)

    @property
    def recorded(self) -> dict[str, str]:
        """What a run keeps of the code: the module's file, seen from the caller's directory, and its digest."""
        return {"file": shown(str(self._path)), "sha256": self.sha256}

    def planned_s(self, _condition: Condition) -> float:
        """Return 0: what other code waits for is not declared."""
        return 0.0

    def start(self, _condition: Condition, scene: Scene) -> Simulation:
        """Make the object; its time is in no cycle."""
        seed = {"seed": scene.seed} if self._takes_seed and "seed" not in self._options else {}
        made = self._factory(**self._options, **seed)
        if not callable(getattr(made, "step", None)):
            raise TypeError(
                f"workload.target={self._target} made a {type(made).__name__}, which has no step(cycle); "
                "return an object that has one"
            )
        return Simulation(made, scene.observe, self._target)


def _named(options: Mapping[str, Any] | None) -> dict[str, Any]:
    if options is not None and not isinstance(options, Mapping):
        raise ValueError(f"workload.options={options!r} is no mapping; give workload.options.NAME=VALUE")
    return {str(name): value for name, value in (options or {}).items()}


def _found(target: str) -> tuple[ModuleType, Callable[..., Any]]:
    """Import the module and return it with the factory."""
    name, _, attribute = target.partition(":")
    words = [*name.split("."), *attribute.split(".")]
    if target == "None" or not all(word.isidentifier() for word in words):
        raise ValueError(f"workload.target={target} is not of the form module:factory, such as my.model:make")
    module = _imported(name, target)
    try:
        factory: Any = reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        raise ValueError(
            f"workload.target={target}: {error}; name a factory that {shown(str(module.__file__))} defines"
        ) from error
    if not callable(factory):
        raise ValueError(
            f"workload.target={target} is a {type(factory).__name__}, not callable; name a function or a class"
        )
    if inspect.isclass(factory) and not callable(getattr(factory, "step", None)):
        raise ValueError(f"workload.target={target} is a class without step(cycle); give it one")
    return module, factory


def _imported(name: str, target: str) -> ModuleType:
    here = Path.cwd()
    if str(here) not in sys.path:
        sys.path.append(str(here))  # last: a module of the user's must not take the place of one of ours
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        lacking = (
            isinstance(error, ModuleNotFoundError) and error.name and f"{name}.".startswith(f"{error.name}.")
        )
        why = (
            f"there is no module {name} in this directory or among the installed ones; look at the spelling"
            if lacking
            else f"importing {name} fails ({type(error).__name__}: {error}); repair it"
        )
        raise ValueError(f"workload.target={target}: {why}") from error
    _check_place(module, name, target, here)
    return module


def _check_place(module: ModuleType, name: str, target: str, here: Path) -> None:
    """Refuse code without a file, our own, and an installed module that hides the caller's."""
    if getattr(module, "__file__", None) is None:
        raise ValueError(
            f"workload.target={target}: {name} has no file of its own; name a module of Python code"
        )
    path, top = Path(str(module.__file__)).resolve(), name.partition(".")[0]
    hidden = [place for place in (here / top, here / f"{top}.py") if place.exists()]
    if hidden and not path.is_relative_to(here.resolve()):
        raise ValueError(
            f"workload.target={target}: {shown(str(path))} hides {hidden[0].name} of this directory; "
            f"rename {hidden[0].name}"
        )
    if path.is_relative_to(OURS) and path.relative_to(OURS).parts[0] in PACKAGES:
        raise ValueError(f"workload.target={target} is driftlab's own code; name code of yours")


def _check_options(factory: Callable[..., Any], options: Mapping[str, Any], target: str) -> bool:
    """Bind the options to the factory's parameters, and tell whether it takes a seed."""
    try:
        signature = inspect.signature(factory)
    except ValueError:  # code in C that tells nobody
        return False
    takes_seed = "seed" in signature.parameters
    seed = {"seed": 0} if takes_seed else {}
    try:
        signature.bind(**{**seed, **options})
    except TypeError as error:
        raise ValueError(
            f"workload.options do not fit workload.target={target} ({error}); its parameters are {signature}"
        ) from error
    return takes_seed
