"""Names of the recorded form that reading and writing share."""

from __future__ import annotations

from typing import NamedTuple

FLAGS = {
    "energy_pooling": "h1_energy_pooling",
    "reality_sources": "h2_reality_sources",
    "spawn_throttling": "h4_spawn_throttling",
    "energy_recovery": "h5_energy_recovery",
}
"""Our words for the mechanisms and the recorded flags; the study's H1, H2, H4, H5."""

MECHANISMS = {flag[:3]: mechanism for mechanism, flag in FLAGS.items()}
"""By the prefix ``h1_``: the second form also says ``h1_pooling``, ``h2_sources``, ``h5_recovery``."""

RECORDED = frozenset({*FLAGS.values(), "h1_pooling", "h2_sources"})
"""Flags that must be true or false; other keys with such a prefix may hold a rate or an effect."""

OWN = "driftlab"
"""Member of ``metadata`` with what only our own exports say about a run."""

OWN_TEXTS = ("optimization", "workload", "kernel", "cpu_model", "allocator")
OWN_COUNTS = (
    "seed",
    "replicate",
    "n_cycles",
    "total_sampling_calls",
    "peak_rss_bytes",
    "cores",
    "memory_bytes",
)

CYCLE_KEYS = ("cycle", "condition", "runtime_ms", "psutil_calls", "timestamp", "t_ns", "process")
"""Keys of ``per_cycle_metrics`` that are no observables."""

MIB = 2**20
MS = 10**6
"""Nanoseconds in a millisecond."""


class Signal(NamedTuple):
    """A key of ``system_metrics`` and where its value lives; ``scale`` is units of the column per unit of the key."""

    key: str
    probe: str
    column: str
    scale: int | None


SIGNALS = (
    Signal("cpu_percent", "system", "cpu_percent", None),
    Signal("memory_percent", "system", "memory_percent", None),
    Signal("memory_rss_mb", "memory", "rss_bytes", MIB),
    Signal("memory_vms_mb", "memory", "vms_bytes", MIB),
    Signal("cpu_temp_celsius", "thermal", "temp_celsius", None),
    Signal("cpu_freq_mhz", "thermal", "freq_mhz", None),
)
PROBES = ("memory", "system", "thermal")
