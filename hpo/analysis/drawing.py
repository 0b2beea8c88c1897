"""Draws of rows with replacement: how often each row is in each of many draws.

Rows that belong to groups are drawn, or left out, as whole groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpo.seeds import RESAMPLE, generator

BLOCK_BYTES = 2**25
"""Of the weights that are in memory at once, drawn and left out, as float64."""
KEPT_BYTES = 2**27
"""Counts are kept between passes up to this size, and drawn anew beyond it."""


class Draws:
    """Repeated draws of ``n`` out of ``n`` with replacement.

    Args:
        n: How many there are to draw from.
        n_draws: How many draws.
        seed: Of the study; the draws depend on it, on what else is given here, and on
            nothing more.
        groups: Codes from 0 of the groups that they belong to, (n,); None draws each by
            itself. Of ``g`` groups ``g`` are drawn.
    """

    def __init__(
        self, n: int, n_draws: int, seed: int, groups: NDArray[np.intp] | None = None
    ) -> None:
        self.n, self.n_draws, self._seed, self._groups = n, n_draws, seed, groups
        self._n_drawn = n if groups is None else int(groups.max()) + 1
        self.block = max(1, min(n_draws, BLOCK_BYTES // (16 * n)))
        self._kept: list[NDArray[np.uint8]] | None = None

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Give a few draws at a time: which, and weights of what is drawn and left out.

        Yields:
            A slice of the draws, and weights of shape (2 * n_in_slice, n): first how
            often each is drawn, then 1 for each that is not drawn.
        """
        start = 0
        for of_each in self._counts():
            counts = of_each if self._groups is None else of_each[:, self._groups]
            weights = np.concatenate([counts, counts == 0]).astype(np.float64)
            yield slice(start, start + len(counts)), weights
            start += len(counts)

    def _counts(self) -> Iterator[NDArray[Any]]:
        if self._kept is not None:
            yield from self._kept
            return
        keep = self._n_drawn * self.n_draws <= KEPT_BYTES
        kept = []
        for counts in self._drawn():
            if keep:
                kept.append(counts.astype(np.uint8))
            yield counts
        self._kept = kept if keep else None

    def _drawn(self) -> Iterator[NDArray[Any]]:
        random = generator(self._seed, RESAMPLE)
        for start in range(0, self.n_draws, self.block):
            size = min(self.block, self.n_draws - start)
            n = self._n_drawn
            places = random.integers(n, size=(size, n))
            places += n * np.arange(size)[:, None]
            counts = np.bincount(places.ravel(), minlength=size * n)
            yield counts.reshape(size, n)
