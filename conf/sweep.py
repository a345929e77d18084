"""Which runs a command line asks for: its own lists over those that the experiment declares."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, ValueType
from hydra.errors import HydraException

from conf.compose import GROUPS, ConfigurationError, compose_one, leaves


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The overrides of every job, in the order in which they run; ``declared`` unless it is a plain single run."""

    jobs: tuple[tuple[str, ...], ...]
    declared: bool


def expand(arguments: Sequence[str], *, multirun: bool) -> Sweep:
    """Expand ``arguments`` and the sweep of the experiment that they select; the first key varies slowest.

    A key given on the command line takes the place of the same key of the experiment's sweep.

    Raises
    ------
    ConfigurationError
        If an override cannot be parsed, a list stands where none is swept, several experiments are combined
        of which one declares a sweep of its own, or nothing is left to run.
    """
    given = {_key(override): override for override in _parse(arguments)}
    experiments = _values(given["experiment"]) if "experiment" in given else []
    _refuse_lost_sweep(experiments)
    fixed = [_text(override) for override in given.values() if not override.is_sweep_override()]
    first = [*fixed, experiments[0]] if len(experiments) > 1 or (multirun and experiments) else fixed
    composed = compose_one(first)
    if not (multirun or composed.multirun):
        return Sweep(jobs=(tuple(arguments),), declared=False)
    declared = {
        _key(override): override for override in _parse(f"{k}={v}" for k, v in composed.sweep.items())
    }
    axes = [_values(given.get(key, override)) for key, override in declared.items()]
    axes += [_values(override) for key, override in given.items() if key not in declared]
    jobs = tuple(itertools.product(*axes))
    if not jobs:
        empty = next(key for key, override in {**declared, **given}.items() if not _values(override))
        raise ConfigurationError(
            f"{empty} leaves no job to run: its list is empty; give it at least one value"
        )
    return Sweep(jobs=jobs, declared=True)


def _refuse_lost_sweep(experiments: Sequence[str]) -> None:
    if len(experiments) < 2:
        return
    for experiment in experiments:
        own = compose_one([experiment]).sweep
        if own:
            raise ConfigurationError(
                f"{experiment} declares a sweep of its own over {', '.join(own)}, which combining experiments "
                "would lose; give one command per experiment"
            )


def _parse(arguments: Iterable[str]) -> list[Override]:
    parser = OverridesParser.create()
    parsed = []
    for argument in arguments:
        try:
            parsed.append(parser.parse_override(argument))
        except HydraException as error:
            detail = str(error.__cause__ or error).splitlines()[0]
            raise ConfigurationError(
                f"{argument} is not an override of the form key=value: {detail}"
            ) from error
    return parsed


def _key(override: Override) -> str:
    return str(override.key_or_group)


def _text(override: Override) -> str:
    return str(override.input_line)


def _values(override: Override) -> list[str]:
    """Return one override per value of a sweep, or the override itself."""
    if not override.is_sweep_override():
        return [_text(override)]
    if override.value_type == ValueType.INTERVAL_SWEEP:
        raise ConfigurationError(
            f"{_text(override)} is an interval, which has no list of values; use range or choice"
        )
    glob: object = override.value()  # Hydra's annotation leaves Glob out
    if isinstance(glob, Glob):
        if _key(override) not in GROUPS:
            raise ConfigurationError(f"{_text(override)} asks for leaves, but {_key(override)} is no group")
        return [f"{override.get_key_element()}={leaf}" for leaf in glob.filter(leaves(_key(override)))]
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
