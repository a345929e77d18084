"""From overrides to one resolved configuration, or to one sentence that names the offending word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from conf.schema import Trunk

ROOT = Path(__file__).resolve().parent
GROUPS = ("experiment", "workload", "mechanism", "optimization", "probe", "hypothesis", "store")
OWN_CODE = "workloads.callable.Workload"
"""The study's optimizations and mechanisms mean nothing to it."""
TRUNK_KEYS = tuple(sorted(field.name for field in fields(Trunk)))


# What composing raises for somebody's mistake; Hydra asserts where hydra.* is given a shape that it cannot have.
WRONG = (
    *(ValueError, TypeError, AttributeError, AssertionError),
    *(MissingConfigException, OmegaConfBaseException, HydraException),
)


# What OmegaConf says of a value of the wrong type, and what helps.
KINDS = {
    "converted to Integer": "is no whole number; give one, as in {key}=3",
    "converted to Float": "is no number; give one, as in {key}=0.5",
    "not a valid bool": "is neither true nor false; give one of them, as in {key}=true",
    "is not a ListConfig": "is no list; give one, as in {key}=[a,b]",
    "is not Optional": "cannot be without a value; give one, or leave the key out",
}


class ConfigurationError(ValueError):
    """A command line or a configuration that cannot be run; the message is one sentence for its author."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """One resolved configuration, and what it declares of a sweep."""

    config: dict[str, Any]
    multirun: bool
    sweep: dict[str, str]


@contextmanager
def composer() -> Iterator[None]:
    """Make Hydra look for configurations here and nowhere else, for the time of the block."""
    ConfigStore.instance().store(name="trunk", node=Trunk)
    with initialize_config_dir(str(ROOT), version_base="1.3", job_name="driftlab"):
        yield


def compose_one(overrides: Sequence[str]) -> Composed:
    """Compose ``overrides`` within `composer` and resolve every interpolation.

    Raises
    ------
    ConfigurationError
        If a key, a leaf, a type or the grammar of an override is wrong.
    """
    try:
        composed = compose("config", overrides=list(overrides), return_hydra_config=True)
        hydra = composed.hydra
        sweep = {key: str(value) for key, value in (hydra.sweeper.params or {}).items()}
        multirun = hydra.mode is not None and hydra.mode.name == "MULTIRUN"
        name = composed.get("name") or hydra.runtime.choices.get("experiment")
        OmegaConf.set_struct(composed, False)
        del composed["hydra"]
        config = OmegaConf.to_container(composed, resolve=True, enum_to_str=True, throw_on_missing=True)
    except WRONG as error:
        raise ConfigurationError(_sentence(error)) from error
    if not isinstance(config, dict):
        raise ConfigurationError(f"the configuration is a {type(config).__name__}, not a mapping")
    config["name"] = name
    if config["workload"].get("_target_") == OWN_CODE:
        _refuse_the_studys(overrides)
    return Composed(config={str(key): value for key, value in config.items()}, multirun=multirun, sweep=sweep)


def _refuse_the_studys(overrides: Sequence[str]) -> None:
    for override in overrides:
        key = override.lstrip("+~").partition("=")[0]
        if key.partition(".")[0] in ("optimization", "mechanism"):
            raise ConfigurationError(
                f"{key} is the study's and means nothing to workload=callable; leave it out, or give "
                "+workload.options.NAME=VALUE"
            )


def leaves(group: str) -> list[str]:
    """Return the leaves of ``group``, sorted."""
    return sorted(path.stem for path in (ROOT / group).glob("*.yaml"))


def similar(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean X?" for the known word nearest to ``word``, or nothing."""
    nearest = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _sentence(error: BaseException) -> str:
    """Reduce what Hydra says to the words that help, without its advice to append a key."""
    if isinstance(error, MissingConfigException):
        return _missing_leaf(error)
    first = _first_line(error)
    cause = _first_line(error.__cause__) if error.__cause__ is not None else ""
    if first.startswith("Could not override"):
        key = first.split("'")[1]
        if key in TRUNK_KEYS:
            return f"{key}: {cause}"
        if holders := _holders(key):
            group = key.partition(".")[0]
            return (
                f"{key} is a key of {group}/{' and of '.join(holders)}, which this run does not have; "
                f"name it in {group}=, or leave the key out"
            )
        if key.startswith("workload.options."):
            return f"{key} is new among the options, which are empty at first; write +{key}=VALUE"
        return f"{key} is not a configuration key{similar(key, _known_keys(key))}"
    if first.startswith(("Ambiguous value", "Sweep parameters")):
        return (
            f"{first.split(chr(39))[1]} lists several values; give -m to sweep over them, or [a,b] for a list"
        )
    if first.startswith("Config group override must be"):
        return "a group is given null, which names no leaf; give one, as in experiment=smoke"
    if isinstance(error, AssertionError):
        return f"a hydra.* override cannot be used so ({first}); leave it out"
    if cause and first.startswith("Error merging override "):
        return _mistyped(first.removeprefix("Error merging override "), cause)
    return f"{first}: {cause}" if cause and cause not in first else first


def _mistyped(word: str, cause: str) -> str:
    """Say of which kind the value of a word should have been, with an example."""
    key = word.partition("=")[0].lstrip("+")
    for said, wanted in KINDS.items():
        if said in cause:
            return f"{word} {wanted.format(key=key)}"
    return f"{word}: {cause}"


def _known_keys(key: str) -> list[str]:
    """Return the full keys that ``key`` may have been meant to be: the trunk's, or those of its group's leaves."""
    group, _, below = key.partition(".")
    if group not in GROUPS or not below:
        return [*TRUNK_KEYS, *GROUPS]
    return [f"{group}.{name}" for leaf in leaves(group) for name in _keys(group, leaf)]


def _holders(key: str) -> list[str]:
    """Return the leaves of its group that have ``key``."""
    group, _, below = key.partition(".")
    return [leaf for leaf in leaves(group) if below in _keys(group, leaf)] if group in GROUPS else []


def _keys(group: str, leaf: str) -> list[str]:
    content = OmegaConf.to_container(OmegaConf.load(ROOT / group / f"{leaf}.yaml"), resolve=False)
    return list(_flat(content)) if isinstance(content, dict) else []


def _flat(leaf: dict[Any, Any]) -> Iterator[str]:
    for name, value in leaf.items():
        yield str(name)
        if isinstance(value, dict):
            yield from (f"{name}.{inner}" for inner in _flat(value))


def _missing_leaf(error: MissingConfigException) -> str:
    wanted = str(error.missing_cfg_file or _first_line(error))
    group, _, leaf = wanted.rpartition("/")
    if group not in GROUPS:
        return _first_line(error)
    known = leaves(group)
    return f"{wanted} does not exist{similar(leaf, known)} (there are: {', '.join(known)})"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
