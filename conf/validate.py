"""Everything that can be wrong with a composed configuration, said before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from conf.compose import OWN_CODE, TRUNK_KEYS, Composed, ConfigurationError, leaves, similar
from conf.schema import Store
from probes import build
from probes.protocols import Condition, Workload
from stats.hypotheses import VERDICTS, thresholds

KEYS = (*TRUNK_KEYS, *(f"store.{field.name}" for field in fields(Store)))

FINDINGS = ("time", "drift", "verdicts", "runs")
"""What may answer an experiment's question; where the time went, comparison and synergy are said anyway."""

ALL = "all"
"""The one condition of an experiment without factors."""


def checked(composed: Composed) -> tuple[tuple[Condition, ...], Workload]:
    """Return the conditions and the workload that a configuration declares.

    Raises
    ------
    ConfigurationError
        If anything in it is unknown, of the wrong type, out of range or at odds with the rest.
    """
    config = composed.config
    _refuse_unknown_keys(config)
    _check_values(config)
    own = config["workload"].get("_target_") == OWN_CODE
    if own:
        config |= {"optimization": {}, "mechanism": {}}
    else:
        _check_name(config)
    conditions = _conditions(config)
    try:
        workload = build.workload(workload_spec(config))
        build.check_probes(config["probe"])
        _check_thresholds(config["hypothesis"])
    except (ValueError, TypeError) as error:
        raise ConfigurationError(str(error)) from error
    if own:  # said last, or it would hide that there is no such code
        _check_name(config)
    return conditions, workload


def workload_spec(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `probes.build.workload` binds: the workload's leaf with the leaves it is composed of."""
    return {**config["workload"], "optimization": config["optimization"], "mechanism": config["mechanism"]}


def _refuse_unknown_keys(config: Mapping[str, Any]) -> None:
    store = config.get("store")
    present = [*config, *(f"store.{key}" for key in store or () if isinstance(store, dict))]
    for key in present:
        if key not in KEYS:
            raise ConfigurationError(f"{key} is not a configuration key{similar(str(key), KEYS)}")
    for key in KEYS:
        if key not in present:
            raise ConfigurationError(f"{key} was removed, but every run needs it; drop the ~{key}")


def _check_name(config: Mapping[str, Any]) -> None:
    if config["name"]:
        return
    if config["workload"].get("_target_") == OWN_CODE:
        raise ConfigurationError("these runs have no name to be kept under; give name=MINE")
    experiments = ", ".join(leaves("experiment"))
    raise ConfigurationError(f"no experiment was chosen; give experiment=NAME (there are: {experiments})")


def _check_values(config: Mapping[str, Any]) -> None:
    for key, least, most in (("cycles", 1, 2**31), ("replicate", 0, 2**31), ("seed", 0, 2**32 - 1)):
        if not least <= config[key] <= most:
            raise ConfigurationError(f"{key}={config[key]} is out of range; give {least} to {most}")
    if not 0 <= config["blocking_interval_s"] < float("inf"):
        raise ConfigurationError(
            f"blocking_interval_s={config['blocking_interval_s']} is out of range; give 0 seconds or more"
        )
    if not config["store"]["root"]:
        raise ConfigurationError("store.root is empty; give a directory")
    for finding in config["decides"]:
        if finding not in FINDINGS:
            raise ConfigurationError(
                f"decides names {finding}, which is no finding of a command; give some of {', '.join(FINDINGS)}"
            )
    for name, verdict in config["expected"].items():
        if name not in config["hypothesis"] or verdict not in VERDICTS:
            raise ConfigurationError(
                f"expected.{name}={verdict} is not a verdict on a hypothesis of this run; "
                f"give one of {', '.join(VERDICTS)} for one of {', '.join(config['hypothesis'])}"
            )


def _check_thresholds(leaves: Mapping[str, Mapping[str, Any]]) -> None:
    for name, leaf in leaves.items():
        expected = f"stats.hypotheses.{name}.Thresholds"
        if not isinstance(leaf, Mapping):
            raise ValueError(
                f"hypothesis.{name}={leaf} is not a mapping of thresholds; leave {name} out of hypothesis=[…]"
            )
        if leaf.get("_target_") != expected:
            raise ValueError(
                f"hypothesis.{name}._target_={leaf.get('_target_')} is not in the list; use {expected}"
            )
        try:
            thresholds(name, {key: value for key, value in leaf.items() if key != "_target_"})
        except (ValueError, TypeError) as error:
            raise ValueError(f"hypothesis.{error}") from error


def _conditions(config: Mapping[str, Any]) -> tuple[Condition, ...]:
    factors, names = config["factors"], config["conditions"]
    for factor in factors:
        if factor not in config["mechanism"]:
            known = ", ".join(config["mechanism"])
            raise ConfigurationError(
                f"factors names {factor}, which is no mechanism of this run{similar(factor, config['mechanism'])}"
                f" ({f'there are: {known}' if known else 'it has none; give factors=[] conditions=[]'})"
            )
    if len(set(factors)) < len(factors):
        raise ConfigurationError(f"factors={factors} names a mechanism twice")
    if not factors and not names:
        names = [ALL]
    if not names:
        raise ConfigurationError("conditions is empty; name at least one, for example [OFF-OFF]")
    if len(set(names)) < len(names):
        raise ConfigurationError(f"conditions={names} names a condition twice")
    return tuple(
        Condition(
            name=name,
            position=position,
            cycles=config["cycles"],
            mechanisms=_mechanisms(name, factors, config),
        )
        for position, name in enumerate(names)
    )


def _mechanisms(name: str, factors: list[str], config: Mapping[str, Any]) -> dict[str, bool]:
    """Read ``ON-OFF`` in the order of the factors; a mechanism that is no factor is off."""
    if name in ("True", "False"):
        raise ConfigurationError(
            f"conditions holds the boolean {name}: YAML reads a bare ON or OFF as one; write it in quotes"
        )
    flags = [] if not factors and name == ALL else name.split("-")
    if len(flags) != len(factors) or not set(flags) <= {"ON", "OFF"}:
        shape = "-".join(["ON|OFF"] * len(factors)) if factors else ALL
        raise ConfigurationError(f"conditions names {name}; with factors {factors} a condition reads {shape}")
    on = {factor: flag == "ON" for factor, flag in zip(factors, flags, strict=True)}
    return {mechanism: on.get(mechanism, False) for mechanism in config["mechanism"]}
