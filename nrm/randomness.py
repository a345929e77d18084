"""The draws of numpy's legacy ``RandomState(seed)``, without numpy.

Both generators are MT19937 and make a double from the same 53 bits; only the seeding differs.  numpy fills the
state with ``init_genrand`` (Matsumoto & Nishimura 2002), ``random.seed`` with ``init_by_array``.
"""

from __future__ import annotations

import random

SEED_MAX = 2**32 - 1
_WORDS = 624


def legacy_generator(seed: int) -> random.Random:
    """Return a generator whose ``random()`` equals ``numpy.random.RandomState(seed).random_sample()``."""
    if not 0 <= seed <= SEED_MAX:
        raise ValueError(f"seed={seed} is out of range; give an integer from 0 to {SEED_MAX}")
    words = [seed]
    for index in range(1, _WORDS):
        last = words[-1]
        words.append((1812433253 * (last ^ (last >> 30)) + index) & SEED_MAX)
    generator = random.Random()  # noqa: S311 (a simulation, no secret)
    generator.setstate((3, (*words, _WORDS), None))
    return generator
