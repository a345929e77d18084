"""From leaves to objects: a leaf names its class, a list admits it, its constructor checks the rest."""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from probes.protocols import Meters, Probe, Workload

WORKLOADS = ("nrm.workload.Workload", "workloads.callable.Workload")
"""Classes that may be run.  A configuration must not be able to name any other code."""

_PROBE = re.compile(r"^class Probe:$", re.MULTILINE)


@dataclass(slots=True)
class _Unfed:
    """Meters that nothing feeds, for building a probe only to see whether its options hold."""

    gc_ns: int = 0
    probe_ns: int = 0
    sampling_ns: int = 0
    sampling_calls: int = 0

    def sampled(self, elapsed_ns: int) -> None:
        self.sampling_ns += elapsed_ns
        self.sampling_calls += 1


def targets() -> tuple[str, ...]:
    """Return all that ``_target_`` may name: the workloads, and ``Probe`` of each module here that has one."""
    here = sorted(Path(__file__).parent.glob("*.py"))
    return (
        *WORKLOADS,
        *(f"probes.{path.stem}.Probe" for path in here if _PROBE.search(path.read_text("utf-8"))),
    )


def workload(spec: Mapping[str, Any]) -> Workload:
    """Build the workload; its module is imported here and no earlier."""
    return cast(Workload, bind(spec, key="workload"))


def probes(specs: Mapping[str, Mapping[str, Any]], meters: Meters) -> dict[str, Probe]:
    """Build the probes by name; those already built are closed if one cannot be."""
    built: dict[str, Probe] = {}
    try:
        for name, spec in specs.items():
            built[name] = _probe(name, spec, meters)
    except BaseException:
        for probe in built.values():
            probe.close()
        raise
    return built


def check_probes(specs: Mapping[str, Mapping[str, Any]]) -> None:
    """Build each probe once and drop it again.

    Raises
    ------
    ValueError
        If an option is unknown, missing or out of range; the message begins with its full key.
    """
    for probe in probes(specs, _Unfed()).values():
        probe.close()


def bind(spec: Mapping[str, Any], *, key: str, first: Sequence[Any] = ()) -> Any:
    """Return an object of the class that ``spec`` names, its other entries being keyword arguments.

    ``key`` is where ``spec`` stands in the configuration, ``first`` the positional arguments.
    """
    if not isinstance(spec, Mapping):
        raise ValueError(f"{key}={spec} is not a group of options; leave {key} out or give it options")
    target, options = _target(spec, key), {name: spec[name] for name in spec if name != "_target_"}
    build = _resolve(target, key)
    parameters = list(inspect.signature(build).parameters.values())[len(first) :]
    _check_names(options, parameters, key=key, target=target)
    try:
        return build(*first, **options)
    except (ValueError, TypeError) as error:
        raise ValueError(_with_key(str(error), key, options)) from error


def _probe(name: str, spec: Mapping[str, Any], meters: Meters) -> Probe:
    probe = bind(spec, key=f"probe.{name}", first=(meters,))
    if type(probe).__module__ != f"probes.{name}":
        # Its rows would stand in another probe's table.
        raise ValueError(
            f"probe.{name}._target_={spec['_target_']} is another probe; expected probes.{name}.Probe"
        )
    return cast(Probe, probe)


def _target(spec: Mapping[str, Any], key: str) -> str:
    target = spec.get("_target_")
    allowed = [name for name in targets() if name.startswith("probes.") == key.startswith("probe.")]
    if target not in allowed:
        named = f"{key}._target_={target} is not in the list" if target else f"{key}._target_ is missing"
        raise ValueError(f"{named}; use one of {', '.join(allowed)}")
    return str(target)


def _resolve(target: str, key: str) -> Any:
    module, _, name = target.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{key}._target_={target} cannot be imported ({error}); repair the installation"
        ) from error


def _check_names(
    options: Iterable[str], parameters: Sequence[inspect.Parameter], *, key: str, target: str
) -> None:
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [parameter.name for parameter in parameters]
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(str(option), known, n=1)
            help_ = f"did you mean {near[0]}?" if near else f"use one of {', '.join(known) or 'none'}"
            raise ValueError(f"{key}.{option} is not an option of {target}; {help_}")
    for parameter in parameters:
        if parameter.default is parameter.empty and parameter.name not in options:
            raise ValueError(
                f"{key}.{parameter.name} is missing; {target} needs it, so set {key}.{parameter.name}=…"
            )


def _with_key(message: str, key: str, options: Iterable[str]) -> str:
    """Put ``key`` before a message, unless that begins with a full key already."""
    begins = re.match(r"[\w.]+", message)
    word = begins[0] if begins else ""
    if word in options:
        return f"{key}.{message}"
    roots = {key.partition(".")[0], *options}
    if "." in word.rstrip(".") and word.partition(".")[0] in roots:
        return message
    return f"{key}: {message}"
