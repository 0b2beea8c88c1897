"""Search strategies: grid, random and Bayesian, over one space."""

from __future__ import annotations

from hpo.errors import Problem, SpecError, one_of
from hpo.records import Params
from hpo.search.enqueued import Enqueued
from hpo.search.strategy import Strategy
from hpo.space import Space

__all__ = ["STRATEGIES", "Enqueued", "Strategy", "make_strategy", "sees_scores"]
STRATEGIES = ("grid", "random", "bayesian")


def sees_scores(name: str) -> bool:
    """Tell whether what a strategy proposes depends on scores; imports none of them."""
    return name == "bayesian"


def make_strategy(
    name: str,
    space: Space,
    *,
    seed: int,
    first: Params | None = None,
    maximize: bool = True,
) -> Strategy:
    """Return the strategy called ``name``.

    Args:
        name: One of `STRATEGIES`.
        space: Where it searches.
        seed: The study's seed.
        first: Params of trial 0 of random and Bayesian search; None draws them too.
        maximize: Whether greater scores are better.

    Raises:
        SpecError: The name is unknown, or a grid over a space that is not finite.
    """
    if name == "grid":
        from hpo.search.grid import GridStrategy

        return GridStrategy(space)
    if name == "random":
        from hpo.search.random import RandomStrategy

        return RandomStrategy(space, seed=seed, first=first)
    if name == "bayesian":
        from hpo.search.bayesian import BayesianStrategy

        return BayesianStrategy(space, seed=seed, first=first, maximize=maximize)
    raise SpecError([Problem("search.strategy", one_of(name, STRATEGIES))])
