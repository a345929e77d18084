"""A job is one run that is about to start: its configuration, its conditions and how long it will sleep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conf.compose import compose_one
from conf.validate import checked, workload_spec
from probes import sources
from probes.identity import config_id
from probes.protocols import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One checked run; ``planned_s`` = its declared sleeps and commits times their counts, a lower bound."""

    config: Mapping[str, Any]
    conditions: tuple[Condition, ...]
    planned_s: float
    overrides: tuple[str, ...]

    @property
    def experiment(self) -> str:
        """The name under which the run is kept."""
        return str(self.config["name"])

    @property
    def identity(self) -> tuple[str, str, int, int]:
        """What makes a completed run of a sweep need no repetition."""
        return self.experiment, config_id(self.config), self.config["seed"], self.config["replicate"]

    @property
    def label(self) -> str:
        """The run as a person tells it from the others of its sweep."""
        return f"{self.experiment} {self.config['optimization'].get('name')} replicate {self.config['replicate']}"

    @property
    def total_cycles(self) -> int:
        """Cycles over all conditions."""
        return sum(condition.cycles for condition in self.conditions)


def composed_jobs(sweep: Sequence[Sequence[str]]) -> list[Job]:
    """Compose and check every job of a sweep before the first one starts."""
    jobs = []
    for overrides in sweep:
        composed = compose_one(overrides)
        conditions, workload = checked(composed)
        planned = sum(workload.planned_s(condition) for condition in conditions)
        jobs.append(
            Job(config=composed.config, conditions=conditions, planned_s=planned, overrides=tuple(overrides))
        )
    return jobs


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
    experiment, configuration, seed, replicate = job.identity
    config = job.config
    return {
        "format": 1,
        "run_id": run_id,
        "experiment": experiment,
        "config_id": configuration,
        "sweep_id": sweep_id,
        "sweep_index": sweep_index,
        "optimization": config["optimization"].get("name"),
        "workload": str(config["workload"]["_target_"]).split(".")[0],
        "seed": seed,
        "replicate": replicate,
        "continues": None,
        "concurrent_runs": concurrent_runs,
        "traced": sources.traced(config["probe"]),
        "sensor_source": sources.sensor_source(config["probe"]),
        "environment": dict(environment),
        "config": dict(config),
        "conditions": [asdict(condition) for condition in job.conditions],
        "build": {"workload": workload_spec(config), "probe": sources.pinned(config["probe"])},
        "probe_budget": config["probe_budget"],
    }


def thresholds(job: Job) -> dict[str, dict[str, Any]]:
    """Return the thresholds that a run declares for each hypothesis."""
    leaves = job.config["hypothesis"].items()
    return {name: {key: value for key, value in leaf.items() if key != "_target_"} for name, leaf in leaves}


def store_root(job: Job) -> Path:
    """Return the store of a run, relative to the caller's directory."""
    return Path(job.config["store"]["root"]).expanduser().absolute()
