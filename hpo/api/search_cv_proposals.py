"""What a search over an estimator tries, in order: spaces, checks and proposals.

It owns how a space is read for an estimator and refused where it does not fit; it
trains nothing, and what it proposes follows from the seed and the history alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from sklearn.base import clone
from sklearn.utils import check_random_state

from hpo.errors import Problem, SpecError, near_match, one_of
from hpo.records import Params, Trial
from hpo.search import STRATEGIES, make_strategy
from hpo.seeds import PROPOSE, derived_seed, generator
from hpo.space import Space
from hpo.space.from_sklearn import SklearnSpace, codes_of, from_sklearn, refused
from hpo.space.values import brief


class Proposals:
    """The trials of one search: plain params, and what the estimator is given.

    Args:
        given: A `Space`, a mapping as for scikit-learn's searches, or a list of these
            mappings for a grid.
        strategy: One of `STRATEGIES`.
        seed: Of everything drawn.

    Raises:
        SpecError: The strategy is unknown, the space makes no sense, or the strategy
            cannot search it.
    """

    def __init__(self, given: Any, strategy: str, seed: int) -> None:
        if strategy not in STRATEGIES:
            raise SpecError([Problem("strategy", one_of(strategy, STRATEGIES))])
        self.parts = _read(given, strategy)
        self.spaces = [Space(**part.declared) for part in self.parts]
        self._seed = seed
        self._strategies = [make_strategy(strategy, s, seed=seed) for s in self.spaces]
        self.sees_scores = self._strategies[0].sees_scores
        counts = [space.grid.count for space in self.spaces[:-1]]
        self._ends = list(accumulate(counts)) if strategy == "grid" else []

    def propose(self, history: Sequence[Trial]) -> Params | None:
        """Return the plain params of the next trial, or None if none is left.

        Args:
            history: All trials before it; those whose end may not be known are given as
                running.
        """
        number = len(history)
        part = bisect_right(self._ends, number)
        if not self.parts[part].distributions:
            start = self._ends[part - 1] if part else 0
            return self._strategies[part].propose(number - start, history[start:])
        rng = generator(self._seed, PROPOSE, number)
        drawn = self._drawn(number)
        codes = {name: codes_of([value])[0] for name, value in drawn.items()}
        return dict(sorted((self.spaces[part].sample(rng) | codes).items()))

    def decode(self, number: int, params: Params) -> dict[str, Any]:
        """Return what the estimator is given for the plain params of a trial."""
        drawn = self._drawn(number)
        coded = {name: value for name, value in params.items() if name not in drawn}
        values = self.parts[bisect_right(self._ends, number)].decode(coded) | drawn
        return {name: values[name] for name in params}

    def _drawn(self, number: int) -> dict[str, Any]:
        """Draw from each distribution that is no range, for one trial."""
        distributions = self.parts[bisect_right(self._ends, number)].distributions
        return {
            name: distribution.rvs(
                random_state=check_random_state(
                    derived_seed(self._seed, PROPOSE, number, index)
                )
            )
            for index, (name, distribution) in enumerate(distributions.items())
        }


def _read(given: Any, strategy: str) -> list[SklearnSpace]:
    if isinstance(given, Space):
        parts = [SklearnSpace(given.declared, {}, {})]
    elif isinstance(given, Mapping):
        parts = [from_sklearn(given)]
    elif isinstance(given, list | tuple) and all(isinstance(g, Mapping) for g in given):
        parts = [from_sklearn(one) for one in given]
    else:
        what = "expected an hpo.Space, a mapping, or a list of mappings"
        raise SpecError([Problem("space", f"{what}; got {brief(given)}")])
    if not parts or not all(part.declared or part.distributions for part in parts):
        what = "expected at least one hyperparameter; got none"
        raise SpecError([Problem("space", what)])
    if strategy != "grid" and len(parts) > 1:
        what = (
            f"a list of mappings is for strategy 'grid'; got {strategy!r}; give one "
            f"space, with `when` for what depends on another choice"
        )
        raise SpecError([Problem("space", what)])
    problems = [
        refused(name, distribution)
        for part in parts
        for name, distribution in part.distributions.items()
        if strategy != "random"
    ]
    if problems:
        raise SpecError(problems)
    return parts


def check_names(estimator: Any, proposals: Proposals) -> None:
    """Refuse a name that the estimator has no parameter of.

    Raises:
        SpecError: With every such name, and a near match.
    """
    if not hasattr(estimator, "get_params"):
        return  # scikit-learn says so itself
    problems: list[Problem] = []
    for part, space in zip(proposals.parts, proposals.spaces, strict=True):
        known = set(estimator.get_params(deep=True))
        for name, objects in part.objects.items():
            known |= {
                f"{name}__{inner}"
                for choice in objects.values()
                if hasattr(choice, "get_params") and not isinstance(choice, type)
                for inner in choice.get_params(deep=True)
            }
        names = [*space.names, *part.distributions]
        problems += [
            Problem(
                f"space.{name}",
                f"{type(estimator).__name__} has no parameter of this name"
                f"{near_match(name, known)}",
            )
            for name in names
            if name not in known and not _takes(estimator, name)
        ]
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))


def _takes(estimator: Any, name: str) -> bool:
    """Tell whether an estimator takes a parameter that it does not list."""
    try:
        clone(estimator).set_params(**{name: None})
    except (ValueError, TypeError, AttributeError):
        return False
    return True
