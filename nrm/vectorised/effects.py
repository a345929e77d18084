"""The mechanisms in the order in which they act on all agents at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nrm.mechanisms import EVOLVE, EffectAtOnce, GateAtOnce, Mechanism


class Effects(NamedTuple):
    """What happens before agents evolve, what after, and who has a say in births."""

    before: tuple[EffectAtOnce, ...]
    after: tuple[EffectAtOnce, ...]
    gates: tuple[GateAtOnce, ...]


def split(mechanisms: Sequence[Mechanism]) -> Effects:
    """Sort the mechanisms; refuse one that can only take agents one by one."""
    for mechanism in mechanisms:
        if not isinstance(mechanism, EffectAtOnce | GateAtOnce):
            raise ValueError(
                f"{type(mechanism).__module__} takes agents one by one; choose workload.engine=objects or leave "
                "the mechanism off"
            )
    effects = sorted((m for m in mechanisms if isinstance(m, EffectAtOnce)), key=lambda effect: effect.PLACE)
    return Effects(
        tuple(effect for effect in effects if effect.PLACE < EVOLVE),
        tuple(effect for effect in effects if effect.PLACE > EVOLVE),
        tuple(m for m in mechanisms if isinstance(m, GateAtOnce)),
    )
