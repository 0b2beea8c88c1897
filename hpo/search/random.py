"""Random search: independent uniform draws that avoid what was tried before."""

from __future__ import annotations

from collections.abc import Sequence

from hpo.records import Params, Trial
from hpo.search.strategy import Visited
from hpo.seeds import PROPOSE, generator
from hpo.space import Space

N_DRAWS = 100


class RandomStrategy:
    """Draw each active hyperparameter uniformly on its own (log, step) scale.

    Args:
        space: Where to draw.
        seed: The study's seed.
        first: Params of trial 0, the family's defaults; None draws that too.

    Source:
        J. Bergstra, Y. Bengio, "Random Search for Hyper-Parameter Optimization",
        JMLR 13 (2012).
    """

    sees_scores = False

    def __init__(self, space: Space, *, seed: int, first: Params | None = None) -> None:
        self._space, self._seed, self._first = space, seed, first
        self._visited = Visited(space)

    def propose(self, number: int, history: Sequence[Trial]) -> Params | None:
        if number == 0 and self._first is not None:
            return self._first
        return draw_unvisited(
            self._space, self._visited.update(history), self._seed, number
        )


def draw_unvisited(
    space: Space, visited: Visited, seed: int, number: int
) -> Params | None:
    """Draw params that are not in ``visited``, or None if the space holds no others.

    Rejection is cheap until a finite space is nearly exhausted; then one of the cells
    that are left is chosen, each with the same probability.
    """
    rng = generator(seed, PROPOSE, number)
    for _ in range(N_DRAWS):
        params = space.sample(rng)
        if params not in visited:
            return params
    if space.size is None:
        return params
    left = [cell for cell in space.cells() if cell not in visited]
    return left[int(rng.integers(len(left)))] if left else None
