"""Section 2: the experiments as declared here, beside the published list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conf.compose import compose_one, composer
from conf.reproduction.checks import Row, Section, row
from conf.reproduction.material import Material

NUMBER, TITLE = 2, "The experiments as declared"

DECLARED = {
    "c255": "energy_pooling × reality_sources, 4 × 3,000 cycles, unoptimized",
    "c256": "energy_pooling × spawn_throttling, 4 × 3,000 cycles, unoptimized",
    "c257": "energy_pooling × energy_recovery, 4 × 3,000 cycles, cached",
    "c258": "reality_sources × spawn_throttling, 4 × 3,000 cycles, cached",
    "c259": "reality_sources × energy_recovery, 4 × 3,000 cycles, cached",
    "c260": "spawn_throttling × energy_recovery, 4 × 3,000 cycles, cached",
    "c262": "energy_pooling × reality_sources × energy_recovery, 8 × 3,000 cycles, cached",
    "c263": "energy_pooling × reality_sources × spawn_throttling × energy_recovery, 16 × 3,000 cycles, cached",
}


def section(_: Material) -> Section:
    """Compare the declared experiments with the published ones."""
    return Section(number=NUMBER, name="experiments", title=TITLE, rows=tuple(_declared()))


def _declared() -> list[Row]:
    with composer():
        configs = {name: compose_one([f"experiment={name}"]).config for name in DECLARED}
    return [
        row(
            f"{name}: factors, size, sampling",
            published=DECLARED[name],
            expected=DECLARED[name],
            found=_described(config),
            how=f"python run.py experiment={name} --cfg job",
        )
        for name, config in configs.items()
    ]


def _described(config: Mapping[str, Any]) -> str:
    factors, size = " × ".join(config["factors"]), f"{len(config['conditions'])} × {config['cycles']:,}"
    return f"{factors}, {size} cycles, {config['optimization']['name']}"
