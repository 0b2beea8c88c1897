"""Grid search: every combination of a finite space once, in the order of the file.

It enumerates the space itself: other grids repeat the combinations that differ only in
an inactive hyperparameter, or write the whole product into memory.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpo.records import Params, Trial
from hpo.search.strategy import Visited
from hpo.space import Space


class GridStrategy:
    """Visit the cells of ``space.grid``; the last hyperparameter runs fastest.

    After the space was edited it goes on with the next cell that history lacks.

    Args:
        space: Must be finite, or have ``points`` where it is not.

    Raises:
        SpecError: A range has a continuum of values and no ``points``.
    """

    sees_scores = False

    def __init__(self, space: Space) -> None:
        self._cells = space.grid
        self._visited = Visited(space)
        self._next, self._epoch = 0, 0

    @property
    def size(self) -> int:
        """How many trials the whole grid takes."""
        return self._cells.count

    def propose(self, number: int, history: Sequence[Trial]) -> Params | None:
        visited = self._visited.update(history)
        if self._visited.epoch != self._epoch:
            self._next, self._epoch = 0, self._visited.epoch
        # A history that only grows leaves the cells before this one visited.
        for index in range(self._next, self._cells.count):
            params = self._cells[index]
            if params not in visited:
                self._next = index
                return params
        return None
