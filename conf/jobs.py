"""A job is one run that is about to start: its configuration, its conditions and how long it will sleep."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from conf.compose import ConfigurationError, compose_one
from conf.validate import checked, workload_spec
from probes import sources
from probes.environment import without_names
from probes.identity import config_id
from probes.protocols import Condition, Workload

TOLD = ("experiment", "name", "optimization", "replicate")
"""Keys whose values stand in every label."""


REPLAYED = (("workload", None, "metrics_file"), ("probe", "thermal", "replay"))
"""Options that name a file whose values stand in for the machine's: group, leaf in it, key."""


class Identity(NamedTuple):
    """What makes a completed run of a sweep need no repetition."""

    experiment: str
    config_id: str
    seed: int
    replicate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One checked run; ``planned_s`` = its declared sleeps, commits and samples times their counts, a lower bound.

    ``swept`` are those of its overrides that other runs of its sweep have otherwise, and that no label tells anyway.
    """

    config: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    planned_s: float
    overrides: tuple[str, ...]
    identity: Identity
    swept: tuple[str, ...] = ()

    @property
    def experiment(self) -> str:
        """The name under which the run is kept."""
        return str(self.config["name"])

    @property
    def label(self) -> str:
        """The run as a person tells it from the others of its sweep."""
        mode = self.config["optimization"].get("name") or self.config["workload"].get("target")
        return " ".join([self.experiment, str(mode), f"replicate {self.config['replicate']}", *self.swept])

    @property
    def total_cycles(self) -> int:
        """Cycles over all conditions."""
        return sum(condition.cycles for condition in self.conditions)


def composed_jobs(sweep: Sequence[Sequence[str]]) -> list[Job]:
    """Compose and check every job of a sweep before the first one starts."""
    shared = set.intersection(*map(set, sweep)) if sweep else set()
    plans: dict[tuple[str, int], float] = {}
    return [_composed(overrides, shared, plans) for overrides in sweep]


def _composed(overrides: Sequence[str], shared: set[str], plans: dict[tuple[str, int], float]) -> Job:
    """Return one job; ``plans`` holds those already made, since counting what C256 will do takes a second."""
    composed = compose_one(overrides)
    conditions, workload = checked(composed)
    # What a workload says of its own code counts: a sweep repeats what the code of today would do otherwise.
    own = {**composed.config["workload"], **getattr(workload, "recorded", {})}
    config = {**composed.config, "workload": own}
    identity = _identity(config)
    planned = identity.config_id, identity.seed
    if planned not in plans:
        plans[planned] = _planned_s(conditions, workload)
    return Job(
        config=config,
        conditions=conditions,
        planned_s=plans[planned],
        overrides=tuple(overrides),
        identity=identity,
        swept=tuple(word for word in overrides if word not in shared and word.split("=")[0] not in TOLD),
    )


def _planned_s(conditions: Sequence[Condition], workload: Workload) -> float:
    try:
        return sum(workload.planned_s(condition) for condition in conditions)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(str(error)) from error


def _identity(config: Mapping[str, Any]) -> Identity:
    """Return who a run is: a file that it replays counts by what it holds, not by where it lies."""
    held = dict(config)
    for group, leaf, key in REPLAYED:
        options = held[group].get(leaf, {}) if leaf else held[group]
        if options.get(key):
            counted = {**options, key: _content(options[key])}
            held[group] = {**held[group], leaf: counted} if leaf else counted
    return Identity(config["name"], config_id(held), config["seed"], config["replicate"])


def _content(path: str) -> str:
    """Return the digest of a file, or its name where it cannot be read: then nothing of it is used."""
    try:
        return f"sha256:{hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()}"
    except OSError:
        return path


def record(
    job: Job,
    *,
    run_id: str,
    environment: Mapping[str, Any],
    concurrent_runs: int,
    sweep_id: str | None,
    sweep_index: int | None,
) -> dict[str, Any]:
    """Return ``job.json``: all that the measured process and whoever publishes its rows will need."""
    return {
        "format": 1,
        "run_id": run_id,
        "sweep_id": sweep_id,
        "sweep_index": sweep_index,
        "concurrent_runs": concurrent_runs,
        "environment": {**environment, **({"host": None} if job.config["store"]["private"] else {})},
        "conditions": [asdict(condition) for condition in job.conditions],
        **_declared(job),
    }


def _declared(job: Job) -> dict[str, Any]:
    config = job.config
    private = config["store"]["private"]
    return {
        **job.identity._asdict(),
        "optimization": config["optimization"].get("name"),
        "workload": _name(str(config["workload"]["_target_"])),
        "continues": None,
        "traced": sources.traced(config["probe"]),
        "sensor_source": sources.sensor_source(config["probe"]),
        "config": without_names(config) if private else dict(config),
        "private": private,
        "build": {"workload": workload_spec(config), "probe": sources.pinned(config["probe"])},
        "probe_budget": config["probe_budget"],
    }


def _name(target: str) -> str:
    """Return a workload's name: its package, but for those that stand together in one."""
    package, *modules, _ = target.split(".")
    return ".".join(modules) if package == "workloads" else package


def thresholds(job: Job) -> dict[str, dict[str, Any]]:
    """Return the thresholds that a run declares for each hypothesis."""
    leaves = job.config["hypothesis"].items()
    return {name: {key: value for key, value in leaf.items() if key != "_target_"} for name, leaf in leaves}


def store_root(job: Job) -> Path:
    """Return the store of a run, relative to the caller's directory."""
    return Path(job.config["store"]["root"]).expanduser().absolute()
