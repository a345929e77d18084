"""What Hydra composes of the same words is composed once: 0.06 s each, in several tests and twice in a command."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import pytest

from conf import compose, jobs, sweep


@pytest.fixture(scope="session")
def known() -> dict[tuple[str, ...], compose.Composed]:
    return {}


# By module: what is patched for a session stays so for other directories' tests in the same process.
@pytest.fixture(scope="module", autouse=True)
def _composed_once(known: dict[tuple[str, ...], compose.Composed]) -> Iterator[None]:
    def compose_one(overrides: Sequence[str]) -> compose.Composed:
        words = tuple(overrides)
        if words not in known:
            known[words] = compose.compose_one(words)
        return copy.deepcopy(known[words])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jobs, "compose_one", compose_one)
        patch.setattr(sweep, "compose_one", compose_one)
        yield
