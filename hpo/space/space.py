"""The search space: which values each hyperparameter may take, and when it is active.

One space serves every strategy: it can be sampled, counted and enumerated exactly,
conditions included. It knows nothing of study files, networks or search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hpo.errors import Problem, SpecError, near_match
from hpo.records import Params, ParamValue
from hpo.space.cells import Cells
from hpo.space.conditions import condition_problems, expand
from hpo.space.kinds import Categorical, Hyperparameter, as_hyperparameter, describe
from hpo.space.values import brief

if TYPE_CHECKING:
    import numpy as np

MAX_POINTS = 100_000
"""Points of all ranges together for which a grid makes values."""


class Space:
    """An immutable search space.

    Args:
        hyperparameters: By name, in the order they are shown and enumerated: a `Float`,
            `Int` or `Categorical`; a plain list, which is a `Categorical`; or a plain
            value, which is a constant.

    Raises:
        SpecError: With every mistake found; paths start with the hyperparameter's name.

    Example:
        >>> from hpo.space import Categorical, Int
        >>> units = Categorical([8, 16], when={"layers": 1})
        >>> space = Space(layers=Int(0, 1), units=units)
        >>> space.size
        3
        >>> [dict(params) for params in space.cells()]
        [{'layers': 0}, {'layers': 1, 'units': 8}, {'layers': 1, 'units': 16}]
    """

    def __init__(self, /, **hyperparameters: Any) -> None:
        declared: dict[str, Hyperparameter] = {}
        problems: list[Problem] = []
        for name, given in hyperparameters.items():
            try:
                declared[name] = as_hyperparameter(given)
            except SpecError as error:
                problems += [
                    Problem(_join(name, p.where), p.what) for p in error.problems
                ]
        problems += condition_problems(declared, frozenset(hyperparameters))
        if problems:
            raise SpecError(problems)
        self.declared: Mapping[str, Hyperparameter] = declared
        self.hyperparameters, self.conditions = expand(declared)

    @classmethod
    def from_sklearn(cls, given: Mapping[str, Any]) -> Space:
        """Read a ``param_grid`` or ``param_distributions`` of scikit-learn.

        Args:
            given: By name: a list of plain values; ``uniform``, ``loguniform`` or
                ``randint`` of scipy; or what `Space` takes.

        Raises:
            SpecError: A choice is no plain value, or a distribution no range.

        Example:
            >>> from scipy.stats import loguniform
            >>> space = Space.from_sklearn({"alpha": loguniform(0.1, 10), "k": [1, 2]})
            >>> space.declared["alpha"].log, space.declared["k"].choices
            (True, (1, 2))
        """
        from hpo.space.from_sklearn import from_sklearn

        return cls(**from_sklearn(given).plain())

    def to_sklearn(self) -> dict[str, Any]:
        """Return lists and scipy distributions for a search of scikit-learn.

        ``points`` are left out: there a grid is of lists only.

        Raises:
            SpecError: A hyperparameter has a condition, or is one of whole numbers on a
                logarithmic scale: scikit-learn and scipy know neither.
        """
        from hpo.space.from_sklearn import to_sklearn

        return to_sklearn(self.declared)

    @classmethod
    def from_keras_tuner(cls, given: Any) -> Space:
        """Read ``keras_tuner.HyperParameters``, or what a hypermodel asks for.

        Args:
            given: The hyperparameters; or a function ``build(hp)`` or a ``HyperModel``,
                which is then called a few times in this process. What the ``fit`` of a
                hypermodel asks for is not found here.

        Raises:
            SpecError: One name has two ranges that can both be active, or values make
                no sense.
        """
        from hpo.space.from_keras_tuner import from_keras_tuner

        return cls(**from_keras_tuner(given).declared)

    def to_keras_tuner(self) -> Any:
        """Return ``keras_tuner.HyperParameters`` of the same values and conditions.

        Raises:
            SpecError: A hyperparameter has choices that Keras Tuner has not.
        """
        from hpo.space.from_keras_tuner import to_keras_tuner

        return to_keras_tuner(self.hyperparameters, self.conditions)

    @classmethod
    def from_optuna(cls, given: Any) -> Space:
        """Read Optuna distributions by name, or those of a study's trials.

        Raises:
            SpecError: It is nothing of the kind, or one name has several distributions.

        Example:
            >>> from optuna.distributions import IntDistribution
            >>> Space.from_optuna({"n": IntDistribution(1, 8, log=True)}).declared["n"]
            Int(when=None, repeat=None, low=1, high=8, log=True, step=None, points=None)
        """
        from hpo.space.from_optuna import from_optuna

        return cls(**from_optuna(given))

    def to_optuna(self) -> dict[str, Any]:
        """Return Optuna distributions by name.

        Raises:
            SpecError: A hyperparameter has a condition, which they cannot say.
        """
        from hpo.space.from_optuna import to_optuna

        return to_optuna(self.hyperparameters, self.conditions)

    @property
    def names(self) -> tuple[str, ...]:
        """Every hyperparameter there can be, parents before children."""
        return tuple(self.hyperparameters)

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={hp!r}" for name, hp in self.declared.items())
        return f"Space({inner})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def is_active(self, name: str, params: Params) -> bool:
        """Tell whether ``name`` has a value, given those of its parents."""
        return all(condition.met(params) for condition in self.conditions[name])

    @cached_property
    def always_active(self) -> tuple[str, ...]:
        """Names of the hyperparameters that every params has."""
        return tuple(name for name in self.names if not self.conditions[name])

    def sample(self, rng: np.random.Generator) -> dict[str, ParamValue]:
        """Draw each active hyperparameter uniformly on its own (log, step) scale."""
        params: dict[str, ParamValue] = {}
        for name, hyperparameter in self.hyperparameters.items():
            if self.is_active(name, params):
                params[name] = hyperparameter.draw(rng)
        return params

    def defaults(self, wanted: Params) -> dict[str, ParamValue]:
        """Move ``wanted`` into the space.

        A value outside its range goes to the nearest inside; where one is missing or
        None it is the middle of the range (geometric if log) or the first choice.
        ``units`` stands for all of ``units_0``, ``units_1``, ...
        """
        params: dict[str, ParamValue] = {}
        for name, hyperparameter in self.hyperparameters.items():
            if self.is_active(name, params):
                shared = wanted.get(self._declared_name(name))
                params[name] = hyperparameter.nearest(wanted.get(name, shared))
        return params

    def why_not(self, params: Params) -> str | None:
        """Say why ``params`` are not in the space, or None if they are."""
        for name, hyperparameter in self.hyperparameters.items():
            if not self.is_active(name, params):
                if name in params:
                    return f"{name}: is not active with these values"
            elif name not in params:
                return f"{name}: is missing"
            elif not hyperparameter.holds(params[name]):
                got = brief(params[name])
                return f"{name}: {got} is outside {describe(hyperparameter)}"
        for name in params:
            if name not in self.hyperparameters:
                return f"{name}: is not in the space{near_match(name, self.names)}"
        return None

    @cached_property
    def size(self) -> int | None:
        """How many different params there are.

        None if they are infinitely many, or too entangled to be counted.
        """
        if any(hp.values is None for hp in self.hyperparameters.values()):
            return None
        try:
            return self._all.count
        except SpecError:
            return None

    def cells(self) -> Iterator[dict[str, ParamValue]]:
        """Yield every params of a finite space once."""
        return iter(self._all)

    @cached_property
    def _all(self) -> Cells:
        return Cells(
            self.conditions,
            {n: hp.values or () for n, hp in self.hyperparameters.items()},
        )

    @cached_property
    def grid(self) -> Cells:
        """The cells a grid visits.

        Raises:
            SpecError: A range has a continuum of values and no ``points``.
        """
        axes = self._axes()
        problems = [
            Problem(
                self._declared_name(name),
                f"a grid needs finitely many values; got {describe(hp)}; add "
                f"`points: 5` or a step, or list the values",
            )
            for name, hp in self.hyperparameters.items()
            if axes[name] is None
        ]
        if problems:
            raise SpecError(list(dict.fromkeys(problems)))
        return Cells(self.conditions, {name: axis or () for name, axis in axes.items()})

    def _axes(self) -> dict[str, Sequence[ParamValue] | None]:
        """Return the values a grid takes of each hyperparameter.

        Raises:
            SpecError: They are more than there is room for.
        """
        made: dict[str, Sequence[ParamValue] | None] = {}
        n_points = 0
        for name, hp in self.declared.items():
            n_points += 0 if isinstance(hp, Categorical) else hp.points or 0
            if n_points > MAX_POINTS:
                what = f"a grid takes at most {MAX_POINTS} points, of all ranges"
                raise SpecError([Problem(f"{name}.points", f"{what} together")])
            made[name] = hp.grid()
        return {name: made[self._declared_name(name)] for name in self.names}

    def _declared_name(self, name: str) -> str:
        """Return what the space calls it: ``units`` for ``units_0``."""
        return name if name in self.declared else name.rpartition("_")[0]


def _join(name: str, where: str) -> str:
    return f"{name}.{where}" if where else name
