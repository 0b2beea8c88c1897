"""Every random number of a study derives from its seed and from what it is for.

There is no global generator: a draw depends on (study seed, purpose, trial, fold)
alone, so it is the same with any number of workers and after any restart.
"""

from __future__ import annotations

import numpy as np

PROPOSE, TRAIN, PREPARE, TRY, RESAMPLE, REFIT = 1, 2, 3, 4, 5, 6


def generator(seed: int, purpose: int, *path: int) -> np.random.Generator:
    """Return a generator for one purpose, for example (seed, PROPOSE, trial)."""
    return np.random.default_rng(_sequence(seed, purpose, path))


def derived_seed(seed: int, purpose: int, *path: int) -> int:
    """Return an integer from 0 to 2**32 - 1, for libraries that want one."""
    return int(_sequence(seed, purpose, path).generate_state(1)[0])


def _sequence(seed: int, purpose: int, path: tuple[int, ...]) -> np.random.SeedSequence:
    # A spawn key, not more entropy: numpy pads entropy with zeros, so that [1, 2] and
    # [1, 2, 0] would be the same seed.
    return np.random.SeedSequence(seed, spawn_key=(purpose, *path))
