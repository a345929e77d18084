"""Which runs a command line asks for: its own lists over those that the experiment declares."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, ValueType
from hydra.errors import HydraException

from conf.compose import GROUPS, Composed, ConfigurationError, compose_one, leaves
from conf.words import refuse_no_leaf, unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The overrides of every job, in the order in which they run; ``declared`` unless it is a plain single run.

    ``lead`` is the configuration of the experiment that was asked for: the jobs' own, but for a phase with parts.
    """

    jobs: tuple[tuple[str, ...], ...]
    declared: bool
    lead: Mapping[str, Any]


def expand(arguments: Sequence[str], *, multirun: bool) -> Sweep:
    """Expand ``arguments`` and the sweep of the experiment that they select; the first key varies slowest.

    A key given on the command line takes the place of the same key of the experiment's sweep.  The parts of a
    phase vary where its name stands: within each replicate.

    Raises
    ------
    ConfigurationError
        If an override cannot be parsed, a list stands where none is swept, several experiments are combined
        of which one declares jobs of its own, a key is given that a phase's parts set, or nothing is left to run.
    """
    given = {_key(override): override for override in _parse(arguments)}
    refuse_no_leaf(given.values())
    experiments = _values(given["experiment"]) if "experiment" in given else []
    _refuse_lost_jobs(experiments)
    fixed = [_text(override) for override in given.values() if not override.is_sweep_override()]
    first = [*fixed, experiments[0]] if len(experiments) > 1 or (multirun and experiments) else fixed
    composed = compose_one(first)
    parts = [shlex.split(part) for part in composed.config["parts"]]
    if not (multirun or composed.multirun or parts):
        return Sweep(jobs=(tuple(arguments),), declared=False, lead=composed.config)
    _refuse_what_parts_set(given, parts)
    declared = {
        _key(override): override for override in _parse(f"{k}={v}" for k, v in composed.sweep.items())
    }
    ordered = {**declared, **given}
    axes = [_axis(override, parts) for override in ordered.values()]
    jobs = tuple(tuple(itertools.chain.from_iterable(words)) for words in itertools.product(*axes))
    refuse_no_leaf(_parse({word for words in jobs for word in words}))
    if not jobs:
        empty = next(key for key, override in ordered.items() if not _values(override))
        raise ConfigurationError(
            f"{empty} leaves no job to run: its list is empty; give it at least one value"
        )
    return Sweep(jobs=jobs, declared=True, lead=composed.config)


def _axis(override: Override, parts: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """Return what each job along this axis is given."""
    if parts and _key(override) == "experiment":
        return list(parts)
    return [[value] for value in _values(override)]


def _refuse_lost_jobs(experiments: Sequence[str]) -> None:
    if len(experiments) < 2:
        return
    for experiment in experiments:
        declares = _own_jobs(compose_one([experiment]))
        if declares:
            raise ConfigurationError(
                f"{experiment} declares {declares}, which combining experiments would lose; "
                "give one command per experiment"
            )


def _own_jobs(composed: Composed) -> str:
    """Return how an experiment declares by itself what is to be run, or nothing where it does not."""
    if composed.config["where"]:
        return "the recorded runs that it judges"
    if composed.config["parts"]:
        return "parts of its own"
    return f"a sweep of its own over {', '.join(composed.sweep)}" if composed.sweep else ""


def _refuse_what_parts_set(given: Mapping[str, Override], parts: Sequence[Sequence[str]]) -> None:
    taken = {_key(override) for part in parts for override in _parse(part)} - {"experiment"}
    for key in given:
        if parts and key in {*taken, "name"}:
            phase = given["experiment"].value()
            raise ConfigurationError(f"{key} is what the parts of {phase} differ in; leave it out")


def _parse(arguments: Iterable[str]) -> list[Override]:
    parser = OverridesParser.create()
    parsed = []
    for argument in arguments:
        try:
            parsed.append(parser.parse_override(argument))
        except HydraException as error:
            raise unreadable(argument, error) from error
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
