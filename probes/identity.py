"""Names of runs and of configurations."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

# What says which run it is, where it goes or how it is shown does not change what is measured.
NOT_CONFIGURATION = frozenset(
    {"name", "seed", "replicate", "store", "progress", "confirm", "resume", "hypothesis", "hydra"}
    | {"question", "decides", "scaling", "scaled", "expected", "blocking_interval_s"}
    | {"where", "parts", "comparisons"}
)


def new_run_id() -> str:
    """Return a UUIDv7 (RFC 9562, section 5.7): sorted as text, runs stand in order of their start."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = (
        milliseconds << 80 | 0x7 << 76 | (random >> 68 & 0xFFF) << 64 | 0b10 << 62 | random & (1 << 62) - 1
    )
    return str(uuid.UUID(int=value))


def config_id(config: Mapping[str, Any]) -> str:
    """Return 16 hex digits that name what ``config`` measures: SHA-256 of its canonical JSON.

    ``conditions`` counts; name, seed, replicate, store, hypotheses and launcher keys do not.
    """
    kept = {key: value for key, value in config.items() if key not in NOT_CONFIGURATION}
    canonical = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
