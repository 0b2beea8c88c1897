"""Running an objective: code of the user's that scores params, fold by fold.

It runs in workers, or in the calling process. An objective gets the rows as they are;
what it returns is checked here and becomes a fold result.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from hpo.errors import Problem, SpecError, TrialError
from hpo.evaluation.failures import failed_result
from hpo.evaluation.plan import Group, Pair, Plan
from hpo.records import STOPPED, FoldResult, Params
from hpo.seeds import derived_seed
from hpo.user_code import find

if TYPE_CHECKING:
    from numpy.typing import NDArray

Returned: TypeAlias = float | Mapping[str, float]
Objective: TypeAlias = Callable[..., Returned]
"""``f(params)``, or ``f(params, fold)`` with a `Fold`."""

CURVE = "val_score"


class Fold:
    """One fold as an objective sees it.

    Attributes:
        index: Of the fold, from 0.
        seed: For everything random in it, from 0 to 2**32 - 1; the same for the same
            study seed, trial and fold.
        params: Of the trial.
        X_train: Rows to learn from, of the kind that the data came in.
        y_train: Their targets.
        X_val: Rows to be scored on.
        y_val: Their targets.

    Without data the last four are None.
    """

    def __init__(
        self, pair: Pair, seed: int, rows: Rows, *, minimize: bool = False
    ) -> None:
        self.index, self.seed, self.params = pair.fold, seed, pair.params
        self._rows, self._bars = rows, pair.bars
        self._better = min if minimize else max
        self.X_train, self.y_train = rows.train
        self.X_val, self.y_val = rows.val
        self.curves: dict[str, list[float]] = {}

    def report(self, epoch: int, value: float, name: str = CURVE) -> None:
        """Note a value of a learning curve.

        Args:
            epoch: 1, 2, 3, ...; each is reported once, in order.
            value: Of the curve at this epoch.
            name: Of the curve.

        Raises:
            TrialError: There is no hope for this fold: let the error end it. The value
                is no finite number, and the trial fails as ``nan``; or the study races,
                and the best value so far is worse than the median of other trials on
                this fold, and the trial is stopped.
            ValueError: The epoch is not the next one.
        """
        curve = self.curves.setdefault(name, [])
        if epoch != len(curve) + 1:
            raise ValueError(
                f"fold.report({epoch}, ...): expected epoch {len(curve) + 1} of "
                f"{name!r}; each epoch is reported once, from 1 on"
            )
        value = float(value)
        curve.append(value)
        if not math.isfinite(value):
            raise TrialError("nan", f"{name} is {value} after epoch {epoch}")
        if name == CURVE and epoch <= len(self._bars):
            best, bar = self._better(curve), self._bars[epoch - 1]
            if best != bar and self._better(best, bar) == bar:
                what = f"{name} came to {best:.6g} in {epoch} epochs"
                raise TrialError(STOPPED, f"{what}, others to {bar:.6g} (median)")

    def preprocess(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return (X_train, X_val) as arrays that a network can be trained on.

        Imputed, one-hot encoded and scaled, shape (n_rows, n_features), float64; fitted
        on the training rows alone. Hyperparameters of preprocessing, such as ``scale``,
        are taken from the trial's params.

        Raises:
            TrialError: The study has no data.
        """
        return self._rows.preprocess(self.params, self.index)


@dataclass(frozen=True)
class Rows:
    """The rows of one fold, raw; ``preprocess`` gives them as arrays."""

    train: tuple[Any, Any]
    val: tuple[Any, Any]
    preprocess: Callable[[Params, int], tuple[NDArray[Any], NDArray[Any]]]


class ObjectiveRunner:
    """Scores groups of one study by its objective.

    Args:
        plan: The study.

    Raises:
        SpecError: The code that the plan names cannot be found.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._objective = _load(plan)
        self._takes_fold = takes_fold(self._objective)
        self._rows: dict[int, Rows] = {}
        self._prepared: Any = None

    def run(self, group: Group) -> list[tuple[int, FoldResult]]:
        """Score every pair of ``group``; a failed pair is a failed result."""
        return [(pair.number, self._score(pair)) for pair in group]

    def _score(self, pair: Pair) -> FoldResult:
        plan = self._plan
        seed = derived_seed(plan.seed, plan.purpose, pair.number, pair.fold)
        started = time.perf_counter()
        curves: dict[str, list[float]] = {}
        try:
            if self._takes_fold:
                rows = self._rows_of(pair.fold)
                fold = Fold(pair, seed, rows, minimize=plan.minimize)
                curves = fold.curves
                returned = self._objective(dict(pair.params), fold)
            else:
                returned = self._objective(dict(pair.params))
            metrics = self._metrics(returned)
        except Exception as error:
            failed = failed_result(pair, error)
            seconds = time.perf_counter() - started
            return replace(failed, fit_seconds=seconds, curves=curves)
        score = metrics[plan.metric]
        return FoldResult(
            fold=pair.fold,
            score=score,
            metrics=metrics,
            fit_seconds=time.perf_counter() - started,
            n_epochs=max(map(len, curves.values()), default=None),
            curves=curves,
            engine="objective",
        )

    def _metrics(self, returned: Returned) -> dict[str, float]:
        plan = self._plan
        if not plan.minimize:
            return _metrics(returned, plan.metric)
        own_name = plan.metric.removeprefix(NEGATIVE)
        metrics = _metrics(returned, own_name)
        return {plan.metric: -metrics.pop(own_name), **metrics}

    def _rows_of(self, index: int) -> Rows:
        if index not in self._rows:
            self._rows[index] = self._make_rows(index)
        return self._rows[index]

    def _make_rows(self, index: int) -> Rows:
        plan = self._plan
        if plan.data.n_rows == 0:
            return Rows((None, None), (None, None), _no_data)
        X, y = plan.raw if plan.raw is not None else (plan.data.X, plan.data.y)
        train, val = ((_take(X, rows), _take(y, rows)) for rows in plan.folds[index])
        return Rows(train, val, self._preprocess)

    def _preprocess(
        self, params: Params, index: int
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        # Imported here: an objective that preprocesses nothing needs no scikit-learn.
        from hpo.evaluation.folds import PreparedFolds
        from hpo.models.preparation import Preparation

        if self._prepared is None:
            self._prepared = PreparedFolds(self._plan, takes_arrays=False)
        fold = self._prepared.get(index, Preparation.of(params))
        return fold.X_train, fold.X_val


def takes_fold(objective: Objective, where: str = "model") -> bool:
    """Tell whether an objective wants the fold besides the params.

    It does if its second argument has no default, or is called ``fold``.

    Args:
        objective: A function or another callable.
        where: What a message calls it.

    Raises:
        SpecError: It is no such function.
    """
    expected = "expected an objective f(params) or f(params, fold)"
    if not callable(objective):
        raise SpecError([Problem(where, f"{expected}; got {objective!r:.80}")])
    if inspect.iscoroutinefunction(objective):
        what = f"{expected}; got a coroutine function, which returns no score"
        raise SpecError([Problem(where, what)])
    try:
        signature = inspect.signature(objective)
    except (TypeError, ValueError):
        return False  # of some functions written in C nobody knows
    named = list(signature.parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in named if p.kind in kinds]
    required = [p for p in positional if p.default is p.empty]
    wants = len(required) == 2 or (len(positional) > 1 and positional[1].name == "fold")
    wants |= any(p.kind is p.VAR_POSITIONAL for p in named)
    try:
        signature.bind(*((None, None) if wants else (None,)))
    except TypeError:
        name = getattr(objective, "__name__", type(objective).__name__)
        what = f"{expected}; got {name}{signature}"
        raise SpecError([Problem(where, what)]) from None
    return wants


def _load(plan: Plan) -> Objective:
    if plan.code is not None:
        import pickle

        objective: Objective = pickle.loads(plan.code)
        return objective
    if plan.function is not None:
        return plan.function
    return find(plan.family.partition(":")[2], plan.home, where="model")


def _metrics(returned: Returned, metric: str) -> dict[str, float]:
    """Return what an objective returned as metrics that hold the study's."""
    given = returned if isinstance(returned, Mapping) else {metric: returned}
    if not given:
        raise TrialError("error", "expected a number or a dict of numbers; got {}")
    scores = {str(name): _number(name, value) for name, value in given.items()}
    if metric not in scores:
        # A study that names no metric goes by the first.
        if metric != UNNAMED:
            expected = f"expected {metric!r} among what the objective returns"
            raise TrialError("error", f"{expected}; got {', '.join(scores)}")
        scores = {metric: next(iter(scores.values())), **scores}
    for name, score in scores.items():
        if not math.isfinite(score):
            raise TrialError("nan", f"{name} is {score}, not a finite number")
    return scores


NEGATIVE = "neg_"
"""Begins the name of a metric whose sign was changed, as scikit-learn's do."""
UNNAMED = "objective"
"""The metric of a study whose objective returns a number."""


def _number(name: object, value: object) -> float:
    shown = repr(value)[:80]
    expected = f"expected a number for {name}; got {shown} ({type(value).__name__})"
    if isinstance(value, str | bytes) or value is None:
        raise TrialError("error", expected)
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise TrialError("error", expected) from error


def _take(values: Any, rows: NDArray[Any]) -> Any:
    """Return rows by position of an array, a DataFrame, a Series or a list."""
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if hasattr(values, "shape"):
        return values[rows]
    return [values[row] for row in rows]


def _no_data(params: Params, index: int) -> tuple[NDArray[Any], NDArray[Any]]:
    raise TrialError("error", "fold.preprocess(): this study has no data")
